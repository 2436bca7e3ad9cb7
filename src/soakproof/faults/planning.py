"""Which faults a schedule gets; a pure function of campaign, schedule and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from soakproof.faults import lock_hold
from soakproof.model import FaultPlan, Operation

__all__ = ["FaultPlanner"]


class FaultPlanner:
    """Asked about each operation in the order of the schedule, says which faults fire before it.

    Args:
        faults: the campaign's ``faults`` tables.
        seed: of the dice.
        writers: operation kinds whose first operation on a key is sure to write.
    """

    def __init__(
        self, faults: Sequence[Mapping[str, Any]], seed: int, writers: frozenset[str]
    ) -> None:
        self._planners = [lock_hold.Planner(params, seed, writers) for params in faults]

    def consider(self, operation: Operation) -> list[FaultPlan]:
        """Return the faults that fire just before an operation."""
        plans = (planner.consider(operation) for planner in self._planners)
        return [plan for plan in plans if plan is not None]

    def plan_all(self, operations: Iterable[Operation]) -> list[FaultPlan]:
        """Return the faults of a whole schedule."""
        return [plan for operation in operations for plan in self.consider(operation)]
