"""Counts of parts are a commutative monoid, and no cut, order or process changes the whole."""

from __future__ import annotations

import tempfile
from functools import reduce
from pathlib import Path

import pytest
from event_files import BAD_LINES, events
from hypothesis import given
from hypothesis import strategies as st

from soakproof.bulk import partial
from soakproof.bulk.blocks import parts
from soakproof.bulk.fold import count_part
from soakproof.bulk.layout import RELATIVE_ERROR, counts_of, in_range, quantiles
from soakproof.bulk.partial import NOTHING, Bad, Measured, Partial, Stretch, merge, merge_all
from soakproof.checks.quantiles import nearest_rank
from soakproof.dice import stream
from soakproof.lines import BadLine, decode_telemetry

pytestmark = pytest.mark.property

MEASURED = st.builds(
    lambda values, total: Measured(
        len(values),
        counts_of(in_range(sorted(values))),
        min(values, default=float("inf")),
        max(values, default=float("-inf")),
        total,
    ),
    st.lists(st.integers(0, 10**6).map(lambda value: value / 1000), max_size=5),
    st.integers(0, 10**12),
)
GROUPS = st.tuples(
    st.sampled_from(["event", "wait"]), st.integers(0, 9).map(str), st.sampled_from(["", "ok"])
)


def part(number: int) -> st.SearchStrategy[Partial]:
    """Return counts of a file of its own: no stretch may be counted twice."""
    bad = st.builds(Bad, st.just(number), st.just(0), st.integers(1, 99), st.just("torn"))
    return st.builds(
        lambda groups, bad: Partial(
            groups, {}, {(number, 0): Stretch(99, len(bad), 0)}, tuple(sorted(bad))
        ),
        st.dictionaries(GROUPS, MEASURED, max_size=8),
        st.lists(bad, max_size=6),
    )


@given(part(0), part(1), part(2))
def test_counts_are_a_commutative_monoid_also_where_they_are_bounded(
    one: Partial, two: Partial, three: Partial
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial, "KEPT_GROUPS", 3)
        patch.setattr(partial, "KEPT_BAD_LINES", 4)
        one, two, three = (merge(NOTHING, each) for each in (one, two, three))  # bounded

        assert merge(one, two) == merge(two, one)
        assert merge(merge(one, two), three) == merge(one, merge(two, three))
        assert merge(one, NOTHING) == one == merge(NOTHING, one)


@given(st.lists(st.floats(0, 1e8), min_size=1, max_size=300))
def test_a_quantile_is_never_below_and_barely_above_the_exact_one(values: list[float]) -> None:
    ordered = sorted(values)
    told = quantiles(counts_of(ordered))

    for name, value in told.items():
        exact = nearest_rank(ordered, float(name.removeprefix("p")) / 100)
        assert value is not None
        rounding = 1 + 1e-3
        assert exact / rounding - 1e-6 <= value <= exact * (1 + RELATIVE_ERROR) * rounding + 1e-6


@given(
    seed=st.integers(0, 10**6),
    size=st.integers(0, 60),
    part_bytes=st.integers(1, 4000),
    ends=st.booleans(),
    blanks=st.booleans(),
)
def test_no_cut_and_no_order_changes_the_count(
    seed: int, size: int, part_bytes: int, ends: bool, blanks: bool
) -> None:
    dice = stream(seed, "events")
    lines = events(size, seed) + dice.sample(list(BAD_LINES.values()), dice.randint(0, 5))
    dice.shuffle(lines)
    if blanks:
        lines = [piece for one in lines for piece in (b"", one)]
    text = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_bytes(text)
        whole = merge_all(count_part(one, "telemetry") for one in parts(path, 0))
        cut = [count_part(one, "telemetry") for one in parts(path, 0, part_bytes)]
        dice.shuffle(cut)
        again = reduce(merge, cut, NOTHING)
        decoded = list(decode_telemetry(path))

    assert whole.groups == again.groups
    assert numbered(whole) == numbered(again)
    assert text.count(b"\n") + (not ends and bool(lines) and bool(lines[-1])) == sum(
        one.lines for one in again.stretches.values()
    )
    # The line-by-line reading of the stage extract, which looks at all that a line holds.
    bad = [(one.line, one.reason) for one in decoded if isinstance(one, BadLine)]
    assert bad == numbered(again)
    assert len(decoded) - len(bad) == sum(
        one.count for group, one in again.groups.items() if group[0] == "event"
    )


def numbered(counted: Partial) -> list[tuple[int, str]]:
    """Return (line of the whole file, reason) of the lines that cannot be read."""
    before, first = {}, 0
    for at, stretch in sorted(counted.stretches.items()):
        before[at] = first
        first += stretch.lines
    return [(before[bad.file, bad.start] + bad.line, bad.reason) for bad in counted.bad]
