"""Faults and edits that are under way, driven by the ticks of the storm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.awake import Awake
from soakproof.faults.fault import Fault, Site, Start
from soakproof.faults.planning import Planner
from soakproof.faults.registry import KINDS
from soakproof.model import EditPlan, FaultPlan, Live, Operation, Phase
from soakproof.report.progress import Progress
from soakproof.stages.run.writing import HistoryWriter
from soakproof.workload.edits import Editor
from soakproof.workload.ground import Ground
from soakproof.workload.inputs import InputWatch

__all__ = ["Active", "Editing"]

_TICK_MS: Final = 10
"""While a fault or an edit is under way: it looks, and goes on, in steps of this."""

_HURRIED_MS: Final = 1
"""While an edit waits for the moment in which a file has been read."""


@dataclass(frozen=True, slots=True)
class Editing:
    """What edits work on.

    Args:
        planned: says which edit begins with an operation (the n-th edit of the run).
        ground: what is edited, and how.
        versions: folder that keeps every version of an edited file.
        watch: is told of each version that we make.
    """

    planned: Callable[[Operation, int], EditPlan | None]
    ground: Ground
    versions: Path
    watch: InputWatch


class Active:
    """What interferes with the operations just now.

    Args:
        planner: says which faults fire before an operation.
        site: where they are applied.
        editing: what edits work on.
        history: takes each step.
        progress: is told of each fault.
        awake: the clock of the ticks.
    """

    def __init__(
        self,
        planner: Planner,
        site: Site,
        editing: Editing,
        history: HistoryWriter,
        progress: Progress,
        awake: Awake,
    ) -> None:
        self._awake = awake
        self._planner = planner
        self._site = site
        self._editing = editing
        self._history = history
        self._progress = progress
        self._faults: list[Fault] = []
        self._editors: list[Editor] = []
        self._edit_count = 0

    def plan(self, operation: Operation) -> None:
        """Make the faults that fire before an operation; asked in the order of the schedule."""
        for plan in self._planner.consider(operation):
            kind = KINDS[plan.kind]
            why_not = kind.unavailable(self._site)
            if why_not:
                self._say(plan, "skipped", {"why": why_not})
                continue
            self._faults.append(kind.make(plan, self._site, self._sayer(plan)))

    def ready(self, operation: Operation) -> bool:
        """Whether the faults that an operation is to meet have fired, or never will."""
        return all(fault.admits for fault in self._faults if _meets(fault.plan, operation))

    def change(self, operation: Operation, start: Start) -> Start:
        """Return how an operation is started under its faults."""
        for fault in self._faults:
            if not fault.done and _meets(fault.plan, operation):
                start = fault.change(start)
        return start

    def started(self, live: Live) -> None:
        """An operation was started: tell its faults, begin its edit."""
        for fault in self._faults:
            if not fault.done and _meets(fault.plan, live.operation):
                fault.started(live)
        for editor in self._editors:
            editor.joined(live.operation, live.send)
        editing = self._editing
        plan = editing.planned(live.operation, self._edit_count)
        if plan is not None:
            self._edit_count += 1
            say = self._edit_sayer(plan)
            place = (self._site.segment, editing.ground, editing.versions)
            editor = Editor(plan, *place, say, live.send)
            self._editors.append(editor)
            editor.tick(self._awake.now_ns())  # what it waits for may come at once

    def ended(self, live: Live, signal_number: int | None) -> None:
        """An operation has ended."""
        for fault in self._faults:
            if not fault.done and _meets(fault.plan, live.operation):
                fault.ended(live, signal_number)
        for editor in self._editors:
            editor.answered(live.operation, live.started_ns)

    def tick(self, now_ns: int, live: Mapping[int, Live]) -> int | None:
        """Drive all; return milliseconds until the next look, or nothing when none is needed."""
        for fault in self._faults:
            fault.tick(now_ns, live)
        for editor in self._editors:
            editor.tick(now_ns)
        self._faults = [fault for fault in self._faults if not fault.done]
        self._editors = [editor for editor in self._editors if not editor.done]
        if any(editor.hurries for editor in self._editors):
            return _HURRIED_MS
        return _TICK_MS if self._faults or self._editors else None

    def settle(self, now_ns: int, episode: int | None) -> None:
        """An episode's operations, or all, have ended: edits are finished, faults healed."""
        editors, self._editors = self._editors, []
        # Whatever goes wrong with one of them, the others are healed all the same.
        with ExitStack() as stack:
            for fault in self._faults:
                if episode is None or fault.plan.episode == episode:
                    stack.callback(fault.heal)
            for editor in editors:
                stack.callback(editor.finish, now_ns)
        self._faults = [fault for fault in self._faults if not fault.done]

    def _sayer(self, plan: FaultPlan) -> Any:  # noqa: ANN401 - a closure
        return lambda event, detail: self._say(plan, event, detail)

    def _say(self, plan: FaultPlan, event: str, detail: dict[str, Any]) -> None:
        self._history.fault(plan, event, detail)
        self._progress.fault(plan.fault_id, event, detail)

    def _edit_sayer(self, plan: EditPlan) -> Any:  # noqa: ANN401 - a closure
        def say(event: str, path: str, version: str, detail: dict[str, Any]) -> None:
            self._history.edit(plan, event, path, version, detail)
            if event == "end":
                self._editing.watch.edited(path, version)

        return say


def _meets(plan: FaultPlan, operation: Operation) -> bool:
    if plan.episode is None:
        return plan.at_op == operation.index
    return operation.phase is Phase.STORM and plan.episode == operation.episode
