"""What shrinking promises: what is left fails, and nothing of it can be left out alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from soakproof.fleet.ddmin import ddmin
from soakproof.fleet.reduce import BudgetUsed, reduced, size_of
from soakproof.model import EditPlan, FaultPlan, Operation, Phase
from soakproof.workload.script import operations_of, script_of

pytestmark = pytest.mark.property

NUMBERS = st.lists(st.integers(0, 40), unique=True, max_size=25)


@given(NUMBERS, st.sets(st.integers(0, 40), max_size=4))
def test_of_a_monotone_failure_exactly_its_cause_is_left(items: list[int], cause: set[int]) -> None:
    assume(cause <= set(items))

    assert cause == set(ddmin(items, lambda some: cause <= set(some)))


@given(NUMBERS, st.integers(1, 6))
def test_nothing_that_is_left_can_be_left_out_alone(items: list[int], least: int) -> None:
    def fails(some: Sequence[int]) -> bool:
        return sum(number % 3 == 0 for number in some) >= least

    assume(fails(items))
    left = ddmin(items, fails)

    assert fails(left)
    assert left == [item for item in items if item in left], "the order stays"
    assert not any(fails([x for x in left if x != item]) for item in left)


def edit_of(operation: Operation, number: int) -> EditPlan | None:
    """Return a touch of the key's file."""
    if operation.edit is None:
        return None
    params, path = {"pause_ms": 9, "mark": 1}, f"{operation.key}.py"
    return EditPlan(f"edit-{number}", operation.edit, operation.index, operation.key, params, path)


def case(operations: int = 30) -> dict[str, Any]:
    """A case of cold operations, then episodes of six: three under a fault, three after."""
    made = []
    for index in range(operations):
        episode, at = divmod(index - 6, 6)
        calm = index < 6
        phase = Phase.COLD if calm else (Phase.STORM if at < 3 else Phase.AFTER)
        edit = "touch" if phase is Phase.STORM and at == 1 else None
        made.append(
            Operation(
                index,
                phase,
                "toy.get",
                f"m{index % 5}",
                first_ask=index < 5,
                episode=None if calm else episode,
                again=1 if phase is Phase.AFTER else 0,
                edit=edit,
            )
        )
    faults = [
        FaultPlan(f"kill-{n}", "kill", 6 + 6 * n, {"max_hold_ms": 1000}, n)
        for n in range((operations - 6) // 6)
    ]
    return {
        "workers": 4,
        "seed": 1,
        "modules": [f"m{n}" for n in range(9)],
        "script": script_of(made, faults, edit_of),
    }


def failing(fault: str, keys: set[str], edited: bool) -> Any:
    """Return a failure that needs one fault, an operation in it, two keys, perhaps an edit."""

    def fails(some: Mapping[str, Any]) -> bool:
        script = some["script"]
        asked = {one["key"] for one in script["operations"]}
        edits = any(one["edit"] for one in script["operations"])
        return (
            any(one["fault"] == fault for one in script["faults"])
            and keys <= asked
            and (edits or not edited)
        )

    return fails


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("keys", [{"m0", "m3"}, {"m2"}])
def test_a_case_is_reduced_to_what_the_failure_needs(keys: set[str], *, edited: bool) -> None:
    fails = failing("kill-2", keys, edited)
    smallest, minimal = reduced(case(), fails)
    operations, faults, edits = size_of(smallest)

    assert minimal
    assert fails(smallest)
    assert (1, int(edited), 1) == (faults, edits, smallest["workers"])
    assert operations <= len(keys) + 2
    assert set(smallest["modules"]) == {one["key"] for one in smallest["script"]["operations"]}
    assert smallest["script"]["faults"][0]["params"]["max_hold_ms"] == 1


def test_when_the_budget_is_used_the_smallest_so_far_is_given() -> None:
    fails = failing("kill-2", {"m0"}, edited=False)
    left = [12]

    def dear(some: Mapping[str, Any]) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise BudgetUsed
        return bool(fails(some))

    smallest, minimal = reduced(case(), dear)

    assert not minimal
    assert fails(smallest)
    assert size_of(smallest) < size_of(case())


def test_a_script_gives_back_the_operations_that_it_was_made_of() -> None:
    script = case()["script"]
    operations = list(operations_of({"script": script}))

    assert script["operations"] == script_of(operations, [], edit_of)["operations"]
    assert {op.key for op in operations if op.first_ask} == {f"m{n}" for n in range(5)}
