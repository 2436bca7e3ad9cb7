"""Delta debugging: the fewest of some items that still fail. Pure.

The algorithm ``ddmin`` of Andreas Zeller and Ralf Hildebrandt, "Simplifying and Isolating
Failure-Inducing Input", IEEE Transactions on Software Engineering 28 (2), 2002, section 3: split
into n parts; go on with one part that fails, else with a complement that fails, else with twice as
many parts, until each part is one item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["ddmin"]

T = TypeVar("T")


def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return items that fail, none of which can be left out alone.

    Args:
        items: all of them; they fail.
        fails: whether some of them, in their order, fail. Asked again for what was asked before:
            remember it where it is dear.
    """
    left = list(items)
    if left and fails([]):
        return []
    parts = 2
    while len(left) > 1:
        chunks = _split(left, parts)
        smaller = next((chunk for chunk in chunks if fails(chunk)), None)
        if smaller is not None:
            left, parts = smaller, 2
            continue
        smaller = _complement(chunks, fails) if parts > 2 else None  # noqa: PLR2004 - of two, each is the other's
        if smaller is not None:
            left, parts = smaller, max(parts - 1, 2)
        elif parts < len(left):
            parts = min(len(left), 2 * parts)
        else:
            break
    return left


def _split(items: list[T], parts: int) -> list[list[T]]:
    size = len(items)
    return [items[size * at // parts : size * (at + 1) // parts] for at in range(parts)]


def _complement(chunks: list[list[T]], fails: Callable[[Sequence[T]], bool]) -> list[T] | None:
    for at in range(len(chunks)):
        rest = [item for number, chunk in enumerate(chunks) if number != at for item in chunk]
        if fails(rest):
            return rest
    return None
