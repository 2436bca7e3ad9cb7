"""Tables as values: what stands in a cell and how it is set; the template knows the markup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Cell", "Table", "code", "number", "percent", "shown", "table", "verdict", "word"]


@dataclass(frozen=True, slots=True)
class Cell:
    """Text, and how it is set: ``word``, ``code``, ``number`` or ``verdict``.

    ``first`` is what has to be read before it.
    """

    text: str
    sort: str = "word"
    first: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its caption, its heads, its rows, and what is to be said below it."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    below: str = ""
    sorts: tuple[str, ...] = field(default=())
    """How each column's head is set: as the first row's cell."""


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], below: str = ""
) -> Table:
    """Return a table."""
    body = tuple(tuple(row) for row in rows)
    sorts = tuple(cell.sort for cell in body[0]) if body else ("word",) * len(heads)
    return Table(caption, tuple(heads), body, below, sorts)


def word(text: object, first: str = "") -> Cell:
    """Return plain text."""
    return Cell(str(text), first=first)


def code(text: object) -> Cell:
    """Return a name, a command, a hash."""
    return Cell(str(text), "code")


def number(value: float | None, decimals: int = 0) -> Cell:
    """Return a number; what is absent is said to be."""
    return Cell("absent" if value is None else f"{value:,.{decimals}f}", "number")


def percent(share: float | None) -> Cell:
    """Return a share of 0 to 1 as per cent."""
    return Cell("none asked" if share is None else f"{share:.1%}", "number")


def verdict(text: str) -> Cell:
    """Return PASS, FAIL or UNKNOWN."""
    return Cell(text, "verdict")


def shown(found: object) -> str:
    """Return a value of a JSON document; what is absent is said to be."""
    if found is None:
        return "absent"
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
