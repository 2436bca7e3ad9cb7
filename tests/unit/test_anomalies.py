"""What is told of a run while it lasts, and what is not."""

from __future__ import annotations

import pytest

from soakproof.checks.anomalies import Anomalies
from soakproof.model import HistoryLine, TelemetryEvent

NAMES = {"hit": "hit", "miss": "miss", "lock_timeout": ["gave_up"]}


def event(cmd: str, **result: object) -> TelemetryEvent:
    x = {"op": "op-1", "mono_ns": 3_500_000_000}
    return TelemetryEvent(ts="t", run_id="r", segment_id="s", cmd=cmd, result=result, x=x)


def told_of(*cmds: str) -> list[str]:
    watch = Anomalies(NAMES)
    return [one.sort for cmd in cmds for one in watch.telemetry(event(cmd))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"type": "ok", "op": "op-1", "kind": "get"}, []),
        ({"type": "fail", "op": "op-1", "kind": "get", "reason": "exit_code"}, []),
        (
            {"type": "ok", "op": "op-1", "kind": "get", "detail": {"traceback": True}},
            ["    1.500 s  traceback: op-1 (get) wrote traceback to its standard error"],
        ),
        (
            {"type": "fail", "op": "op-1", "kind": "get", "error": "E: no",
             "detail": {"patterns": ["panic"]}},
            ["    1.500 s  traceback: op-1 (get) wrote panic to its standard error: E: no"],
        ),
        (
            {"type": "info", "worker": 3, "reason": "hung"},
            ["    1.500 s  hung: worker 3 (many operations) did not end in time"],
        ),
        ({"type": "fault", "detail": {"traceback": True}}, []),
        (
            {"type": "ok", "seq": 9},
            ["    1.500 s  lost_line: history: expected the line 1, found 9"],
        ),
    ],
)  # fmt: skip
def test_a_line_of_history(line: dict[str, object], expected: list[str]) -> None:
    watch = Anomalies(None)
    first = HistoryLine(seq=0, type="run", mono_ns=2_000_000_000, event="begin")
    given = {"seq": 1, "mono_ns": 3_500_000_000, **line}

    assert [] == list(watch.history(first))
    assert expected == [one.line() for one in watch.history(HistoryLine(**given))]  # type: ignore[arg-type]


def test_a_lock_timeout_says_whose_and_how_long() -> None:
    told = list(Anomalies(NAMES).telemetry(event("gave_up", waited_ms=30_000)))

    assert ["        ? s  lock_timeout: op-1 gave up after 30000 ms: gave_up"] == [
        one.line() for one in told
    ]


def test_a_hit_rate_that_falls_is_told_once() -> None:
    good, bad = ["hit"] * 45 + ["miss"] * 5, ["hit"] * 20 + ["miss"] * 30

    assert ["hit_rate"] == told_of(*good, *bad, *bad)
    assert ["hit_rate", "hit_rate"] == told_of(*good, *bad, *good, *bad)


def test_a_hit_rate_that_rises_or_wavers_is_not_told() -> None:
    cold, warm = ["miss"] * 50, ["hit"] * 40 + ["miss"] * 10
    wavers = ["hit"] * 36 + ["miss"] * 14

    assert [] == told_of(*cold, *warm, *wavers, *warm)


def test_a_subject_that_tells_nothing_has_no_hit_rate() -> None:
    watch = Anomalies(None)

    assert [] == [one for _ in range(200) for one in watch.telemetry(event("miss"))]
