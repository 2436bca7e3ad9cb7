"""``tally`` beside what one would use instead: lines of the table from its own script."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from reach.effort import Effort
from reach.place import EVAL, Place, command
from speed.figure import Figure, Ratio, ratio

__all__ = ["measure", "told"]

SCRIPT: Final = EVAL / "scripts" / "tally_speed.py"
TALLY_1: Final = "soakproof tally, one process"
TALLY_2: Final = "soakproof tally, two processes"
LOOP: Final = "a loop around `json`"
DUCKDB: Final = "DuckDB, 2 threads"
LOOP_LIMIT: Final = 6.0
DUCKDB_LIMIT: Final = 1.0
MEMORY_LIMIT_MB: Final = 200.0


def measure(place: Place, effort: Effort, page: Path | None) -> list[Figure]:
    """Let the script measure; with a page it writes its own table there."""
    found = place.root / "counting.json"
    argv = [sys.executable, str(SCRIPT), "--events", str(effort.events), "--json", str(found)]
    argv += ["--rounds", str(effort.counting_rounds), "--folder", str(place.root)]
    if page is not None:
        argv += ["--page", str(page)]
    command(argv, place.env, place.root / "counting.log")
    return told(place.read(found))


def told(document: Mapping[str, Any]) -> list[Figure]:
    """Say how far ``tally`` is.  Pure."""
    by_name = {one["name"]: one for one in document["contestants"]}
    one, two, loop = by_name[TALLY_1], by_name[TALLY_2], by_name[LOOP]
    duckdb = by_name.get(DUCKDB)
    beside = None if duckdb is None else ratio(two["wall_s"], duckdb["wall_s"])
    most_mb = max(one["resident_mb"], two["resident_mb"])
    named = float(min(one["named"], two["named"]))
    planted = document["planted"]
    return [
        Figure(
            "tally, CPU: loop around json / one process",
            ratio(loop["cpu_s"], one["cpu_s"]),
            LOOP_LIMIT,
            at_most=False,
        ),
        Figure(
            "tally, time: two processes / DuckDB, 2 threads",
            beside,
            DUCKDB_LIMIT,
            note="" if beside else "DuckDB is not installed",
        ),
        Figure("tally, most memory, MB", _once(most_mb, len(one["wall_s"])), MEMORY_LIMIT_MB),
        Figure(
            f"tally, of {planted} damaged lines told with file and line",
            _once(named, len(one["wall_s"])),
            float(planted),
            at_most=False,
        ),
    ]


def _once(value: float, rounds: int) -> Ratio:
    return Ratio(value, value, value, rounds)
