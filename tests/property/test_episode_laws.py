"""Laws of a campaign of episodes: exactly so many operations, and no episode is cut off."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.model import Operation, Phase
from soakproof.workload.episodes import Episodes, Kinds
from soakproof.workload.schedule import Workload, schedule

pytestmark = pytest.mark.property


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    asks = draw(st.integers(4, 8))
    writers = draw(st.sampled_from([(), ("sym",), ("sym", "lint"), ("sym", "lint", "fmt")]))
    return Workload(
        kinds={**dict.fromkeys(writers, "files"), "find": "queries", "all": "fixed"},
        writers=frozenset(writers),
        mix={kind: draw(st.floats(0.1, 9)) for kind in (*writers, "find", "all")},
        fixed={"all": ("everything",)},
        ground=("pkg.m0", "pkg.m1"),
        modules=tuple(f"pkg.m{number}" for number in range(draw(st.integers(1, 30)))),
        queries=("a", "b"),
        cold_share=draw(st.floats(0.05, 0.5)),
        warm_skew=draw(st.floats(1, 8)),
        warm_new_share=draw(st.floats(0, 1)),
        episodes=Episodes(
            warm_share=draw(st.floats(0.05, 0.4)),
            asks=asks,
            after_keys=draw(st.integers(1, 4)),
            edits=draw(st.sampled_from([(), ("rewrite",), ("rewrite", "new_module")])),
        ),
    )


seeds = st.integers(0, 2**63 - 1)
counts = st.integers(2, 150)


def numbers(operations: list[Operation]) -> list[int]:
    return list(dict.fromkeys(op.episode for op in operations if op.episode is not None))


@given(workloads(), seeds, counts)
def test_exactly_so_many_numbered_in_order(workload: Workload, seed: int, ops: int) -> None:
    operations = list(schedule(workload, seed, ops))

    assert list(range(ops)) == [operation.index for operation in operations]


@given(workloads(), seeds, counts)
def test_only_an_only_episode_may_be_cut_off(workload: Workload, seed: int, ops: int) -> None:
    operations = list(schedule(workload, seed, ops))
    found = numbers(operations)
    assert workload.episodes is not None
    writers = [kind for kind in workload.kinds if workload.names_files(kind)]
    asks = max(workload.episodes.asks, 2 + len(writers)) if writers else workload.episodes.asks
    assert list(range(len(found))) == found

    for number in found[1:]:
        mine = [op for op in operations if op.episode == number]
        storm = [(op.kind, op.key) for op in mine if op.phase is Phase.STORM]
        twice = [(op.kind, op.key) for op in mine if op.again == 2]
        assert asks == len(storm)
        assert twice == [(op.kind, op.key) for op in mine if op.again == 1]
        assert twice, "somebody was asked about after the fault"
        assert set(twice) <= set(storm)


@given(workloads(), seeds, counts)
def test_what_is_left_is_calm_and_comes_last(workload: Workload, seed: int, ops: int) -> None:
    operations = list(schedule(workload, seed, ops))
    parts = [
        "calm" if op.phase in {Phase.COLD, Phase.WARM} else "left" if op.episode is None else "epi"
        for op in operations
    ]
    order = [part for part, _ in itertools.groupby(parts)]

    assert order == ["calm", "epi", "left"][: len(order)]
    left = [op for op, part in zip(operations, parts, strict=True) if part == "left"]
    assert all(op.phase is Phase.AFTER and op.edit is None and op.again == 0 for op in left)
    assert workload.episodes is not None
    writers = [kind for kind in workload.kinds if workload.names_files(kind)]
    assert len(left) < workload.episodes.longest_with(Kinds(writers, ("find", "all"), {}))


@given(workloads(), seeds, counts)
def test_the_edited_key_is_asked_with_each_kind_again_and_twice_when_it_is_over(
    workload: Workload, seed: int, ops: int
) -> None:
    operations = list(schedule(workload, seed, ops))
    writers = {kind for kind in workload.kinds if workload.names_files(kind)}

    for number in numbers(operations)[1:]:
        mine = [op for op in operations if op.episode == number]
        begins = next((op for op in mine if op.edit is not None), None)
        if begins is None:
            continue
        if not writers:
            assert begins.edit_path, "a file is edited where no key names one"
            continue
        assert begins.edit_path is None, "the key's own"
        later = [op for op in mine if op.key == begins.key and op.index > begins.index]
        assert writers == {op.kind for op in later if op.phase is Phase.STORM}
        assert writers == {op.kind for op in later if op.again == 1}
        assert writers == {op.kind for op in later if op.again == 2}
