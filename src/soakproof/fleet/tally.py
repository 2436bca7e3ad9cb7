"""Merge the results of points. Pure.

Results form a commutative monoid under :func:`merge`: it does not matter who soaked which point,
what came first, or whether a point was soaked twice (a worker that was believed dead may come
back). Of two results of one point the worse verdict stays; of two as bad, the one whose canonical
JSON comes first: a total order, and the maximum of one is associative, commutative and idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, Final

__all__ = ["NOTHING", "Results", "merge", "merge_all"]

Results = Mapping[str, Mapping[str, Any]]
"""Point → its result."""

NOTHING: Final[Results] = {}
"""No results: merged with any, it gives these."""

_WORSE: Final = {"FAIL": 0, "UNKNOWN": 1, "PASS": 2}


def merge(one: Results, other: Results) -> Results:
    """Return the results of both; of a point in both, the worse."""
    both = {name: min(one[name], other[name], key=_badness) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def merge_all(parts: Iterable[Results]) -> Results:
    """Return the results of all."""
    return reduce(merge, parts, NOTHING)


def _badness(result: Mapping[str, Any]) -> tuple[int, str]:
    return _WORSE[result["verdict"]], json.dumps(result, sort_keys=True, ensure_ascii=False)
