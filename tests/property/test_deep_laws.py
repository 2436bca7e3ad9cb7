"""Laws of crash states: nothing that was synced is lost, and nothing is invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.deep.calls import read_trace, text_of
from soakproof.deep.crash import MODELS, crash_states, power_cut
from soakproof.deep.disk import (
    SECTOR_BYTES,
    Data,
    Disk,
    Effect,
    Gone,
    Name,
    Rename,
    Size,
    Sync,
    SyncFolder,
    Tree,
    sectors,
)
from soakproof.deep.points import bounded

pytestmark = pytest.mark.property

FILES = st.integers(0, 2)
PATHS = st.sampled_from(["a", "b", "c"])
DATA = st.builds(Data, FILES, st.integers(0, 1500), st.binary(min_size=1, max_size=1300))
EFFECTS = st.lists(
    st.one_of(
        DATA,
        st.builds(Size, FILES, st.integers(0, 2000)),
        st.builds(Name, PATHS, FILES),
        st.builds(Rename, PATHS, PATHS, FILES),
        st.builds(Gone, PATHS),
        st.builds(Sync, FILES),
        st.just(SyncFolder(".")),
    ),
    max_size=12,
)
BASE = Tree({"a": b"A" * 700, "b": b"", "c": b"C" * 2000}, frozenset())
POWER = st.sampled_from(MODELS[2:])
VARIANT = st.integers(0, 5)
SEED = st.integers(0, 1000)


def done(effects: list[Effect]) -> Tree:
    disk = Disk.of(BASE)
    for effect in effects:
        disk.apply(effect)
    return disk.tree()


@given(EFFECTS, POWER, VARIANT, SEED)
def test_after_everything_was_synced_a_power_cut_changes_nothing(
    effects: list[Effect], model: str, variant: int, seed: int
) -> None:
    synced = [*effects, Sync(0), Sync(1), Sync(2), SyncFolder(".")]

    assert done(effects) == power_cut(BASE, synced, model, variant, seed)


@given(EFFECTS, POWER, SEED)
def test_without_any_sync_nothing_need_survive(
    effects: list[Effect], model: str, seed: int
) -> None:
    loose = [one for one in effects if not isinstance(one, Sync | SyncFolder)]

    assert power_cut(BASE, loose, model, 0, seed) == BASE


@given(EFFECTS, POWER, VARIANT, SEED)
def test_every_sector_is_one_that_was_written_or_empty(
    effects: list[Effect], model: str, variant: int, seed: int
) -> None:
    tree = power_cut(BASE, effects, model, variant, seed)
    whole = {byte for content in BASE.files.values() for byte in content} | {0}
    written = {byte for one in effects if isinstance(one, Data) for byte in one.data}

    assert {byte for content in tree.files.values() for byte in content} <= whole | written


@given(EFFECTS, POWER, VARIANT, SEED)
def test_the_same_seed_gives_the_same_state(
    effects: list[Effect], model: str, variant: int, seed: int
) -> None:
    first = power_cut(BASE, effects, model, variant, seed)

    assert first.digest() == power_cut(BASE, effects, model, variant, seed).digest()


@given(EFFECTS, SEED)
def test_a_killed_process_leaves_all_that_it_did(effects: list[Effect], seed: int) -> None:
    for state in crash_states(BASE, effects, seed, drawn=1):
        if state.model == "kill":
            assert done(effects[: state.at]) == state.tree


@given(DATA)
def test_sectors_are_the_write_cut_at_multiples_of_their_size(data: Data) -> None:
    pieces = list(sectors(data))

    assert data.data == b"".join(one.data for one in pieces)
    assert all(one.offset % SECTOR_BYTES == 0 for one in pieces[1:])
    assert all(
        one.offset // SECTOR_BYTES == (one.offset + len(one.data) - 1) // SECTOR_BYTES
        for one in pieces
    )


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_any_bytes_come_back_from_a_trace(data: bytes, path: bytes) -> None:
    def hexed(raw: bytes) -> str:
        return "".join(f"\\x{byte:02x}" for byte in raw)

    line = f'7 write(3<{hexed(path)}>, "{hexed(data)}", {len(data)}) = {len(data)}'
    trace = read_trace([line])

    assert () == trace.unreadable
    assert data == text_of(trace.calls[0].arguments[1])


@given(st.text(max_size=60))
def test_no_line_is_dropped_in_silence(line: str) -> None:
    trace = read_trace([f"5 {line}"])

    assert 1 <= len(trace.calls) + len(trace.told) + len(trace.unreadable)


@given(st.integers(0, 300), st.integers(1, 300))
def test_a_bound_gives_no_more_and_each_once(count: int, most: int) -> None:
    numbers = [number for number, _ in bounded(list(range(count)), most)]

    assert min(count, most) == len(numbers)
    assert sorted(set(numbers)) == numbers
