"""A script: the operations, faults and edits of a soak, listed one by one. Pure.

Most soaks are planned by the dice. A script says it all, so that one of them can be made smaller
and still be the same soak: operations keep their number in the run they come from, and so their
names, and what the dice said to each fault and edit stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from soakproof.model import EditPlan, FaultPlan, Operation, Phase
from soakproof.workload.edits import Marks, plan_edit
from soakproof.workload.ground import Ground
from soakproof.workload.schedule import Workload, schedule

__all__ = ["edits_of", "operations_of", "script_of"]


def operations_of(plan: Mapping[str, Any]) -> Iterator[Operation]:
    """Yield the operations of a plan: those of its script, else those of campaign and dice."""
    if "script" in plan:
        return _scripted(plan["script"]["operations"])
    workload = Workload.of(plan["campaign"], plan["target"], plan["segment"])
    settings = plan["settings"]
    return schedule(workload, settings["seed"]["value"], settings["ops"]["value"])


def edits_of(plan: Mapping[str, Any]) -> Callable[[Operation, int], EditPlan | None]:
    """Return what says which edit begins with an operation (the n-th edit of the run).

    It is to be asked about the operations of one run, once each, in the order of their start.
    """
    if "script" not in plan:
        seed = plan["settings"]["seed"]["value"]
        ground = Ground.of(plan["target"], plan["segment"])
        marks = Marks()
        return lambda operation, number: plan_edit(operation, number, seed, ground, marks)
    listed = {one["index"]: one["edit"] for one in plan["script"]["operations"] if one["edit"]}

    def scripted(operation: Operation, number: int) -> EditPlan | None:
        edit = listed.get(operation.index)
        if edit is None:
            return None
        params = {name: edit[name] for name in ("pause_ms", "mark")}
        name, path = f"edit-{number}", edit["path"]
        return EditPlan(name, edit["kind"], operation.index, operation.key, params, path)

    return scripted


def script_of(
    operations: Iterable[Operation],
    faults: Iterable[FaultPlan],
    planned: Callable[[Operation, int], EditPlan | None],
) -> dict[str, Any]:
    """Return the script of a soak that the dice planned.

    Args:
        operations: all of them.
        faults: all of them.
        planned: says which edit begins with an operation.
    """
    return {
        "operations": [_listed(one, planned(one, 0)) for one in operations],
        "faults": [
            {
                "fault": one.fault_id,
                "kind": one.kind,
                "at_op": one.at_op,
                "episode": one.episode,
                "params": dict(one.params),
            }
            for one in faults
        ],
    }


def _listed(operation: Operation, edit: EditPlan | None) -> dict[str, Any]:
    return {
        "index": operation.index,
        "phase": operation.phase.value,
        "kind": operation.kind,
        "key": operation.key,
        "episode": operation.episode,
        "again": operation.again,
        "edit": None if edit is None else {"kind": edit.kind, "path": edit.path, **edit.params},
    }


def _scripted(listed: Iterable[Mapping[str, Any]]) -> Iterator[Operation]:
    asked: set[tuple[str, str]] = set()
    for one in listed:
        question = (one["kind"], one["key"])
        edit = one["edit"]
        yield Operation(
            index=one["index"],
            phase=Phase(one["phase"]),
            kind=one["kind"],
            key=one["key"],
            first_ask=question not in asked,
            episode=one["episode"],
            again=one["again"],
            edit=None if edit is None else edit["kind"],
            edit_path=None if edit is None else edit["path"],
        )
        asked.add(question)
