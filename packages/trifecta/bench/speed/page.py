"""Showing the figures: a table on the terminal, and the same in ``docs/performance.md``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from speed.figure import Figure, Table
from speed.process import MeasurementError

BEGIN = "<!-- begin: written by nox -s bench; change the text around it, not this -->"
END = "<!-- end: written by nox -s bench -->"
UNSETTLED = ", limit within the spread"
"""Said where another run may well say the opposite."""
HEAD = ("figure", "median", "smallest–largest", "rounds", "limit", "")


def cells(figure: Figure) -> tuple[str, ...]:
    """Give the cells of one line."""
    found, limit = figure.ratio, ""
    if figure.limit is not None:
        limit = f"{'≤' if figure.at_most else '≥'} {figure.limit:g}"
    if found is None:
        return figure.name, "–", figure.note, "0", limit, "not measured"
    said = {True: "met", False: "missed", None: ""}[figure.met]
    if figure.limit is not None and found.low < figure.limit < found.high:
        said += UNSETTLED
    spread = f"{found.low:.2f}–{found.high:.2f}"
    return figure.name, f"{found.middle:.2f}", spread, str(found.rounds), limit, said


def show(figures: Sequence[Figure]) -> None:
    """Print the table: drawn on a terminal, aligned text elsewhere."""
    rows = [cells(figure) for figure in figures]
    if sys.stdout.isatty():
        _draw(rows)
        return
    _aligned([HEAD, *rows])


def show_tables(tables: Sequence[Table]) -> None:
    """Print absolute numbers as aligned text."""
    for table in tables:
        print(f"\n{table.title}\n")
        _aligned([table.head, *table.rows])
        print()


def _aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


def _draw(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table as Drawn

    drawn = Drawn(*HEAD)
    styles = {"met": "green", "missed": "red"}
    for row in rows:
        drawn.add_row(*row, style=styles.get(row[-1], "yellow" if row[-1] else "dim"))
    Console().print(drawn)


def write(
    page: Path,
    facts: Sequence[str],
    figures: Sequence[Figure],
    tables: Sequence[Table],
    marks: tuple[str, str] = (BEGIN, END),
) -> None:
    """Replace what stands between two marks of *page*."""
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise MeasurementError(f"expected the lines {marks[0]!r} and {marks[1]!r} in {page.name}")
    parts = [*[f"- {fact}" for fact in facts], ""]
    rows = [cells(figure) for figure in figures]
    parts += ["### Reach", "", *_markdown(HEAD, [row for row in rows if row[4]]), ""]
    parts += ["### Beside it", "", *_markdown(HEAD[:4], [row[:4] for row in rows if not row[4]])]
    for table in tables:
        parts += ["", f"### {table.title}", "", *_markdown(table.head, table.rows)]
    page.write_text(f"{before}{begin}\n\n" + "\n".join(parts) + f"\n\n{end}{after}", "utf-8")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
