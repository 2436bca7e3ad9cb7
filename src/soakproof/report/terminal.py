"""The gate's table, and where things are, for a terminal or a pipe.

Nothing here writes: text comes back, with colours only when asked for.
``rich`` is imported where it is used: it costs five bare starts of Python.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from soakproof.model import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["gate_table", "runs_table", "summary_lines", "verdict_line", "verdict_lines"]

_STYLES: Final[Mapping[str, str]] = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.UNKNOWN: "bold yellow",
}

_LEAST_WIDTH: Final = 60
"""A narrower terminal gets lines that it wraps itself; columns of one letter help nobody."""


def verdict_lines(verdict: Mapping[str, Any], *, width: int, colour: bool) -> str:
    """Return the gate's table, the reasons of what is not PASS, and the verdict's line at the end.

    Args:
        verdict: ``verdict.json``.
        width: columns of the terminal.
        colour: with escape sequences for colours.
    """
    table = gate_table(verdict, width=width, colour=colour)
    return f"{table}\n{verdict_line(verdict, colour=colour)}"


def summary_lines(
    verdict: Mapping[str, Any], places: Mapping[str, str], *, width: int, colour: bool
) -> str:
    """Return the table, where things are, and the verdict's line at the end.

    Args:
        verdict: ``verdict.json``.
        places: what (``metrics``, ``log``, ``report``, ``work order`` …) → where, or a sentence.
        width: columns of the terminal.
        colour: with escape sequences for colours.
    """
    widest = max(map(len, places), default=0)
    where = "".join(f"{name:<{widest}}  {place}\n" for name, place in places.items())
    table = gate_table(verdict, width=width, colour=colour)
    return f"{table}\n{where}\n{verdict_line(verdict, colour=colour)}"


def verdict_line(verdict: Mapping[str, Any], *, colour: bool) -> str:
    """Return one line: verdict, gate, run, and how many criteria there are (or did not pass)."""
    from rich.text import Text

    criteria = verdict["criteria"]
    open_ones = sum(each["verdict"] != Verdict.PASS for each in criteria)
    tally = f"{open_ones} of {len(criteria)} criteria not met" if open_ones else ""
    text = Text(verdict["verdict"], style=_STYLES[verdict["verdict"]])
    text.append(
        f"  {verdict['gate']}  run {verdict['run_id']}  ({tally or f'{len(criteria)} criteria'})",
        style="not bold default",
    )
    return _rendered(text, width=1000, colour=colour).rstrip("\n")


def gate_table(verdict: Mapping[str, Any], *, width: int, colour: bool) -> str:
    """Return every criterion with rule, observed value, limit and samples; nothing is cut off.

    Cells that are too wide go on in the next line of their column.

    Args:
        verdict: ``verdict.json``.
        width: columns of the terminal.
        colour: with escape sequences for colours.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("verdict", no_wrap=True)
    for head in ("criterion", "rule", "observed", "limit", "samples"):
        table.add_column(head, overflow="fold")
    for each in verdict["criteria"]:
        cells = (
            each["id"],
            each["rule"],
            _shown(each["observed"]),
            _shown(each["limit"]),
            f"{_shown(each['samples'])} (floor {each['floor']})",
        )
        # Text, not str: a rule with square brackets is no markup.
        table.add_row(Text(each["verdict"], style=_STYLES[each["verdict"]]), *map(Text, cells))
    reasons = "".join(
        f"{each['verdict']} {each['id']}: {' '.join(each['reason'].split())}\n"
        for each in verdict["criteria"]
        if each["verdict"] != Verdict.PASS
    )
    lines = _rendered(table, width=max(width, _LEAST_WIDTH), colour=colour)
    plain = "\n".join(line.rstrip() for line in lines.splitlines()) + "\n"
    return plain + (f"\n{reasons}" if reasons else "")


def runs_table(rows: Sequence[Mapping[str, Any]], *, width: int, colour: bool) -> str:
    """Return the stored runs, the newest last: nearest to the prompt.

    Args:
        rows: what :func:`soakproof.stages.runs.stored_runs` says.
        width: columns of the terminal.
        colour: with escape sequences for colours.
    """
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return "No runs yet: begin with `soakproof all`.\n"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("time", "run", "campaign", "seed", "ops", "verdict"):
        table.add_column(head, overflow="fold")
    for row in rows:
        ops = row["ops_planned"] if row["ops_total"] is None else row["ops_total"]
        judged = row["verdict"] or ("broken" if row["problem"] else "not judged")
        cells = (row["time"], row["run_id"], row["campaign"], row["seed"], ops)
        shown = ("?" if cell is None else str(cell) for cell in cells)
        table.add_row(*map(Text, shown), Text(judged, style=_STYLES.get(judged, "")))
    lines = _rendered(table, width=max(width, _LEAST_WIDTH), colour=colour)
    return "\n".join(line.rstrip() for line in lines.splitlines()) + "\n"


def _shown(value: object) -> str:
    if value is None:
        return "absent"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _rendered(item: RenderableType, *, width: int, colour: bool) -> str:
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(item)
    return out.getvalue()
