"""Wilson's interval of a share (Wilson 1927): what a count of hits says of the rate behind it."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["wilson"]

_Z: Final = 2.58


def wilson(hits: int, asked: int) -> tuple[float, float]:
    """Return the interval (z = 2.58); everything where nothing was asked."""
    if not asked:
        return 0.0, 1.0
    share, square = hits / asked, _Z * _Z / asked
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(share * (1 - share) * square + square * square / 4) / (1 + square)
    return middle - half, middle + half
