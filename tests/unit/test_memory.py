"""What a long run costs an extraction: a few hundred bytes an operation, whatever it says."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from soakproof.checks.ledger import Ledger
from soakproof.checks.telemetry import TelemetryTally, _Heard
from soakproof.lines import BadLine, line_decoder
from soakproof.model import HistoryLine, TelemetryEvent

FEW, MANY = 500, 4_500
KEYS = 50
MOST_BYTES = 700
"""An operation: what the ledger keeps of it, and of two events. It was 1,600 when every line kept
copies of its own of key, kind and hash, and every process a set of its events' numbers."""

NAMES: dict[str, Any] = {
    "hit": "c.hit",
    "miss": "c.miss",
    "write": "c.write",
    "lock_wait": ["c.wait"],
    "lock_timeout": ["c.timeout"],
    "degraded": ["c.degraded"],
    "recovered": ["c.recovered"],
}


def bytes_kept(operations: int) -> int:
    """Return what is kept of a run, as its lines are read from files."""
    history, telemetry = line_decoder(HistoryLine), line_decoder(TelemetryEvent)
    tracemalloc.start()
    try:
        ledger = Ledger()
        for number in range(operations):
            for line in of_history(number):
                read = history(1, json.dumps(line).encode(), True)
                assert not isinstance(read, BadLine)
                ledger.add(read)
        ledger.close()
        tally = TelemetryTally(NAMES, {"ask": "ask"}, ledger.operations, "r")
        for number in range(operations):
            for event in of_telemetry(number):
                told = telemetry(1, json.dumps(event).encode(), True)
                assert not isinstance(told, BadLine)
                tally.add(told)
        tally.close()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (operations, 0, 0, 0) == (tally.checked, tally.lost, tally.orphans, tally.duplicates)
    assert (0, operations) == (
        tally.contradictions,
        sum(p.operations for p in tally.phases.values()),
    )
    return kept


def of_history(number: int) -> list[dict[str, Any]]:
    op, at_ns = f"op-{number:06d}", 10**15 + number * 1000
    key, answer = f"package.module_{number % KEYS}", f"{number % KEYS:064x}"
    asked = {"op": op, "worker": 0, "phase": "warm", "kind": "ask", "key": key}
    given = {"op": op, "worker": 0, "pid": 1000 + number, "exit_code": 0, "wall_ms": number / 7}
    return [
        {"seq": 2 * number, "type": "invoke", "mono_ns": at_ns, **asked},
        {"seq": 2 * number + 1, "type": "ok", "mono_ns": at_ns + 900, **given}
        | {"answer_sha256": answer, "answer_bytes": 9},
    ]


def of_telemetry(number: int) -> list[dict[str, Any]]:
    same = {"ts": "2026-01-01T00:00:00Z", "run_id": "r", "segment_id": "s", "timing_ms": 1.5}
    same |= {"args": {}, "result": {"status": "ok"}, "warnings": []}
    who = {"op": f"op-{number:06d}", "pid": 1000 + number, "mono_ns": 10**15 + number * 1000 + 200}
    found = "c.write" if number < KEYS else "c.hit"
    return [
        {**same, "cmd": found, "x": {**who, "seq": 1}},
        {**same, "cmd": "ask", "x": {**who, "seq": 2, "events": 2}},
    ]


def test_an_operation_costs_an_extraction_some_hundred_bytes() -> None:
    bytes_kept(FEW)  # what is kept once is there by now
    grown = bytes_kept(MANY) - bytes_kept(FEW)

    assert grown / (MANY - FEW) < MOST_BYTES


numbers = st.integers(-3, 70) | st.integers(-(10**9), 10**9)


@given(st.lists(numbers, min_size=1, max_size=30), st.none() | st.integers(-2, 200))
def test_numbers_are_missing_as_a_set_of_them_would_say(told: list[int], total: int | None) -> None:
    heard, seen = _Heard(1, None), set[int]()
    for number in told:
        assert (number not in seen) is heard.add(number)
        seen.add(number)
    heard.total = total
    last = max(seen) + 1 if total is None else total
    expected = last - sum(1 <= one <= last for one in seen) if last > 0 else 0

    assert expected == heard.missing()
