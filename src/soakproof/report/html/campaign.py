"""A campaign's page: its summary in, one HTML file out; pure, the same bytes."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from soakproof.report.html.cells import Cell, Table, code, number, shown, table, verdict, word
from soakproof.report.html.render import render

__all__ = ["campaign_page"]

_STEPS: Final = ("fired", "took_effect", "healed", "skipped")


def campaign_page(summary: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        summary: ``summary.json``.

    Costs the import of jinja2 and a few milliseconds.
    """
    coverage = summary["coverage"]
    seen = _Coverage(coverage["reached"], coverage["never"])
    return render(
        "campaign.html.j2",
        of=summary,
        again=_again(summary["campaign"]),
        facts=_facts(summary),
        groups=[
            ("Failures", "failures", summary["failures"]),
            ("Without a verdict", "unknowns", summary["unknowns"]),
        ],
        tables={
            "gate": _gate(summary),
            "grid": _by_grid(summary["by_grid"]),
            "faults": seen.faults(),
            "modes": seen.modes(),
            "edits": seen.counts("edit", "Edits", "edit"),
            "waits": seen.counts("wait", "Lock waits that the subject told", "cause"),
            "not_asked": _not_asked(summary["not_asked"]),
            "machines": _machines(summary["machines"]),
            "informational": _informational(summary["informational"]),
        },
    )


def _again(spec: Mapping[str, Any]) -> str:
    """Return the line that goes on with the campaign, or shows that all of it is done."""
    argv = ["soakproof", "campaign", "--campaign", spec["flags"].get("campaign", spec["campaign"])]
    argv += ["--seeds", spec["seeds"]] if spec["seeds"] else []
    for name, values in sorted(spec["grid"].items()):
        argv += ["--grid", f"{name}={','.join(values)}"]
    for name, text in sorted(spec["flags"].items()):
        if name != "campaign":
            argv += [f"--{name.replace('_', '-')}", text]
    if not re.fullmatch(rf"{re.escape(spec['campaign'])}-[0-9a-f]{{10}}", spec["name"]):
        argv += ["--name", spec["name"]]  # not the one that soakproof makes of what is asked
    return shlex.join(argv)


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    counts, points = summary["verdicts"], summary["points"]
    effects = sum(
        times
        for name, times in summary["coverage"]["reached"].items()
        if name.startswith("fault/") and name.endswith("/took_effect")
    )
    return [
        ("points", f"{points['done']:,} of {points['planned']:,}"),
        *((name, f"{counts[name]:,}") for name in ("PASS", "FAIL", "UNKNOWN")),
        ("operations", f"{summary['ops']['ops_total']:,}"),
        ("faults that took effect", f"{effects:,}"),
        ("never reached", f"{len(summary['coverage']['never']):,}"),
    ]


def _gate(summary: Mapping[str, Any]) -> Table:
    rows = [
        (
            verdict(one["verdict"]),
            code(one["id"]),
            code(one["observed"]),
            word(one["reason"]),
        )
        for one in summary["criteria"]
    ]
    heads = ("verdict", "criterion", "observed", "why")
    return table("Criteria of the campaign", heads, rows)


def _by_grid(by_grid: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Table:
    """Return a row a value of the grid: the worst verdict that it has, and how many of each."""
    rows = [
        (
            verdict(_worst(counts)) if any(counts.values()) else word("none yet"),
            code(name),
            code(value),
            *(number(counts[one]) for one in ("PASS", "FAIL", "UNKNOWN")),
        )
        for name, values in by_grid.items()
        for value, counts in values.items()
    ]
    heads = ("worst", "grid", "value", "PASS", "FAIL", "UNKNOWN")
    return table("Points by value of the grid", heads, rows)


def _worst(counts: Mapping[str, int]) -> str:
    return next(one for one in ("FAIL", "UNKNOWN", "PASS") if counts[one])


class _Coverage:
    """What was reached, how often, and what could have been and never was.

    Args:
        reached: name (words with slashes) → how often.
        never: names.
    """

    def __init__(self, reached: Mapping[str, int], never: Sequence[str]) -> None:
        self._times = {**dict.fromkeys(never, 0), **reached}
        self._never = set(never)

    def _under(self, group: str) -> dict[str, dict[str, int]]:
        """Return the second word → the rest → how often, of one group."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for name, times in sorted(self._times.items()):
            first, second, *rest = name.split("/", 2)
            if first == group:
                found[second]["".join(rest)] = times
        return found

    def _judged(self, *names: str) -> Cell:
        return verdict("UNKNOWN" if self._never.intersection(names) else "PASS")

    def faults(self) -> Table:
        """Return a row a kind of fault: its steps, and the lock waits that it overlapped."""
        overlaps = self._under("overlap")
        rows = [
            (
                self._judged(*(f"fault/{kind}/{step}" for step in steps), f"overlap/{kind}"),
                code(kind),
                *(number(steps.get(step, 0)) for step in _STEPS),
                number(overlaps[kind][""]) if kind in overlaps else word(""),
            )
            for kind, steps in self._under("fault").items()
        ]
        heads = ("reached", "fault", "fired", "took effect", "healed", "skipped", "lock waits")
        return table("Faults", heads, rows)

    def modes(self) -> Table:
        """Return a row a mode of a fault: how often it took effect."""
        rows = [
            (self._judged(f"mode/{kind}/{mode}"), code(kind), code(mode), number(times))
            for kind, modes in self._under("mode").items()
            for mode, times in modes.items()
        ]
        return table("Modes of faults", ("reached", "fault", "mode", "took effect"), rows)

    def counts(self, group: str, caption: str, head: str) -> Table:
        """Return a row a name of a group without further words."""
        rows = [
            (self._judged(f"{group}/{name}"), code(name), number(times[""]))
            for name, times in self._under(group).items()
        ]
        return table(caption, ("reached", head, "times"), rows)


def _not_asked(criteria: Mapping[str, int]) -> Table:
    rows = [(code(name), number(points)) for name, points in sorted(criteria.items())]
    return table("Criteria that the grid took a fault from", ("criterion", "points"), rows)


def _machines(machines: Sequence[Mapping[str, Any]]) -> Table:
    names = ("python", "platform", "sqlite", "cpus", "filesystem", "subject")
    rows = [
        (code(one["id"]), number(one["points"]), *(word(shown(one[name])) for name in names))
        for one in machines
    ]
    return table("Machines", ("machine", "points", *names), rows)


def _informational(values: Mapping[str, Any]) -> Table:
    rows = [(word(name.replace("_", " ")), word(shown(value))) for name, value in values.items()]
    return table("For information", ("what", "value"), rows)
