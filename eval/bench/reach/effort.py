"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FULL", "QUICK", "Effort"]


@dataclass(frozen=True, slots=True)
class Effort:
    """Sizes and repetitions.

    Args:
        wall_rounds: rounds of harness beside xargs.
        wall_ops: operations of each.
        events: lines that are counted.
        counting_rounds: how often.
        engine_rounds: rounds of Dask beside the local engine.
        engine_points: points that each soaks in a round.
        seeds: seeds of the small soak; what is said is for a thousand.
        sizes: operations of a run → how often its stages are measured.
    """

    wall_rounds: int = 7
    wall_ops: int = 400
    events: int = 2_000_000
    counting_rounds: int = 3
    engine_rounds: int = 3
    engine_points: int = 30
    seeds: int = 1_000
    sizes: tuple[tuple[int, int], ...] = ((1_000, 3), (10_000, 3), (100_000, 1))


FULL: Final = Effort()
QUICK: Final = Effort(
    wall_rounds=2,
    wall_ops=120,
    events=200_000,
    counting_rounds=1,
    engine_rounds=1,
    engine_points=6,
    seeds=40,
    sizes=((100, 1), (1_000, 1)),
)
"""Shows that everything works, and no more."""
