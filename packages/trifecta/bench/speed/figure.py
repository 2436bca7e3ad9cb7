"""What a measurement says: a ratio with its spread, and whether it is within reach.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the ratios of the rounds, with the smallest and the largest."""

    middle: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    ``limit`` is what the project set out to reach (None for a line that is there to compare),
    ``at_most`` tells on which side of it is good.  ``ratio`` is None where nothing could be
    measured, and ``note`` says why.
    """

    name: str
    ratio: Ratio | None
    limit: float | None = None
    at_most: bool = True
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the figure is within reach; None where there is no limit or no figure."""
        if self.limit is None or self.ratio is None:
            return None
        middle = self.ratio.middle
        return middle <= self.limit if self.at_most else middle >= self.limit


@dataclass(frozen=True, slots=True)
class Table:
    """Absolute numbers that stand behind the figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Compare two series of the same rounds, round by round."""
    each = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Ratio(median(each), min(each), max(each), len(each))


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write the median with the smallest and the largest."""
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def as_document(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """Give figures as plain data, for another bench that shows them beside its own."""
    return [asdict(figure) for figure in figures]


def from_document(document: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Give the figures that ``as_document`` was given."""
    return [
        Figure(**{**one, "ratio": None if one["ratio"] is None else Ratio(**one["ratio"])})
        for one in document
    ]
