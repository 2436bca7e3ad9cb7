"""What a campaign came to, for a terminal and as Markdown; text comes back, nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from soakproof.report.cells import code, plain, table

__all__ = ["campaign_lines", "campaign_markdown"]

_SHOWN_GROUPS: Final = 20


def campaign_lines(summary: Mapping[str, Any], report: str, page: str) -> list[str]:
    """Return the lines for a terminal: what is not as it should be, then the sum.

    Args:
        summary: ``summary.json``.
        report: where the whole report is.
        page: where it is as HTML.
    """
    lines = []
    for word, groups in (("FAIL", summary["failures"]), ("UNKNOWN", summary["unknowns"])):
        for group in groups[:_SHOWN_GROUPS]:
            sort = f" ({group['explanation']})" if group["explanation"] else ""
            lines.append(f"{word} {group['criterion']}{sort}: {group['count']} points")
            lines.append(f"  {group['words'] or group['reason']}")
            lines.append(f"  replay: {_replay(group)}")
        if len(groups) > _SHOWN_GROUPS:
            lines.append(f"{len(groups) - _SHOWN_GROUPS} more groups are in the report")
    lines += [
        f"{one['verdict']} {one['id']}: {one['reason']}"
        for one in summary["criteria"]
        if one["reason"]
    ]
    counts = summary["verdicts"]
    told = ", ".join(f"{counts[word]} {word}" for word in ("PASS", "FAIL", "UNKNOWN"))
    points, seen = summary["points"], summary["coverage"]
    lines.append(
        f"{summary['verdict']}  {summary['campaign']['name']}  "
        f"{points['done']} of {points['planned']} points: {told}; "
        f"{summary['ops']['ops_total']} operations; {len(seen['reached'])} things reached, "
        f"{len(seen['never'])} never"
    )
    return [*lines, f"report: {report}", f"page: {page}"]


def campaign_markdown(summary: Mapping[str, Any]) -> str:
    """Return the report: the same summary, the same text."""
    spec, points = summary["campaign"], summary["points"]
    lines = [
        f"# {summary['verdict']}: campaign {plain(spec['campaign'])}",
        "",
        f"{points['done']} of {points['planned']} points were soaked ({summary['state']}), "
        f"{summary['ops']['ops_total']} operations in all.",
        f"Seeds {code(spec['seeds'])}, grid {_grid(spec['grid'])}, asked {_flags(spec['flags'])}.",
        "",
        "## Gate",
        "",
        *table(
            ("criterion", "verdict", "observed", "reason"),
            (
                (code(one["id"]), one["verdict"], one["observed"], plain(one["reason"]))
                for one in summary["criteria"]
            ),
        ),
        "",
        "## Verdicts of the points",
        "",
        *table(("verdict", "points"), summary["verdicts"].items()),
        "",
    ]
    lines += _by_grid(summary["by_grid"])
    lines += _groups("Failures", summary["failures"])
    lines += _groups("Unknown", summary["unknowns"])
    lines += _coverage(summary)
    lines += _machines(summary)
    return "\n".join(lines) + "\n"


def _grid(grid: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(code(f"{name}={','.join(grid[name])}") for name in sorted(grid)) or "none"


def _by_grid(by_grid: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Return which values of the grid the verdicts go with."""
    if not by_grid:
        return []
    rows = [
        (code(name), code(value), *counts.values())
        for name, values in by_grid.items()
        for value, counts in values.items()
    ]
    heads = ("grid", "value", "PASS", "FAIL", "UNKNOWN")
    return ["## Verdicts by value of the grid", "", *table(heads, rows), ""]


def _flags(flags: Mapping[str, str]) -> str:
    return ", ".join(code(f"--{name} {text}") for name, text in sorted(flags.items())) or "none"


def _groups(title: str, groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one part a group: what failed, how, how often, and how to see it again."""
    lines = [f"## {title}", ""]
    if not groups:
        return [*lines, "None.", ""]
    for group in groups:
        lines += [f"### {group['criterion']}: {group['count']} points", ""]
        if group["explanation"]:
            lines += [f"{plain(group['explanation'])}.", ""]
        lines += [f"The first: {plain(group['words'] or group['reason'])}", ""]
        lines += [f"Points: {', '.join(map(code, group['points']))}.", ""]
        if group["run"]:
            lines += [f"A kept run: {code(group['run'])}.", ""]
        if group["case"]:
            lines += [f"Made smaller: {code(group['case'])}.", ""]
        lines += ["```sh", _replay(group), "```", ""]
    return lines


def _replay(group: Mapping[str, Any]) -> str:
    """Return the line that shows the failure again: the case's, where there is one."""
    if group["case"]:
        return f"soakproof replay {group['case']} --no-record"
    return str(group["replay"])


def _coverage(summary: Mapping[str, Any]) -> list[str]:
    seen = summary["coverage"]
    never = ", ".join(map(code, seen["never"])) or "nothing"
    lines = ["## Reached", "", f"Never reached: {never}.", ""]
    lines += table(("what", "times"), ((code(name), n) for name, n in seen["reached"].items()))
    if summary["not_asked"]:
        lines += ["", "## Not asked", ""]
        lines += ["Where the grid took away a fault, criteria that need it were not asked.", ""]
        rows = ((code(name), count) for name, count in summary["not_asked"].items())
        lines += table(("criterion", "points"), rows)
    return [*lines, ""]


def _machines(summary: Mapping[str, Any]) -> list[str]:
    heads = ("id", "points", "python", "platform", "sqlite", "cpus", "filesystem", "subject")
    rows = ([code(one[name]) for name in heads] for one in summary["machines"])
    told = ", ".join(
        f"{name} {'absent' if value is None else value}"
        for name, value in summary["informational"].items()
    )
    return ["## Machines", "", *table(heads, rows), "", f"For information: {told}."]
