"""Two pictures of single operations: who did what when, and how long it took; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from soakproof.report.pictures.bins import Slice, median
from soakproof.report.pictures.frame import LEFT, RIGHT, Key, Panel, Picture, draw
from soakproof.report.pictures.marks import dots, keys, line, said, tally
from soakproof.report.pictures.scales import Scale, log_ticks
from soakproof.report.pictures.storm import Mark, Storm
from soakproof.report.pictures.windows import FaultKind

__all__ = ["latency", "operations"]

_SPREAD: Final = 7
"""Operations of one worker are drawn on as many levels, so that quick ones do not hide others."""

_MANY: Final = 1500
"""From so many operations on, a lane is filled."""

_STRIDE: Final = 7919
"""A prime: one after the other, operations take all levels, and neighbours are apart."""

_LANES: Final = (18, 44)
"""Least and most pixels of a worker's lane."""

_HEIGHT: Final = (150, 420)


def operations(storm: Storm, kinds: Sequence[FaultKind]) -> Picture:
    """Return every operation as a dot: when it ended, by which worker."""
    workers = storm.workers
    height = min(max(workers * _LANES[1], _HEIGHT[0]), max(_HEIGHT[1], 0))
    lane = height / workers
    x = Scale(0, max(storm.end_s, 1e-6), LEFT, RIGHT)

    levels = _SPREAD if storm.ops < _MANY else max(_SPREAD, int(lane / 2) - 1)

    def level(row: int) -> float:
        spread = (row * _STRIDE % levels + 1) / (levels + 1)
        return lane * (storm.worker[row] + spread)

    body = dots(
        (Mark(storm.mark[row]), x(storm.finished_s(row)), level(row)) for row in range(storm.ops)
    )
    every = -(-workers // max(1, int(height // _LANES[0])))
    ticks = [(lane * (w + 0.5), str(w)) for w in range(0, workers, every)]
    counts = tally(storm.mark)
    says = (
        f"{storm.ops} operations, a dot each where it ended, in the lane of its worker: "
        f"{said(counts)}. Round is a hit, square a miss; larger dots stand for several operations."
    )
    panel = Panel(height, body, ticks, "worker", grid=False)
    title = "Every operation"
    return draw(storm, kinds, panel, keys(counts), name="operations", caption=(title, says))


def latency(storm: Storm, kinds: Sequence[FaultKind], parts: Sequence[Slice]) -> Picture:
    """Return how long each operation took, on a logarithmic axis; informational."""
    height = 200.0
    walls = [
        max((storm.finished_s(row) - storm.begin_s[row]) * 1000, 0.1) for row in range(storm.ops)
    ]
    marks_ms = log_ticks(min(walls, default=1.0), max(walls, default=1000.0))
    y = Scale(marks_ms[0], marks_ms[-1], height, 0, log=True)
    x = Scale(0, max(storm.end_s, 1e-6), LEFT, RIGHT)
    body = dots(
        (Mark(storm.mark[row]), x(storm.finished_s(row)), y(wall)) for row, wall in enumerate(walls)
    )
    middles = [(part, median(part.wall_ms)) for part in parts]
    points = [
        None if middle is None else (x(part.middle_s), y(max(middle, 0.1)))
        for part, middle in middles
    ]
    body.append(line(points, "line halo median"))
    body.append(line(points, "line median"))
    key = Key("line median", "M-8 0H8", "median of a slice")
    ticks = [(y(tick), _ms(tick)) for tick in marks_ms]
    says = (
        "Wall time of each operation on a logarithmic axis, with the median of each slice of the "
        f"run; from {min(walls, default=0):.1f} to {max(walls, default=0):.1f} ms. "
        "Informational: no criterion may look at it."
    )
    title = "Latency (informational, never gated)"
    panel = Panel(height, body, ticks, "wall time")
    counts = tally(storm.mark)
    return draw(storm, kinds, panel, [*keys(counts), key], name="latency", caption=(title, says))


def _ms(value: float) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"  # noqa: PLR2004 - ms in a s
