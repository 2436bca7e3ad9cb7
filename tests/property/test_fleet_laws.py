"""Results of points are merged the same, whoever brings them, in whatever order, however often."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.fleet.result import failed_result
from soakproof.fleet.summary import summarise
from soakproof.fleet.tally import NOTHING, Results, merge, merge_all

pytestmark = pytest.mark.property

SPEC = {"name": "c", "points": 6, "grid": {"workers": ["2", "4"]}}


def _result(seed: int, verdict: str, attempts: int) -> dict[str, Any]:
    spec = {"seed": seed, "grid": {"workers": "2" if seed % 2 else "4"}, "case": None}
    made = failed_result(f"seed-{seed}", spec, replay=["x"], reason="r", attempts=attempts)
    return {**made, "verdict": verdict, "reached": {f"edit/{seed % 2}": seed}}


ONE = st.builds(
    _result, st.integers(0, 5), st.sampled_from(["PASS", "FAIL", "UNKNOWN"]), st.integers(1, 3)
)
RESULTS = st.lists(ONE, max_size=6).map(lambda ones: {one["point"]: one for one in ones})


@given(RESULTS, RESULTS, RESULTS)
def test_results_are_a_commutative_monoid(a: Results, b: Results, c: Results) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)
    assert merge(a, NOTHING) == a == merge(NOTHING, a)
    assert merge(a, a) == a


@given(st.lists(ONE, max_size=12), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_summary_is_the_same_on_one_machine_and_on_many(
    ones: list[dict[str, Any]], machines: int, dice: Any
) -> None:
    def brought(results: list[dict[str, Any]]) -> Results:
        return merge_all({one["point"]: one} for one in results)

    shuffled = list(ones)
    dice.shuffle(shuffled)
    parts = [brought(shuffled[at::machines]) for at in range(machines)]

    def summary(results: Results) -> dict[str, Any]:
        return summarise(SPEC, results, {"": frozenset()}, state="completed", elapsed_s=None)

    assert summary(brought(ones)) == summary(merge_all(parts))


@given(RESULTS, RESULTS)
def test_a_failure_is_never_merged_away(a: Results, b: Results) -> None:
    failed = {name for part in (a, b) for name, one in part.items() if one["verdict"] == "FAIL"}

    assert failed == {name for name, one in merge(a, b).items() if one["verdict"] == "FAIL"}
