"""Telemetry against the ledger: what is lost, doubled, invented or silent is counted."""

from __future__ import annotations

import pytest

from soakproof.checks.fault_ledger import FaultLedger
from soakproof.checks.ledger import OpRecord
from soakproof.checks.telemetry import LockWait, TelemetryTally
from soakproof.model import FaultPlan, HistoryLine, Outcome, Phase, TelemetryEvent

NAMES = {"hit": "hit", "miss": "miss", "write": "write", "lock_wait": ["wait"]}


def event(op: str, seq: int, cmd: str, *, run: str = "r", **x: object) -> TelemetryEvent:
    result = {"waited_ms": 5.0, "for": "file_lock"} if cmd == "wait" else {}
    return TelemetryEvent(
        ts="t",
        run_id=run,
        segment_id="s",
        cmd=cmd,
        result=result,
        x={"op": op, "seq": seq, "pid": 1, **x},
    )


def tally(*events: TelemetryEvent, outcome: Outcome = Outcome.OK) -> TelemetryTally:
    record = OpRecord("get", "k", Phase.COLD, outcome=outcome)
    told = TelemetryTally(NAMES, {"get": "own"}, {"op-0": record}, "r")
    for one in events:
        told.add(one)
    told.close()
    return told


WHOLE = (event("op-0", 1, "miss"), event("op-0", 2, "write"), event("op-0", 3, "own", events=3))


def counts(told: TelemetryTally) -> dict[str, int]:
    return {
        "lost": told.lost,
        "silent": told.without_events,
        "orphans": told.orphans,
        "duplicates": told.duplicates,
        "foreign": told.foreign,
    }


NOTHING = {"lost": 0, "silent": 0, "orphans": 0, "duplicates": 0, "foreign": 0}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (WHOLE, {}),
        (WHOLE[1:], {"lost": 1}),
        ((WHOLE[0], WHOLE[2]), {"lost": 1}),
        (WHOLE[:2], {"lost": 1, "silent": 1}),
        ((), {"silent": 1}),
        ((*WHOLE, WHOLE[0]), {"duplicates": 1}),
        ((*WHOLE, event("op-9", 1, "own", events=1)), {"orphans": 1}),
        ((*WHOLE, event("op-0", 4, "own", run="other")), {"foreign": 1}),
        ((*WHOLE, TelemetryEvent(ts="", run_id="r", segment_id="", cmd="x")), {"orphans": 1}),
    ],
)
def test_what_is_wrong_with_a_claim(
    events: tuple[TelemetryEvent, ...], expected: dict[str, int]
) -> None:
    assert NOTHING | expected == counts(tally(*events))


def test_a_killed_operation_may_have_died_before_its_last_event() -> None:
    assert NOTHING == counts(tally(WHOLE[0], outcome=Outcome.INFO))


def test_hits_and_misses_go_to_the_phase_of_their_operation() -> None:
    cold = tally(*WHOLE).phases[Phase.COLD]

    assert (0, 1, 1, 1) == (cold.hits, cold.misses, cold.writes, cold.operations)


def test_a_wait_has_a_beginning_and_an_end() -> None:
    told = tally(event("op-0", 1, "wait", mono_ns=9_000_000))

    assert [LockWait("op-0", "file_lock", 4_000_000, 9_000_000)] == told.waits


def test_the_fault_ledger_says_which_waits_overlapped() -> None:
    faults = FaultLedger([FaultPlan("h-0", "hold", 0, {}), FaultPlan("h-1", "hold", 9, {})])
    for at_ns, step in ((10, "fired"), (12, "took_effect"), (20, "healed")):
        line = HistoryLine(seq=0, type="fault", mono_ns=at_ns, fault="h-0", kind="hold", event=step)
        faults.add(line)
    faults.overlap([LockWait("op-0", "x", 5, 11), LockWait("op-1", "x", 21, 30)])

    first, second = faults.document()["ledger"]
    assert ["op-0"] == first["observation"]["overlapping_lock_waits"]
    assert (True, "not reached") == (first["took_effect"], second["reason"])
    assert {"planned": 2, "fired": 1, "took_effect": 1, "healed": 1, "skipped": 0} == (
        faults.document()["by_kind"]["hold"]
    )


def contradictions(hit_ns: int) -> int:
    """A hit at some moment, of what an operation that began at 100 told at 200 to have written."""
    operations = {
        "op-0": OpRecord("get", "k", Phase.COLD, outcome=Outcome.OK, invoke_ns=100),
        "op-1": OpRecord("get", "k", Phase.WARM, outcome=Outcome.OK, invoke_ns=90),
    }
    told = TelemetryTally(NAMES, {"get": "own"}, operations, "r")
    told.add(event("op-0", 1, "write", mono_ns=200))
    told.add(event("op-1", 1, "hit", mono_ns=hit_ns))
    told.close()
    return told.contradictions


def test_a_hit_before_the_write_is_told_is_none_before_its_writer_began() -> None:
    assert [1, 0, 0] == [contradictions(hit_ns) for hit_ns in (99, 150, 250)]
