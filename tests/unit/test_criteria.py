"""The gate: every criterion has metrics that it passes, fails, and cannot judge."""

from __future__ import annotations

from typing import Any

import pytest

from soakproof.checks.criteria import judge, judge_all
from soakproof.model import Verdict, compose

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def criterion(op: str, limit: object, **more: object) -> dict[str, Any]:
    return {
        "id": "c",
        "metric": "a.value",
        "op": op,
        "limit": limit,
        "samples": "a.samples",
        "floor": 2,
        "why": "because",
        **more,
    }


def metrics(
    value: object, *, samples: object = 5, state: str = "completed", effects: int = 1
) -> dict[str, Any]:
    return {
        "a": {"value": value, "samples": samples, "bound": 3},
        "run": {"state": state},
        "ops": {"ops_total": 5},
        "faults": {"by_kind": {"lock_hold": {"took_effect": effects}}},
    }


@pytest.mark.parametrize(
    ("rule", "seen", "expected"),
    [
        (criterion("==", "ok"), metrics("ok"), PASS),
        (criterion("==", "ok"), metrics("malformed"), FAIL),
        (criterion("==", "ok"), metrics(None), UNKNOWN),
        (criterion("==", "ok"), {"run": {"state": "completed"}}, UNKNOWN),
        (criterion("==", "ok"), metrics("ok", samples=1), UNKNOWN),
        (criterion("==", "ok"), metrics("ok", samples=None), UNKNOWN),
        (criterion("==", "ok"), metrics("ok", samples="5"), UNKNOWN),
        (criterion("==", "ok"), metrics(3), UNKNOWN),
        (criterion("==", 0), metrics(value=False), UNKNOWN),
        (criterion("==", 0), metrics(0), PASS),
        (criterion("==", 0), metrics(1), FAIL),
        # seen to be wrong is wrong, however little else was seen
        (criterion("==", 0), metrics(1, samples=0), FAIL),
        (criterion("==", 0), metrics(1, state="interrupted"), FAIL),
        (criterion("<=", 1), metrics(2, samples=0), FAIL),
        # too little of something is no finding where little was looked at
        (criterion(">", 0), metrics(0), FAIL),
        (criterion(">", 0), metrics(0, samples=0), UNKNOWN),
        (criterion(">", 0), metrics(0, state="interrupted"), UNKNOWN),
        (criterion(">", 0), metrics(0, state="unfinished"), UNKNOWN),
        (criterion(">", 0), metrics(1, state="interrupted"), PASS),
        # limits that are metrics themselves
        (criterion(">=", {"metric": "a.bound"}), metrics(3), PASS),
        (criterion(">=", {"metric": "a.bound"}), metrics(2), FAIL),
        (criterion(">=", {"metric": "a.nowhere"}), metrics(3), UNKNOWN),
        # the evidence itself is in question
        (criterion("==", 0, otherwise="UNKNOWN"), metrics(1), UNKNOWN),
        (criterion("==", 0, otherwise="UNKNOWN"), metrics(0), PASS),
        # faults that must have taken effect
        (criterion(">", 0, needs_faults=["lock_hold"]), metrics(1), PASS),
        (criterion(">", 0, needs_faults=["lock_hold"]), metrics(1, effects=0), UNKNOWN),
        (criterion(">", 0, needs_faults=["lock_hold"]), metrics(0, effects=0), UNKNOWN),
        (criterion(">", 0, needs_faults=["sigkill"]), metrics(1), UNKNOWN),
    ],
)
def test_three_values(rule: dict[str, Any], seen: dict[str, Any], expected: Verdict) -> None:
    result = judge(rule, seen)

    assert expected == result.verdict
    assert bool(result.reason) == (result.verdict is not PASS)


@pytest.mark.parametrize(
    ("state", "expected"), [("completed", PASS), ("interrupted", UNKNOWN), ("unfinished", UNKNOWN)]
)
def test_a_run_that_was_not_finished_is_never_green(state: str, expected: Verdict) -> None:
    gate = {"criteria": [criterion(">", 0)]}
    results = judge_all(gate, metrics(1, state=state))

    assert expected == compose(result.verdict for result in results)


def test_every_criterion_is_listed_not_only_the_first_that_fails() -> None:
    gate = {"criteria": [criterion("==", 0), criterion("==", 1), criterion("==", 2)]}

    verdicts = [result.verdict for result in judge_all(gate, metrics(1))]

    assert [PASS, FAIL, PASS, FAIL] == verdicts


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], UNKNOWN),
        ([PASS], PASS),
        ([PASS, UNKNOWN], UNKNOWN),
        ([UNKNOWN, FAIL, PASS], FAIL),
    ],
)
def test_verdicts_compose(verdicts: list[Verdict], expected: Verdict) -> None:
    assert expected == compose(verdicts)
