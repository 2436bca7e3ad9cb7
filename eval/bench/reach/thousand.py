"""A thousand seeds of a small library soak, on the processors that are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reach.effort import Effort
from reach.engines import CAMPAIGN, JOBS, VERDICTS
from reach.place import Place, Took
from speed.figure import Figure, Ratio, Table

__all__ = ["measure", "told"]

WANTED: Final = 1_000
LIMIT_MINUTES: Final = 5.0
_MINUTE_S: Final = 60


def measure(place: Place, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Soak them once: it is long enough."""
    took = place.soakproof(
        *("campaign", "--campaign", CAMPAIGN, "--seeds", f"1..{effort.seeds}"),
        *("--jobs", str(JOBS), "--name", "thousand"),
        codes=VERDICTS,
    )
    summary = place.read(place.root / "_ctx" / "campaigns" / "thousand" / "summary.json")
    return told(took, effort.seeds, summary)


def told(took: Took, seeds: int, summary: Mapping[str, Any]) -> tuple[list[Figure], list[Table]]:
    """Say how long it took, or would take.  Pure."""
    minutes = took.wall_s / _MINUTE_S * WANTED / seeds
    how = "" if seeds == WANTED else f", extrapolated from {seeds}"
    name = f"{WANTED:,} seeds of a 40-operation library soak, {JOBS} jobs, minutes{how}"
    counts = summary["verdicts"]
    row = (
        f"{seeds:,}",
        f"{took.wall_s:,.1f}",
        f"{took.cpu_s:,.1f}",
        f"{seeds / took.wall_s:.2f}",
        ", ".join(f"{verdict} {count}" for verdict, count in counts.items()),
    )
    head = ("seeds", "time, s", "CPU, s", "soaks a second", "verdicts")
    figure = Figure(name, Ratio(minutes, minutes, minutes, 1), LIMIT_MINUTES)
    return [figure], [Table("Many seeds of a small library soak", head, (row,))]
