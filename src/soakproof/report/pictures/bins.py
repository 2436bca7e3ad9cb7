"""The run in at most sixty slices of equal time: the numbers behind the pictures; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from soakproof.report.pictures.storm import Mark, Storm
from soakproof.report.pictures.windows import FaultKind

__all__ = ["Slice", "median", "slices"]

_MOST: Final = 60
_OPS_A_SLICE: Final = 4
"""A slice of fewer operations says nothing about a rate."""


@dataclass(slots=True)
class Slice:
    """A slice of the run, from ``begin_s`` to ``end_s``.

    ``hits`` and ``misses`` count operations that ended in it, ``wall_ms`` how long each took.
    """

    begin_s: float
    end_s: float
    by_mark: dict[Mark, int] = field(default_factory=lambda: dict.fromkeys(Mark, 0))
    wall_ms: list[float] = field(default_factory=list)
    waits: int = 0
    longest_wait_ms: float = 0.0
    most_bytes: int | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def ops(self) -> int:
        """Operations that ended in it."""
        return sum(self.by_mark.values())

    @property
    def hit_rate(self) -> float | None:
        """The share of hits among hits and misses; ``None`` without any."""
        asked = self.by_mark[Mark.HIT] + self.by_mark[Mark.MISS]
        return self.by_mark[Mark.HIT] / asked if asked else None

    @property
    def middle_s(self) -> float:
        """The middle of it."""
        return (self.begin_s + self.end_s) / 2


def slices(storm: Storm, kinds: Sequence[FaultKind]) -> list[Slice]:
    """Return the slices of a run."""
    count = max(1, min(_MOST, storm.ops // _OPS_A_SLICE))
    each_s = max(storm.end_s, 1e-6) / count
    made = [Slice(at * each_s, (at + 1) * each_s) for at in range(count)]

    def of(at_s: float) -> Slice:
        return made[min(count - 1, int(at_s / each_s))]

    for row in range(storm.ops):
        done_s = storm.finished_s(row)
        one = of(done_s)
        one.by_mark[Mark(storm.mark[row])] += 1
        one.wall_ms.append((done_s - storm.begin_s[row]) * 1000)
    for wait in storm.waits:
        one = of(wait.end_s)
        one.waits += 1
        one.longest_wait_ms = max(one.longest_wait_ms, (wait.end_s - wait.begin_s) * 1000)
    for at_s, by_role in storm.sizes:
        one = of(at_s)
        one.most_bytes = max(one.most_bytes or 0, sum(by_role.values()))
    for kind in kinds:
        for begin_s, end_s in kind.windows:
            for one in made[min(count - 1, int(begin_s / each_s)) : int(end_s / each_s) + 1]:
                if kind.name not in one.faults:
                    one.faults.append(kind.name)
    return made


def median(values: Sequence[float]) -> float | None:
    """Return the lower median, always a value that was measured; ``None`` of nothing."""
    return sorted(values)[(len(values) - 1) // 2] if values else None
