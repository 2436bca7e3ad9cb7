"""Laws of the schedule: a pure function of campaign, keys and seed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.faults.planning import FaultPlanner
from soakproof.model import Operation, Phase
from soakproof.workload.schedule import Workload, cold_count, digest, schedule

pytestmark = pytest.mark.property

MODULES = tuple(f"pkg.m{number}" for number in range(30))
FAULTS = [
    {
        "kind": "lock_hold",
        "per_writer": 0.2,
        "min_gap_ops": 3,
        "hold_ms": [10, 20],
        "max_hold_ms": 50,
    }
]


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    return Workload(
        kinds={"sym": "modules", "find": "queries"},
        writers=frozenset({"sym"}),
        mix={"sym": draw(st.floats(0.1, 9)), "find": draw(st.floats(0.1, 9))},
        modules=MODULES,
        queries=("a", "b"),
        cold_share=draw(st.floats(0.05, 0.95)),
        warm_skew=draw(st.floats(1, 8)),
        warm_new_share=draw(st.floats(0, 1)),
    )


seeds = st.integers(0, 2**63 - 1)
counts = st.integers(2, 120)


def planned(workload: Workload, seed: int, ops: int) -> list[Operation]:
    return list(schedule(workload, seed, ops))


@given(workloads(), seeds, counts)
def test_exactly_so_many_operations_numbered_in_order(
    workload: Workload, seed: int, ops: int
) -> None:
    operations = planned(workload, seed, ops)

    assert list(range(ops)) == [operation.index for operation in operations]


@given(workloads(), seeds, counts)
def test_the_same_seed_gives_the_same_plan(workload: Workload, seed: int, ops: int) -> None:
    once, again = planned(workload, seed, ops), planned(workload, seed, ops)
    faults = [FaultPlanner(FAULTS, seed, workload.writers).plan_all(one) for one in (once, again)]

    assert digest(once, faults[0]) == digest(again, faults[1])


@given(workloads(), counts)
def test_another_seed_gives_another_digest(workload: Workload, ops: int) -> None:
    planner = [FaultPlanner(FAULTS, seed, workload.writers) for seed in (1, 2)]
    plans = [planned(workload, seed, ops) for seed in (1, 2)]
    digests = {digest(one, it.plan_all(one)) for one, it in zip(plans, planner, strict=True)}

    assert 2 == len(digests)


@given(workloads(), seeds, counts)
def test_cold_comes_before_warm_and_neither_is_empty(
    workload: Workload, seed: int, ops: int
) -> None:
    phases = [operation.phase for operation in planned(workload, seed, ops)]
    cold = cold_count(workload, ops)

    assert [Phase.COLD] * cold + [Phase.WARM] * (ops - cold) == phases


@given(workloads(), seeds, counts)
def test_a_first_ask_is_one(workload: Workload, seed: int, ops: int) -> None:
    seen = set()
    for operation in planned(workload, seed, ops):
        asked = (operation.kind, operation.key)
        assert operation.first_ask == (asked not in seen)
        seen.add(asked)


@given(workloads(), seeds, counts)
def test_the_first_writer_always_has_a_hold_and_holds_keep_their_distance(
    workload: Workload, seed: int, ops: int
) -> None:
    operations = planned(workload, seed, ops)
    faults = FaultPlanner(FAULTS, seed, workload.writers).plan_all(operations)
    writers = [op.index for op in operations if op.first_ask and op.kind in workload.writers]

    assert writers[0] == faults[0].at_op
    assert {fault.at_op for fault in faults} <= set(writers)
    gaps = [b.at_op - a.at_op for a, b in itertools.pairwise(faults)]
    assert all(gap >= 3 for gap in gaps)
    assert all(10 <= fault.params["hold_ms"] <= 20 for fault in faults)


@given(workloads(), seeds, counts)
def test_a_fault_planner_asked_one_by_one_says_the_same(
    workload: Workload, seed: int, ops: int
) -> None:
    operations = planned(workload, seed, ops)
    one_by_one = FaultPlanner(FAULTS, seed, workload.writers)
    at_once = FaultPlanner(FAULTS, seed, workload.writers)
    said = [fault for operation in operations for fault in one_by_one.consider(operation)]

    assert at_once.plan_all(operations) == said
