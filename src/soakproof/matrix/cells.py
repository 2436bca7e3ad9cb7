"""What one soak says of one promise: yes, no, or not shown, and why. Pure: documents in.

A yes needs evidence: the oracle held, enough answers were checked, the faults took effect, the
edits were made. A no needs none of that but the criterion that is FAIL. All else is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from soakproof.matrix.panel import Promise
from soakproof.model import Verdict

__all__ = ["NO", "NOT_SHOWN", "YES", "Cell", "Edits", "Seen", "blamed", "cell_of", "not_asked"]

YES: Final = "yes"
NO: Final = "no"
NOT_SHOWN: Final = "not_shown"

_ORACLE: Final = "oracle_holds"
_BAD: Final = ("stale", "wrong", "missing", "crashed", "hung")


@dataclass(frozen=True, slots=True)
class Edits:
    """What a history tells of its edits.

    Args:
        seen: edits that were carried out and changed the right answer.
        unseen: … and did not change it: whether they were noticed nobody can tell.
        unmet: edits that were meant for an operation under way and met none.
    """

    seen: int = 0
    unseen: int = 0
    unmet: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a soak left.

    Args:
        verdict: its verdict document; ``None``: there is none.
        metrics: its metrics document; ``None``: there is none.
        edits: what its history tells of the edits.
        seconds: how long it took, with all stages.
        problem: why there is no verdict.
    """

    verdict: Mapping[str, Any] | None
    metrics: Mapping[str, Any] | None
    edits: Edits
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table.

    Args:
        promise: which.
        shown: ``yes``, ``no`` or ``not_shown``.
        promised: whether its makers promise it.
        why: for people; of a no, what was seen.
        criteria: ids of the criteria that are FAIL and make the no.
        ops: operations of the soak.
        checked: answers held against the oracle.
        bad: … of these not right.
        broken: keys still not right when asked the second time after the fault was healed.
        effects: faults that were seen to take effect.
        edits: edits that were carried out and changed the right answer.
        seed: of the soak.
        schedule_sha256: of its schedule; a replay has the same.
        counter_example: the first answer that is not right, in words.
        replay: the command that asks this cell again.
        seconds: how long it took.
    """

    promise: str
    shown: str
    promised: bool
    why: str
    criteria: list[str]
    ops: int
    checked: int
    bad: int
    broken: int
    effects: int
    edits: int
    seed: int
    schedule_sha256: str | None
    counter_example: str | None
    replay: str
    seconds: float

    def document(self) -> dict[str, Any]:
        """Return the cell as plain data."""
        return asdict(self)


def not_asked(promise: Promise, why: str, *, promised: bool, seed: int, replay: str) -> Cell:
    """Return the cell of a promise that the target's campaign has nothing for."""
    return Cell(
        promise=promise.promise_id,
        shown=NOT_SHOWN,
        promised=promised,
        why=why,
        criteria=[],
        ops=0,
        checked=0,
        bad=0,
        broken=0,
        effects=0,
        edits=0,
        seed=seed,
        schedule_sha256=None,
        counter_example=None,
        replay=replay,
        seconds=0.0,
    )


def cell_of(promise: Promise, seen: Seen, *, promised: bool, seed: int, replay: str) -> Cell:
    """Say what a soak shows of a promise."""
    metrics = seen.metrics or {}
    answers = metrics.get("answers") or {}
    criteria = {} if seen.verdict is None else {one["id"]: one for one in seen.verdict["criteria"]}
    by_kind = (metrics.get("faults") or {}).get("by_kind", {})
    effects = sum(by_kind.get(kind, {}).get("took_effect", 0) for kind in promise.faults)
    red = [name for name in promise.red if _is(criteria.get(name), Verdict.FAIL)]
    growth = (metrics.get("growth") or {}).get("max_bytes_by_role", {})
    counts = _Counts(answers, effects, seen.edits, sum(growth.values()))
    shown, why = _judged(promise, seen, criteria, red, counts)
    first = answers.get("first")
    return Cell(
        promise=promise.promise_id,
        shown=shown,
        promised=promised,
        why=why,
        criteria=red if shown == NO else [],
        ops=(metrics.get("ops") or {}).get("ops_total", 0),
        checked=counts.checked,
        bad=counts.bad,
        broken=answers.get("broken") or 0,
        effects=effects,
        edits=seen.edits.seen,
        seed=seed,
        schedule_sha256=metrics.get("schedule_sha256"),
        counter_example=first["words"] if first and shown == NO else None,
        replay=replay,
        seconds=round(seen.seconds, 1),
    )


