"""A campaign on two Dask workers beside the same campaign as two local jobs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from reach.effort import Effort
from reach.place import Place
from speed.figure import Figure, Table, ratio, spread
from speed.process import MeasurementError

__all__ = ["Soaked", "measure", "told"]

LIMIT: Final = 0.9
JOBS: Final = 2
CAMPAIGN: Final = "sqlite_kv_small"
VERDICTS: Final = (0, 10, 11)
"""Whatever a point comes to, it was soaked; how many came to what is in the table."""
_NS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Soaked:
    """One campaign.

    Args:
        first_s: from its start to the end of its first point: everything that is made ready once,
            and a point.
        last_s: to the end of its last point.
        whole_s: to the end of the command.
        points: how many.
    """

    first_s: float
    last_s: float
    whole_s: float
    points: int

    @property
    def points_a_second(self) -> float:
        """How many points ended each second between the first and the last."""
        return (self.points - 1) / (self.last_s - self.first_s)


def measure(place: Place, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Measure in turns; who comes first changes from round to round."""
    found: dict[str, list[Soaked]] = {"local": [], "dask": []}
    for number in range(effort.engine_rounds):
        for engine in sorted(found, reverse=number % 2 == 0):
            found[engine].append(_soaked(place, engine, number, effort.engine_points))
    return told(found["local"], found["dask"])


def told(local: Sequence[Soaked], dask: Sequence[Soaked]) -> tuple[list[Figure], list[Table]]:
    """Say what the rounds gave.  Pure."""
    rates = ratio([one.points_a_second for one in dask], [one.points_a_second for one in local])
    name = f"campaign, points a second: Dask, {JOBS} workers / local, {JOBS} jobs"
    names = {f"local, {JOBS} jobs": local, f"Dask, {JOBS} workers": dask}
    rows = tuple(
        (
            engine,
            spread([one.first_s for one in taken], 2),
            spread([one.points_a_second for one in taken], 2),
            spread([one.whole_s for one in taken], 2),
        )
        for engine, taken in names.items()
    )
    head = (
        "engine",
        "start to the first point done, s",
        "points a second, first to last",
        "whole campaign, s",
    )
    title = f"A campaign of {local[0].points} small library soaks"
    return [Figure(name, rates, LIMIT, at_most=False)], [Table(title, head, rows)]


def _soaked(place: Place, engine: str, number: int, points: int) -> Soaked:
    name = f"{engine}-{number}"
    arguments = ["--campaign", CAMPAIGN, "--seeds", f"1..{points}", "--name", name]
    began_ns = time.time_ns()  # the clock of the files' times
    took = place.soakproof(
        *("campaign", *arguments, "--jobs", str(JOBS), "--engine", engine), codes=VERDICTS
    )
    book = place.root / "_ctx" / "campaigns" / name
    ended = [path.stat().st_mtime_ns for path in (book / "points").glob("*.json")]
    if len(ended) != points:
        raise MeasurementError(f"{name}: expected {points} points, found {len(ended)}")
    seconds = sorted((at - began_ns) / _NS for at in ended)
    if not all(one <= other for one, other in pairwise([0.0, *seconds])):
        raise MeasurementError(f"{name}: a point ended before the campaign began: the clock jumped")
    shutil.rmtree(book)
    return Soaked(seconds[0], seconds[-1], took.wall_s, points)
