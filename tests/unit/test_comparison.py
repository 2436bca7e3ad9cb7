"""Two runs side by side: what counts as a change, and what is only shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from recorded import document

from soakproof.checks.comparison import Comparison, Side, compare_runs, compared_lines


def side(case: str = "pass") -> Side:
    return Side(*(document(case, name) for name in ("plan", "run", "metrics", "verdict")))


def compared(change: Callable[[Side], object]) -> Comparison:
    other = side()
    change(other)
    return compare_runs(side(), other)


def claimed(comparison: Comparison) -> dict[str, tuple[Any, Any]]:
    return {one.field: (one.first, one.second) for one in comparison.changes if one.claimed}


def put(of: str, path: str, value: Any) -> Callable[[Side], None]:
    def change(other: Side) -> None:
        place = getattr(other, of)
        *parents, last = path.split(".")
        for part in parents:
            place = place[part]
        place[last] = value

    return change


def test_a_run_is_the_same_as_itself() -> None:
    same = compare_runs(side(), side())

    assert (0, (), True) == (same.exit_code, same.changes, same.same_schedule)
    assert "SAME within noise" == compared_lines(same)[-1]


def test_a_pass_and_a_fail_differ_and_the_criteria_are_named() -> None:
    found = compare_runs(side("pass"), side("fail"))

    assert 10 == found.exit_code
    assert ("PASS", "FAIL") == claimed(found)["verdict"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (put("metrics", "ops.fail", 1), "ops.fail"),
        (put("metrics", "integrity.integrity_check", "malformed"), "integrity.integrity_check"),
        (put("metrics", "telemetry.lost_events", 1), "telemetry.lost_events"),
        (put("plan", "gate_sha256", "0" * 64), "gate_sha256"),
        (put("run", "subject.version", "9.9"), "subject.version"),
        (put("run", "environment.packages", {"rich": "0"}), "rich"),
        (put("metrics", "locks.lock_wait", 10_000), "locks.lock_wait"),
        (put("metrics", "cache.warm.hits", 10_000), "cache.warm.hits"),
    ],
)
def test_this_is_a_change(change: Callable[[Side], None], field: str) -> None:
    found = compared(change)

    assert 10 == found.exit_code
    assert field in claimed(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda other: put("metrics", "locks.lock_wait", other.metrics["locks"]["lock_wait"] + 1)(
            other
        ),
        put("metrics", "informational.elapsed_s", 9999.0),
        put("metrics", "locks.waited_ms_total", 0.0),
        put("metrics", "growth.last_bytes_by_role", {}),
    ],
)
def test_this_is_noise_or_only_shown(change: Callable[[Side], None]) -> None:
    found = compared(change)

    assert (0, {}) == (found.exit_code, claimed(found))


def test_of_another_schedule_counts_are_shown_and_not_judged() -> None:
    def change(other: Side) -> None:
        put("plan", "schedule_sha256", "0" * 64)(other)
        put("metrics", "locks.lock_wait", 10_000)(other)

    found = compared(change)

    assert ["schedule_sha256"] == list(claimed(found))
    assert "locks.lock_wait" in {one.field for one in found.changes}
    assert any("The schedules differ" in line for line in compared_lines(found))