def blamed(cells: Sequence[Mapping[str, Any]], promises: Sequence[Promise]) -> list[dict[str, Any]]:
    """Return a row's cells, without blaming a fault for what an edit breaks alone.

    A soak with a fault and an edit cannot tell the two apart; where the same edit is a no without
    any fault, the cell of the fault is not shown.

    Args:
        cells: of one row, as plain data.
        promises: of the panel.
    """
    by_id = {one.promise_id: one for one in promises}
    broken = {cell["promise"] for cell in cells if cell["shown"] == NO}
    alone = [one for one in promises if one.promise_id in broken and not one.faults]
    told = []
    for cell in cells:
        asked = by_id[cell["promise"]]
        same = [one for one in alone if asked.faults and set(asked.edits) & set(one.edits)]
        same = [one for one in same if not one.all_kinds]
        if cell["shown"] != NO or not same:
            told.append(dict(cell))
            continue
        why = f"the edits alone are a no ({same[0].promise_id}), so no fault can be blamed"
        hidden = {"shown": NOT_SHOWN, "why": f"{why}; seen: {cell['why']}"}
        told.append({**cell, **hidden, "criteria": [], "counter_example": None})
    return told


class _Counts:
    """The numbers of a soak that a cell rests on."""

    def __init__(
        self, answers: Mapping[str, Any], effects: int, edits: Edits, cache_bytes: int
    ) -> None:
        self.checked: int = answers.get("checked", 0)
        self.by_answer = {name: answers.get(name) or 0 for name in _BAD}
        self.bad = sum(self.by_answer.values())
        self.effects = effects
        self.edits = edits
        self.cache_bytes = cache_bytes

    def words(self) -> str:
        """Return what was bad, by name."""
        told = [f"{count} {name}" for name, count in self.by_answer.items() if count]
        return f"{', '.join(told)} of {self.checked} answers" if told else "no answer is bad"


def _judged(
    promise: Promise,
    seen: Seen,
    criteria: Mapping[str, Mapping[str, Any]],
    red: Sequence[str],
    counts: _Counts,
) -> tuple[str, str]:
    if seen.verdict is None:
        return NOT_SHOWN, f"no verdict: {seen.problem}"
    if not _is(criteria.get(_ORACLE), Verdict.PASS):
        return NOT_SHOWN, "before any fault the tool does not agree with itself without its cache"
    if red:
        return NO, f"{', '.join(red)}: {counts.words()}"
    if lacking := _lacking(promise, criteria, counts):
        return NOT_SHOWN, lacking
    told = f"{counts.checked} answers checked"
    told += f", {counts.effects} faults took effect" if promise.faults else ""
    told += f", {counts.edits.seen} edits changed an answer" if promise.edits else ""
    told += f"; meanwhile {counts.words()}" if counts.bad else ""
    return YES, told


def _lacking(promise: Promise, criteria: Mapping[str, Mapping[str, Any]], counts: _Counts) -> str:
    """Return which evidence a yes lacks, or nothing."""
    for name in promise.red:
        if name not in criteria:
            return f"the target's gate has no criterion {name}"
    if not counts.cache_bytes:
        return "the cache stayed empty: nothing can be said of it"
    if counts.checked < promise.floor_checked:
        return f"{counts.checked} answers could be checked, {promise.floor_checked} are needed"
    if counts.effects < promise.floor_effects:
        needed = promise.floor_effects
        return f"{counts.effects} faults were seen to take effect, {needed} are needed"
    if counts.edits.seen < promise.floor_edits:
        missed = counts.edits.unmet
        beside = f", {counts.edits.unseen} did not, {missed} met no operation under way"
        told = f"{counts.edits.seen} edits changed an answer{beside}"
        return f"{told}; {promise.floor_edits} are needed"
    unknown = [name for name in promise.red if not _is(criteria[name], Verdict.PASS)]
    if unknown:
        return "; ".join(f"{name}: {criteria[name]['reason']}" for name in unknown)
    return ""


def _is(criterion: Mapping[str, Any] | None, verdict: Verdict) -> bool:
    return criterion is not None and criterion["verdict"] == verdict
