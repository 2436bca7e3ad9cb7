"""Exact quantiles, for what is shown and never gated."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["nearest_rank"]


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of ``ordered`` (ascending, not empty) reach.

    The nearest-rank definition: always a value that was measured
    (Hyndman & Fan 1996, "Sample Quantiles in Statistical Packages", definition 1).
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
