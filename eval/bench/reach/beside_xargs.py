"""The harness beside ``xargs -P``: the same commands, the same cache, the same number at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reach.effort import Effort
from reach.place import Place, Took, command
from soakproof import schema
from soakproof.places import reveal_plan
from soakproof.rundir import RunDir
from soakproof.targets.target import Places, Target
from soakproof.workload.script import operations_of
from speed.figure import Figure, Table, ratio, spread
from speed.process import MeasurementError

__all__ = ["Round", "measure", "told"]

LIMIT: Final = 1.05
WORKERS: Final = 4
CAMPAIGN: Final = "calm_symbols"
_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Args:
        storm: the storm alone, by ``run.json``.
        run: the whole ``soakproof run``.
        xargs: the same commands by xargs.
        again: xargs once more: what the machine makes of the same thing.
    """

    storm: Took
    run: Took
    xargs: Took
    again: Took


def measure(place: Place, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Measure in turns; who comes first changes from round to round."""
    rounds = [
        _round(place, number, effort.wall_ops, harness_first=number % 2 == 1)
        for number in range(effort.wall_rounds)
    ]
    return told(rounds, effort.wall_ops)


def told(rounds: Sequence[Round], ops: int) -> tuple[list[Figure], list[Table]]:
    """Say what the rounds gave.  Pure."""
    xargs = [one.xargs.wall_s for one in rounds]
    name = f"{WORKERS} at once, {ops} warm operations, time:"
    figures = [
        Figure(
            f"{name} harness / xargs -P {WORKERS}",
            ratio([one.storm.wall_s for one in rounds], xargs),
            LIMIT,
        ),
        Figure(
            f"{name} whole `soakproof run` / xargs -P {WORKERS}",
            ratio([one.run.wall_s for one in rounds], xargs),
        ),
        Figure(
            f"{name} xargs -P {WORKERS} again / xargs -P {WORKERS}",
            ratio([one.again.wall_s for one in rounds], xargs),
        ),
        Figure(
            f"the same, CPU with the operations': harness / xargs -P {WORKERS}",
            ratio([one.storm.cpu_s for one in rounds], [one.xargs.cpu_s for one in rounds]),
        ),
    ]
    kinds = {
        "harness, the storm alone": [one.storm for one in rounds],
        "harness, whole `soakproof run`": [one.run for one in rounds],
        f"xargs -P {WORKERS}": [one.xargs for one in rounds],
        f"xargs -P {WORKERS}, again": [one.again for one in rounds],
    }
    rows = tuple(
        (
            kind,
            spread([one.wall_s for one in taken], 2),
            spread([one.cpu_s for one in taken], 2),
            spread([ops / one.wall_s for one in taken], 0),
        )
        for kind, taken in kinds.items()
    )
    head = ("program", "time, s", "CPU with the operations', s", "operations a second")
    return figures, [Table(f"Harness and xargs, {ops} warm operations", head, rows)]


def _round(place: Place, number: int, ops: int, *, harness_first: bool) -> Round:
    run_dir = place.planned(f"wall-{number}", CAMPAIGN, ops)
    asked = _Asked(place, run_dir)
    asked.by_xargs()  # fills the cache
    if harness_first:
        (storm, run), xargs = asked.by_harness(ops), asked.by_xargs()
    else:
        xargs, (storm, run) = asked.by_xargs(), asked.by_harness(ops)
    again = asked.by_xargs()
    shutil.rmtree(run_dir.path)
    return Round(storm, run, xargs, again)


class _Asked:
    """The commands of a planned run, as the harness starts them."""

    def __init__(self, place: Place, run_dir: RunDir) -> None:
        self._place, self._run_dir = place, run_dir
        plan = reveal_plan(run_dir, schema.load_json(run_dir.plan, "plan", hint=""))
        beside = place.root / "beside"  # what xargs' operations tell is not told into the run
        beside.mkdir(exist_ok=True)
        places = Places(run_dir.run_id, run_dir.segment, beside, run_dir.target_scratch)
        target = Target(plan["target"], tuple(plan["settings"]["target_command"]["value"]), places)
        operations = list(operations_of(plan))
        self._lines = [target.argv(one) for one in operations]
        self._env = target.env(operations[0], place.env)
        if len({len(line) for line in self._lines}) != 1:
            raise MeasurementError("expected commands of one length, found several")

    def by_xargs(self) -> Took:
        """Run them by xargs; it fails if one of them does."""
        found = shutil.which("xargs")
        if found is None:
            raise MeasurementError("expected xargs on PATH, found none; apt-get install findutils")
        size = len(self._lines[0]) - 1
        argv = [found, "-0", "-P", str(WORKERS), "-n", str(size), self._lines[0][0]]
        given = b"".join(os.fsencode(part) + b"\0" for line in self._lines for part in line[1:])
        return command(argv, self._env, self._place.root / "xargs.log", given=given)

    def by_harness(self, ops: int) -> tuple[Took, Took]:
        """Run them by the harness; the storm alone, and all of it."""
        took = self._place.soakproof("run", "--run-id", self._run_dir.run_id)
        storm = self._place.read(self._run_dir.run)["harness_cost"]["storm"]
        _all_were_hits(self._run_dir, ops)
        cpu_s = (storm["cpu_ms"] + storm["children_cpu_ms"]) / _MS
        return Took(storm["wall_ms"] / _MS, cpu_s, took.exit_code), took


def _all_were_hits(run_dir: RunDir, ops: int) -> None:
    answered = run_dir.history.read_bytes().count(b'"type":"ok"')
    hits = sum(_hits(path) for path in run_dir.telemetry.glob("events*.jsonl"))
    if not answered == hits == ops:
        message = f"expected {ops} operations, all of them hits, found {answered} and {hits} hits"
        raise MeasurementError(message)


def _hits(path: Path) -> int:
    return path.read_bytes().count(b'"cmd":"ast.cache.hit"')
