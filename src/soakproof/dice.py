"""Randomness, only ever from the seed, through named streams.

A stream's name is part of its seed, so what one part of a run draws never shifts what another
part draws: more workers, another fault or a longer run leave earlier choices alone.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["pick", "rank", "stream", "uniform_int"]

T = TypeVar("T")


def stream(seed: int, *names: str | int) -> random.Random:
    """Return the dice of one name.

    Only ``random()`` of the result is used in soakproof: Python promises that its sequence for a
    seed does not change between versions, and promises it of no other method.
    """
    return random.Random(_digest(seed, *names))  # noqa: S311 - reproducible choices, not secrets


def rank(seed: int, *names: str | int) -> int:
    """Return a number that orders names as if shuffled by the seed (``sorted(…, key=rank)``)."""
    return _digest(seed, *names)


def pick(dice: random.Random, items: Sequence[T]) -> T:
    """Return one of ``items``, each as likely as the others."""
    return items[int(dice.random() * len(items))]


def uniform_int(dice: random.Random, low: int, high: int) -> int:
    """Return a whole number from ``low`` to ``high``, both included."""
    return low + int(dice.random() * (high - low + 1))


def _digest(seed: int, *names: str | int) -> int:
    text = "|".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
