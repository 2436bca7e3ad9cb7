"""The selftest's table for a terminal or a pipe; text comes back, nothing is written."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["panel_lines", "row_line"]

_HEADS: Final = ("", "defect", "must turn red", "seen", "planted", "ops until caught", "seconds")
_GAP: Final = 2
_RED: Final = "\x1b[1;31m"
_PLAIN: Final = "\x1b[0m"


def row_line(row: Mapping[str, Any]) -> str:
    """Return one line on a defect, as it comes."""
    word = _word(row)
    return f"{word} {row['name']} ({row['seconds']} s): {row['why'] or row['verdict']}"


def panel_lines(document: Mapping[str, Any], *, width: int, colour: bool) -> str:
    """Return the table, why each that was missed was missed, and the sum in a last line.

    Args:
        document: ``score.json``.
        width: columns of the terminal, for the sentences below the table.
        colour: with escape sequences for what was missed.
    """
    rows = [_cells(row) for row in document["rows"]]
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    lines = [_line(_HEADS, widths)]
    for row, cells in zip(document["rows"], rows, strict=True):
        line = _line(cells, widths)
        plain = row["caught"] or _skipped(row) or not colour
        lines.append(line if plain else f"{_RED}{line}{_PLAIN}")
    lines.append("")
    for row in document["rows"]:
        if not row["caught"]:
            text = f"{row['name']}: {'skipped, ' * _skipped(row)}{row['why']}"
            lines += textwrap.wrap(text, max(width, 40), subsequent_indent="  ")
    if wanted := document.get("add_to_gate"):
        lines += ["", "To catch what it has no criterion for, add to the gate:", "", wanted]
    return "\n".join([*lines, _sum(document)])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    planted, until = row["planted"], row["ops_until_caught"]
    return (
        _word(row),
        row["name"],
        " or ".join(row["expects"]) or "nothing",
        "-" if _skipped(row) else ", ".join(row["seen"]) or str(row["verdict"] or "no verdict"),
        "all" if planted is None else str(planted),
        "-" if until is None else f"{until} of {row['ops']}",
        f"{row['seconds']:.1f}",
    )


def _skipped(row: Mapping[str, Any]) -> bool:
    return bool(row.get("skipped"))  # older scores do not say


def _word(row: Mapping[str, Any]) -> str:
    if _skipped(row):
        return "skipped"
    if row["expects"]:
        return "caught" if row["caught"] else "MISSED"
    return "passed" if row["caught"] else "ALARM"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    gap = " " * _GAP
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return gap.join(padded).rstrip()


def _sum(document: Mapping[str, Any]) -> str:
    skipped = f"{document['skipped']} skipped, " if document.get("skipped") else ""
    return (
        f"{document['caught']} of {document['defects']} defects caught, {skipped}"
        f"{document['controls_passed']} of {document['controls']} controls passed, "
        f"{document['seconds']:.0f} s, target {document['target']}"
    )
