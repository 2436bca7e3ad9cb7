"""What the stages after a run cost, by the run's size: count, draw, record, verify."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from reach.beside_xargs import CAMPAIGN
from reach.effort import Effort
from reach.grown import grow
from reach.place import Place, Took
from soakproof.rundir import Project, RunDir
from speed.figure import Figure, Ratio, Table

__all__ = ["Measured", "measure", "told"]

REAL_OPS: Final = 600
"""Of the real run: each of its keys is asked about ten times."""
VERDICTS: Final = (0, 10, 11)
STAGES: Final = ("extract", "report", "record", "verify")
_MB: Final = 1e6
_KB: Final = 1e3


@dataclass(slots=True)
class Measured:
    """A run of one size.

    Args:
        ops: its operations.
        took: stage → what each round took.
        sizes: what → bytes.
    """

    ops: int
    took: dict[str, list[Took]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


def measure(place: Place, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Make a real run, grow it to each size, and measure the stages."""
    small = place.planned("real", CAMPAIGN, REAL_OPS)
    place.soakproof("run", "--run-id", small.run_id)
    return told([_measured(place, small, ops, rounds) for ops, rounds in effort.sizes])


def told(found: Sequence[Measured]) -> tuple[list[Figure], list[Table]]:
    """Say what each size took.  Pure."""
    rows = tuple(_row(one) for one in found)
    head = (
        "operations",
        *(f"{stage}, s (CPU)" for stage in STAGES),
        "history and telemetry, MB",
        "metrics, kB",
        "page, kB",
        "bundle, MB",
    )
    least, most = found[0], found[-1]
    figures = [
        Figure(
            f"{stage}, time an operation: {most.ops:,} / {least.ops:,}", _growth(least, most, stage)
        )
        for stage in STAGES
    ]
    return figures, [Table("The stages after a run, by its size", head, rows)]


def _row(one: Measured) -> tuple[str, ...]:
    sizes: Mapping[str, int] = one.sizes
    return (
        f"{one.ops:,}",
        *(_seconds(one.took[stage]) for stage in STAGES),
        f"{sizes['record'] / _MB:,.1f}",
        f"{sizes['metrics'] / _KB:,.0f}",
        f"{sizes['page'] / _KB:,.0f}",
        f"{sizes['bundle'] / _MB:,.2f}",
    )


def _growth(least: Measured, most: Measured, stage: str) -> Ratio:
    few, many = ([took.cpu_s for took in one.took[stage]] for one in (least, most))
    share = least.ops / most.ops
    rounds = min(len(few), len(many))
    each = [one / median(few) * share for one in many]
    return Ratio(median(each), min(each), max(each), rounds)


def _seconds(took: Sequence[Took]) -> str:
    wall, cpu = median(one.wall_s for one in took), median(one.cpu_s for one in took)
    return f"{wall:,.2f} ({cpu:,.2f})"


def _measured(place: Place, small: RunDir, ops: int, rounds: int) -> Measured:
    one = Measured(ops, {stage: [] for stage in STAGES})
    took = one.took
    run = place.planned(f"size-{ops}", CAMPAIGN, ops)
    grow(small, run)
    named = ("--run-id", run.run_id)
    place.soakproof("expect", *named)
    bundle = Project(place.root).evidence / run.run_id
    for _ in range(rounds):
        took["extract"].append(place.soakproof("extract", *named))
        place.soakproof("gate", *named, codes=VERDICTS)
        took["report"].append(place.soakproof("report", *named))
        shutil.rmtree(bundle, ignore_errors=True)
        took["record"].append(place.soakproof("record", *named))
        took["verify"].append(place.soakproof("verify", str(bundle), codes=VERDICTS))
    told_lines = _bytes(run.telemetry)
    one.sizes = {
        "record": run.history.stat().st_size + told_lines,
        "metrics": run.metrics.stat().st_size,
        "page": run.report.stat().st_size,
        "bundle": _bytes(bundle),
    }
    shutil.rmtree(run.path)
    return one


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
