"""The points of a campaign: seeds times a grid of settings. Pure."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from soakproof.errors import UsageError

__all__ = ["GRID_NAMES", "Point", "parse_grid", "parse_seeds", "points"]

GRID_NAMES: Final = ("workers", "ops", "faults")
"""What a grid may vary; ``faults`` takes kinds joined by ``+``."""

_LONGEST_NAME: Final = 80
"""A run's name may have 100 characters; what a run makes of it adds some."""

_DIGEST: Final = 10

_RANGE: Final = re.compile(r"(\d+)(?:\.\.(\d+))?")
_WORD: Final = re.compile(r"[A-Za-z0-9_+]+")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One soak of a campaign.

    Args:
        seed: its seed.
        values: what the grid sets, name and text.
    """

    seed: int
    values: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """A run's name, such as ``seed-17_faults-kill.pause``; a digest ends a long one."""
        parts = (f"{name}-{text.replace('+', '.')}" for name, text in self.values)
        whole = "_".join([f"seed-{self.seed}", *parts])
        if len(whole) <= _LONGEST_NAME:
            return whole
        digest = hashlib.sha256(whole.encode("ascii")).hexdigest()[:_DIGEST]
        return f"{whole[: _LONGEST_NAME - _DIGEST - 1]}-{digest}"


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of ``1..50``, ``7`` or ``1..3,9``, each once, in the order given.

    Raises:
        UsageError: it is none of these.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        low = int(match[1]) if match else 0
        high = int(match[2] or low) if match else -1
        if low > high:
            message = f"--seeds: expected seeds such as 1..50, 7 or 1..3,9, found {text!r}"
            raise UsageError(message)
        seeds |= dict.fromkeys(range(low, high + 1))
    return list(seeds)


def parse_grid(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return name → values of ``workers=2,4,8`` and its like.

    Raises:
        UsageError: a name is not one that a grid may vary, is there twice, or has no value.
    """
    grid: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, listed = text.partition("=")
        values = tuple(dict.fromkeys(part.strip() for part in listed.split(",")))
        wrong = not equals or not all(_WORD.fullmatch(value) for value in values)
        if name not in GRID_NAMES or name in grid or wrong:
            known = ", ".join(GRID_NAMES)
            message = (
                f"--grid: expected NAME=VALUE,VALUE with NAME one of {known}, each once "
                f"(kinds of faults joined by +), found {text!r}"
            )
            raise UsageError(message)
        grid[name] = values
    return grid


def points(seeds: Sequence[int], grid: Mapping[str, Sequence[str]]) -> Iterator[Point]:
    """Yield every point: for each seed, each combination of the grid."""
    names = sorted(grid)
    for seed in seeds:
        for values in itertools.product(*(grid[name] for name in names)):
            yield Point(seed, tuple(zip(names, values, strict=True)))
