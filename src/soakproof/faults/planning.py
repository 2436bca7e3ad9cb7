"""Which faults a schedule gets; a pure function of campaign, schedule and seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from soakproof.dice import rank, stream
from soakproof.faults.registry import KINDS
from soakproof.model import FaultPlan, Operation, Phase

__all__ = ["FaultPlanner", "Planner", "ScriptedFaults", "planner_of"]


class Planner(Protocol):
    """Says which faults fire before an operation; asked in the order of the schedule."""

    def consider(self, operation: Operation) -> list[FaultPlan]:
        """Return the faults that fire just before an operation."""

    def plan_all(self, operations: Iterable[Operation]) -> list[FaultPlan]:
        """Return the faults of a whole schedule."""


def planner_of(plan: Mapping[str, Any], writers: frozenset[str]) -> Planner:
    """Return the planner of a plan: that of its script, else that of campaign and dice.

    Args:
        plan: a validated plan.
        writers: operation kinds whose first operation on a key is sure to write.
    """
    if "script" in plan:
        return ScriptedFaults(plan["script"]["faults"])
    return FaultPlanner(
        plan["campaign"].get("faults", ()), plan["settings"]["seed"]["value"], writers
    )


class ScriptedFaults:
    """Faults that a script lists, each with what the dice said to it.

    One of an episode fires before the first operation of the episode that the script has left; one
    without, before the operation that it names.

    Args:
        listed: the script's faults.
    """

    def __init__(self, listed: Sequence[Mapping[str, Any]]) -> None:
        self._left = list(listed)

    def consider(self, operation: Operation) -> list[FaultPlan]:
        """Return the faults that fire just before an operation."""
        now = [one for one in self._left if _its_turn(one, operation)]
        self._left = [one for one in self._left if one not in now]
        return [
            FaultPlan(one["fault"], one["kind"], operation.index, one["params"], one["episode"])
            for one in now
        ]

    def plan_all(self, operations: Iterable[Operation]) -> list[FaultPlan]:
        """Return the faults of a whole schedule."""
        return [plan for operation in operations for plan in self.consider(operation)]


def _its_turn(listed: Mapping[str, Any], operation: Operation) -> bool:
    if listed["episode"] is None:
        return bool(listed["at_op"] == operation.index)
    return operation.phase is Phase.STORM and operation.episode == listed["episode"]


class FaultPlanner:
    """Asked about each operation in the order of the schedule, says which faults fire before it.

    In a campaign of episodes each episode has one fault, all in turn in an order that the seed
    shuffles. Otherwise a fault that needs a writer is placed before operations that are sure to
    write: the first of them, and others as the dice say (``per_writer``, ``min_gap_ops``).

    Args:
        faults: the campaign's ``faults`` tables.
        seed: of the dice.
        writers: operation kinds whose first operation on a key is sure to write.
    """

    def __init__(
        self, faults: Sequence[Mapping[str, Any]], seed: int, writers: frozenset[str]
    ) -> None:
        self._faults = faults
        self._seed = seed
        self._writers = writers
        self._last: dict[int, int] = {}
        self._episode: int | None = None
        self._count: Counter[str] = Counter()

    def consider(self, operation: Operation) -> list[FaultPlan]:
        """Return the faults that fire just before an operation."""
        if operation.phase is Phase.STORM:
            return self._of_episode(operation)
        if operation.episode is not None:
            return []
        placed = (self._placed(at, operation) for at in range(len(self._faults)))
        return [plan for plan in placed if plan is not None]

    def plan_all(self, operations: Iterable[Operation]) -> list[FaultPlan]:
        """Return the faults of a whole schedule."""
        return [plan for operation in operations for plan in self.consider(operation)]

    def _of_episode(self, operation: Operation) -> list[FaultPlan]:
        if operation.episode is None or operation.episode == self._episode or not self._faults:
            return []
        self._episode = operation.episode
        turn, at = divmod(operation.episode, len(self._faults))
        order = sorted(range(len(self._faults)), key=lambda n: rank(self._seed, "fault", turn, n))
        return [self._plan(self._faults[order[at]], operation, operation.episode)]

    def _placed(self, number: int, operation: Operation) -> FaultPlan | None:
        params = self._faults[number]
        if "per_writer" not in params:
            return None
        if not (operation.first_ask and operation.kind in self._writers):
            return None
        dice = stream(self._seed, "fault", params["kind"], operation.index)
        wanted = dice.random() < params["per_writer"]
        last = self._last.get(number)
        near = last is not None and operation.index - last < params["min_gap_ops"]
        if last is not None and (near or not wanted):
            return None
        self._last[number] = operation.index
        return self._plan(params, operation, None)

    def _plan(
        self, params: Mapping[str, Any], operation: Operation, episode: int | None
    ) -> FaultPlan:
        kind = params["kind"]
        dice = stream(self._seed, "fault params", kind, operation.index)
        fault_id = f"{kind}-{self._count[kind]}"
        self._count[kind] += 1
        drawn = KINDS[kind].draw(params, dice)
        return FaultPlan(fault_id, kind, operation.index, drawn, episode)
