"""How operations look: a colour and a shape each, and many of them in a few paths; pure.

A dot stands for all operations that fall on its two pixels; their number is the dot's size.
So a picture costs what its pixels cost, and not what the run did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from soakproof.report.pictures.frame import Key
from soakproof.report.pictures.storm import Mark
from soakproof.report.pictures.svg import el, num

__all__ = ["SHAPES", "dots", "keys", "line", "said", "tally"]

_CELL_PX: Final = 2


@dataclass(frozen=True, slots=True)
class _Shape:
    label: str
    class_: str
    path: str


SHAPES: Final[Mapping[Mark, _Shape]] = {
    # A line of next to no length is all caps: a disc, a square, in nine bytes. Of no length at
    # all, on paper only the round ones are drawn (ISO 32000-1, 8.5.3.2).
    Mark.HIT: _Shape("hit", "m-hit", "h.1"),
    Mark.MISS: _Shape("miss", "m-miss", "h.1"),
    Mark.PLAIN: _Shape("ok, no lookup told", "m-plain", "m-3 0h6"),
    Mark.INFO: _Shape("info: may have happened", "m-info", "m0-4l4 7h-8z"),
    Mark.FAIL: _Shape("fail", "m-fail", "m-4-4l8 8m0-8l-8 8"),
    Mark.WRONG: _Shape("not the right answer", "m-wrong", "m0-5l5 5-5 5-5-5z"),
}
"""Round, square, dash, triangle, cross, diamond: told apart without colour.

The colours are those of Okabe and Ito ("Color universal design", 2008), darkened on white and
lightened on black until they stand off the ground by 3 to 1.
"""

_DENSE_CELLS: Final = 2500
"""With more dots than these, a dot is as large as its place, or one would cover the others."""

_SIZES: Final = (1, 2, 8)
"""From so many operations on, a dot has the next size."""


def keys(counts: Mapping[Mark, int]) -> list[Key]:
    """Return the legend of the marks that are there, with how many there are."""
    return [
        Key(f"mark s0 {shape.class_}", f"M0 0{shape.path}", f"{shape.label} {counts[mark]:,}")
        for mark, shape in SHAPES.items()
        if counts.get(mark)
    ]


def dots(places: Iterable[tuple[Mark, float, float]]) -> list[str]:
    """Return the paths of all operations: (mark, x, y) each; the worst are drawn last, on top."""
    cells: dict[Mark, Counter[tuple[int, int]]] = {mark: Counter() for mark in SHAPES}
    for mark, x, y in places:
        cells[mark][round(x / _CELL_PX), round(y / _CELL_PX)] += 1
    drawn = []
    dense = " dense" if sum(map(len, cells.values())) > _DENSE_CELLS else ""
    for mark, shape in SHAPES.items():
        sizes: dict[int, list[str]] = {}
        for (x, y), count in sorted(cells[mark].items()):
            size = sum(count >= least for least in _SIZES) - 1
            sizes.setdefault(size, []).append(f"M{x * _CELL_PX} {y * _CELL_PX}{shape.path}")
        for size, paths in sorted(sizes.items()):
            drawn.append(el("path", d="".join(paths), class_=f"mark s{size}{dense} {shape.class_}"))
    return drawn


def tally(marks: Iterable[int]) -> dict[Mark, int]:
    """Return how many operations have each mark."""
    return {Mark(mark): count for mark, count in Counter(marks).items()}


def said(counts: Mapping[Mark, int]) -> str:
    """Return the counts as words."""
    there = [(mark, shape) for mark, shape in SHAPES.items() if counts.get(mark)]
    return ", ".join(f"{counts[mark]} {shape.label}" for mark, shape in there) or "none"


def line(points: Iterable[tuple[float, float] | None], class_: str) -> str:
    """Return a line through points, broken at each ``None``."""
    path, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        path.append(f"{pen}{num(point[0])} {num(point[1])}")
        pen = "L"
    return el("path", d="".join(path), class_=class_) if path else ""
