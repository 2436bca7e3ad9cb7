"""Buckets for durations, laid out as an HDR histogram; quantiles from counts of buckets. Pure.

The library lays out the buckets and finds the quantiles (Gil Tene's HdrHistogram).
Between those a count is a plain mapping from bucket to number: such counts add up exactly, in any
order, which no sketch that samples (KLL) or clusters (t-digest) can say of itself.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from hdrh.histogram import HdrHistogram

__all__ = ["QUANTILES", "RELATIVE_ERROR", "counts_of", "in_range", "quantiles"]

RELATIVE_ERROR: Final = 1 / 128
"""A quantile is at most this much above a value that is there, and never below (two digits)."""

QUANTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)
"""In per cent."""

_DIGITS: Final = 2
_NS_PER_MS: Final = 1e6
_LONGEST_NS: Final = 10**15
"""Eleven days: what claims to have taken longer is counted, and is in no bucket."""


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, _LONGEST_NS, _DIGITS)


@functools.cache
def _upper_ns() -> tuple[int, ...]:
    """Return the largest value of each bucket; a value belongs to the first that reaches it."""
    layout, tops = _histogram(), [0]
    while tops[-1] < _LONGEST_NS:
        top = int(layout.get_highest_equivalent_value(tops[-1] + 1))
        tops.append(min(top, _LONGEST_NS))
    return tuple(tops)


@functools.cache
def _upper_ms() -> tuple[float, ...]:
    return tuple(top / _NS_PER_MS for top in _upper_ns())


def in_range(ordered_ms: Sequence[float]) -> Sequence[float]:
    """Return the durations that are in a bucket; left out are negative and endless ones.

    Args:
        ordered_ms: the durations, the shortest first.
    """
    first, after = bisect_left(ordered_ms, 0.0), bisect_right(ordered_ms, _upper_ms()[-1])
    if first == 0 and after == len(ordered_ms):
        return ordered_ms  # as a rule; a copy would cost as much as a read
    return ordered_ms[first:after]


def counts_of(ordered_ms: Sequence[float]) -> Counter[int]:
    """Return how many of some durations are in which bucket.

    Args:
        ordered_ms: the durations, the shortest first, all of them :func:`in_range`.

    A search in the list for each bucket that it reaches, not one for each value.
    """
    tops, found = _upper_ms(), Counter[int]()
    at = 0
    while at < len(ordered_ms):
        bucket = bisect_left(tops, ordered_ms[at])
        after = bisect_right(ordered_ms, tops[bucket], at)
        found[bucket] = after - at
        at = after
    return found


def quantiles(counts: Mapping[int, int]) -> dict[str, float | None]:
    """Return the quantiles of :data:`QUANTILES` in milliseconds; ``None`` where nothing is."""
    names = [f"p{share:g}" for share in QUANTILES]
    if not counts:
        return dict.fromkeys(names)
    histogram, tops = _histogram(), _upper_ns()
    for bucket, number in counts.items():
        histogram.record_value(tops[bucket], number)
    # The library rounds a rank to the nearest; a quantile here is the nearest that is reached.
    total = histogram.get_total_count()
    ranks = (max(1, math.ceil(share / 100 * total)) for share in QUANTILES)
    values = (histogram.get_value_at_percentile(100 * rank / total) / _NS_PER_MS for rank in ranks)
    return {name: round(value, _decimals(value)) for name, value in zip(names, values, strict=True)}


def _decimals(value: float) -> int:
    """Return how many decimals to keep: all that the layout tells apart, down to nanoseconds."""
    return 6 if value <= 0 else min(6, max(0, _DIGITS + 2 - math.floor(math.log10(value))))
