"""From values to pixels, and where an axis has its ticks; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Scale", "Tick", "byte_tick", "linear_ticks", "log_ticks", "time_ticks"]

_TIME_UNITS: Final = (("h", 3600.0, 10_800.0), ("min", 60.0, 600.0), ("s", 1.0, 0.0))
"""A unit, its seconds, and from how many seconds on an axis is in it."""

_STEPS: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what is written there."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight or logarithmic mapping of [low, high] to [from_px, to_px]; it clamps."""

    low: float
    high: float
    from_px: float
    to_px: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low) if high > low else 0.0
        return self.from_px + share * (self.to_px - self.from_px)


def linear_ticks(high: float, most: int) -> list[float]:
    """Return ticks from 0 up to at least ``high``, at most ``most`` steps.

    The steps are 1, 2 or 5 times a power of ten (P. S. Heckbert, "Nice numbers for graph labels",
    Graphics Gems, 1990).
    """
    if high <= 0:
        return [0.0, 1.0]
    raw = high / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in _STEPS if power * nice >= raw * (1 - 1e-9))
    return [step * at for at in range(math.ceil(high / step - 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 of each power of ten around [low, high]; only powers over many decades."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    nice: Sequence[float] = (1.0,) if last - first > 3 else (1.0, 2.0, 5.0)  # noqa: PLR2004 - decades
    ticks = [10.0**power * step for power in range(first, max(last, first + 1)) for step in nice]
    ticks.append(10.0 ** max(last, first + 1))
    below = [tick for tick in ticks if tick <= low] or ticks[:1]
    above = [tick for tick in ticks if tick >= high and tick > below[-1]] or ticks[-1:]
    return [tick for tick in ticks if below[-1] <= tick <= above[0]]


def time_ticks(end_s: float, most: int = 8) -> tuple[list[Tick], str]:
    """Return the ticks of a time axis in seconds, and the unit that their labels are in."""
    unit, size_s = next((unit, size_s) for unit, size_s, from_s in _TIME_UNITS if end_s >= from_s)
    values = [value for value in linear_ticks(end_s / size_s, most) if value * size_s <= end_s]
    return [Tick(value * size_s, f"{value:g}") for value in values], unit


def byte_tick(size: float) -> str:
    """Return bytes for a label, in powers of 1000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} B"
