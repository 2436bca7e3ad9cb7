"""What was counted in a part of the lines. Pure.

Partial counts form a commutative monoid under :func:`merge` with :data:`NOTHING`: it does not
matter how files were cut into parts, who counted which, and which was ready first.
What is bounded keeps the *smallest* keys, not the first that came: what is dropped in a part would
be dropped from the whole, too, so nothing that is kept was ever dropped anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Final, TypeVar

__all__ = [
    "KEPT_BAD_LINES",
    "KEPT_GROUPS",
    "NOTHING",
    "Bad",
    "Group",
    "Measured",
    "Partial",
    "Stretch",
    "bounded",
    "merge",
    "merge_all",
]

K = TypeVar("K")

KEPT_BAD_LINES: Final = 1000
"""Lines that cannot be read are all counted; so many are named."""
KEPT_GROUPS: Final = 512
"""Groups are all counted; so many of a sort have a count of their own."""

Group = tuple[str, str, str]
"""Sort (``event``, ``wait``, ``line``, ``ops``), and two names, such as command and status."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Things of a group, and how long they took.

    Args:
        count: how many.
        buckets: durations, by bucket of :mod:`soakproof.bulk.layout`.
        min_ms: the shortest; endless when there is none.
        max_ms: the longest.
        total_ns: sum, of waits only.
    """

    count: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict)
    min_ms: float = float("inf")
    max_ms: float = float("-inf")
    total_ns: int = 0

    def __add__(self, other: Measured) -> Measured:
        buckets = Counter(self.buckets)
        buckets.update(other.buckets)
        return Measured(
            self.count + other.count,
            buckets,
            min(self.min_ms, other.min_ms),
            max(self.max_ms, other.max_ms),
            self.total_ns + other.total_ns,
        )


@dataclass(frozen=True, slots=True, order=True)
class Bad:
    """A line that cannot be read.

    Args:
        file: number of its file.
        start: where the stretch begins that it was found in, in bytes.
        line: its 1-based number there.
        reason: what is wrong with it.
    """

    file: int
    start: int
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """How many lines a stretch of a file has, and how many of them cannot be read or are empty."""

    lines: int
    bad: int
    empty: int


@dataclass(frozen=True, slots=True)
class Partial:
    """What was counted.

    Args:
        groups: counts by group.
        others: by sort, counts of the groups beyond those that are kept.
        stretches: by number of the file and first byte.
        bad: the first lines that cannot be read, in order.
    """

    groups: Mapping[Group, Measured] = field(default_factory=dict)
    others: Mapping[str, Measured] = field(default_factory=dict)
    stretches: Mapping[tuple[int, int], Stretch] = field(default_factory=dict)
    bad: tuple[Bad, ...] = ()


NOTHING: Final = Partial()
"""No lines: merged with any, it gives that."""


def merge(one: Partial, other: Partial) -> Partial:
    """Return the counts of both; no stretch of a file may be in both."""
    groups, others = bounded(_added(one.groups, other.groups), _added(one.others, other.others))
    return Partial(
        groups,
        others,
        {**one.stretches, **other.stretches},
        tuple(sorted((*one.bad, *other.bad))[:KEPT_BAD_LINES]),
    )


def merge_all(parts: Iterable[Partial]) -> Partial:
    """Return the counts of all."""
    return reduce(merge, parts, NOTHING)


def bounded(
    groups: Mapping[Group, Measured], others: Mapping[str, Measured]
) -> tuple[Mapping[Group, Measured], Mapping[str, Measured]]:
    """Return the smallest groups of each sort, and the rest as one count a sort."""
    if len(groups) <= KEPT_GROUPS:
        return groups, others
    kept: dict[Group, Measured] = {}
    rest = dict(others)
    seen = Counter[str]()
    for group in sorted(groups):
        sort = group[0]
        seen[sort] += 1
        if seen[sort] <= KEPT_GROUPS:
            kept[group] = groups[group]
        else:
            rest[sort] = rest.get(sort, Measured()) + groups[group]
    return kept, rest


def _added(one: Mapping[K, Measured], other: Mapping[K, Measured]) -> Mapping[K, Measured]:
    both = {key: one[key] + other[key] for key in one.keys() & other.keys()}
    return {**one, **other, **both}
