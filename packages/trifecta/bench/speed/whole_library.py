"""The whole standard library at once: cold and warm, beside universal-ctags and griffe."""

import shutil
from pathlib import Path

from speed.effort import Effort
from speed.figure import Figure, Ratio, Table, ratio, spread
from speed.process import Command, Cost, peak_kib, run
from speed.scene import Scene, copy_library
from speed.tools import griffe_command, universal_ctags

WARM_LIMIT = 3.0
WARM, CHECKED, COLD, COLD_ONE, CTAGS, GRIFFE = (
    "trifecta, warm (`ast symbols --all`)",
    "trifecta, warm and checked (`ast warm`)",
    "trifecta, cold (`ast warm`)",
    "trifecta, cold, one process (`--jobs 1`)",
    "universal-ctags",
    "griffe (`visit`)",
)
_CODES = (0, 3)  # some files of the library's tests do not parse on purpose


def measure(scene: Scene, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Copy the library and index it, cold in few rounds and warm in more."""
    segment = scene.segment("library")
    files, size = copy_library(segment)
    commands = _commands(scene, segment)
    costs: dict[str, list[Cost]] = {}
    for _ in range(effort.cold_rounds):
        for name in (COLD, COLD_ONE, GRIFFE, CTAGS):
            if name in (COLD, COLD_ONE):
                shutil.rmtree(segment / ".trifecta", ignore_errors=True)
            if name in commands:
                costs.setdefault(name, []).append(run(commands[name], codes=_CODES))
    cold = {name: list(values) for name, values in costs.items()}
    costs.clear()
    run(commands[COLD], codes=_CODES)
    for _ in range(effort.library_rounds):
        for name in (WARM, CTAGS, CHECKED):
            if name in commands:
                costs.setdefault(name, []).append(run(commands[name], codes=_CODES))
    peaks = {name: peak_kib(commands[name]) for name in (WARM, COLD, CTAGS) if name in commands}
    everything = {**cold, **costs}
    title = f"The standard library: {files:,} files, {size / 1e6:.1f} MB"
    return figures(cold, costs), [table(title, everything, peaks)]


def _commands(scene: Scene, segment: Path) -> dict[str, Command]:
    ast = [scene.trifecta, "ast"]
    folder = ["--segment", str(segment)]
    made: dict[str, Command] = {
        WARM: [*ast, "symbols", "--all", "--persist-cache", *folder],
        CHECKED: [*ast, "warm", *folder],
        COLD: [*ast, "warm", *folder],
        COLD_ONE: [*ast, "warm", "--jobs", "1", *folder],
    }
    ctags = universal_ctags()
    if ctags:
        made[CTAGS] = [ctags, "-R", "--languages=python", "-f", "-", str(segment)]
    griffe = griffe_command()
    if griffe:
        made[GRIFFE] = [*griffe, str(segment)]
    return made


def figures(cold: dict[str, list[Cost]], warm: dict[str, list[Cost]]) -> list[Figure]:
    """Compare times (what a user waits for), and CPU beside them."""
    lines = [
        _compare("whole library, time: universal-ctags / trifecta warm", warm, CTAGS, WARM),
        _compare(
            "whole library, CPU: universal-ctags / trifecta warm", warm, CTAGS, WARM, cpu=True
        ),
    ]
    for name in (CTAGS, GRIFFE):
        short = name.partition(" (")[0]
        title = f"whole library, CPU: {short} / trifecta cold"
        lines.append(_compare(title, cold, name, COLD, cpu=True, limit=None))
    return lines


def _compare(
    title: str,
    costs: dict[str, list[Cost]],
    theirs: str,
    ours: str,
    *,
    cpu: bool = False,
    limit: float | None = WARM_LIMIT,
) -> Figure:
    found: Ratio | None = None
    if theirs in costs and ours in costs:
        spent = {
            name: [cost.cpu_s if cpu else cost.wall_s for cost in costs[name]]
            for name in (theirs, ours)
        }
        found = ratio(spent[theirs], spent[ours])
    return Figure(title, found, limit, at_most=False, note="" if found else "not measured here")


def table(title: str, costs: dict[str, list[Cost]], peaks: dict[str, int]) -> Table:
    """Show what stands behind the figures."""
    rows = [
        (
            name,
            spread([cost.wall_s for cost in values], 2),
            spread([cost.cpu_s for cost in values], 2),
            f"{peaks[name] / 1024:.0f}" if name in peaks else "–",
        )
        for name, values in costs.items()
    ]
    head = ("program", "time, s", "CPU, s", "largest resident set of a process, MiB")
    return Table(title, head, tuple(rows))
