"""Laws of the faults: they come in turn, and damage is a pure function of file and dice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from fault_tables import TABLES
from hypothesis import given
from hypothesis import strategies as st

from soakproof.dice import stream
from soakproof.faults.damage_modes import MODES, Change, Content, changes
from soakproof.faults.planning import FaultPlanner
from soakproof.model import Operation, Phase

pytestmark = pytest.mark.property

seeds = st.integers(0, 2**63 - 1)
tables = st.lists(st.sampled_from(sorted(TABLES)), min_size=1, max_size=12, unique=True)
files = st.binary(min_size=1, max_size=9000)


def episodes(count: int) -> list[Operation]:
    return [
        Operation(at, Phase.STORM, "get", "key", first_ask=False, episode=at // 2)
        for at in range(2 * count)
    ]


@given(tables, seeds, st.integers(1, 4))
def test_in_each_turn_every_fault_of_the_campaign_has_one_episode(
    names: list[str], seed: int, turns: int
) -> None:
    faults: list[dict[str, Any]] = [TABLES[name] for name in names]
    plans = FaultPlanner(faults, seed, frozenset()).plan_all(episodes(turns * len(faults)))

    assert list(range(turns * len(faults))) == [plan.episode for plan in plans]
    for turn in range(turns):
        within = plans[turn * len(faults) : (turn + 1) * len(faults)]
        assert Counter(fault["kind"] for fault in faults) == Counter(one.kind for one in within)


def content(file: bytes, earlier: bytes) -> Content:
    return Content.of(
        len(file),
        lambda at, length: file[at : at + length],
        lambda at, length: earlier[at : at + length],
    )


def applied(file: bytes, change: Change) -> bytes:
    damaged = bytearray(file)
    for at, new in change.patches.items():
        damaged[at : at + len(new)] = new
    return bytes(damaged if change.size is None else damaged[: change.size])


@given(st.sampled_from(sorted(MODES)), files, files, seeds, st.integers(1, 16))
def test_damage_is_repeatable_and_never_makes_a_file_longer(
    mode: str, file: bytes, earlier: bytes, seed: int, bits: int
) -> None:
    once, again = (changes(mode, content(file, earlier), stream(seed, "d"), bits) for _ in range(2))

    assert once == again
    assert len(applied(file, once)) <= len(file)
    assert (mode == "zero_length") == (b"" == applied(file, once))


@given(files, seeds, st.integers(1, 16))
def test_flips_turn_at_most_so_many_bits(file: bytes, seed: int, bits: int) -> None:
    damaged = applied(file, changes("bit_flip", content(file, b""), stream(seed, "d"), bits))
    turned = sum((a ^ b).bit_count() for a, b in zip(file, damaged, strict=True))

    assert turned <= bits
    assert turned % 2 == bits % 2
