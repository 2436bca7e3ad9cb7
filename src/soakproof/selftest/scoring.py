"""Was a planted defect caught, and for its reason? Pure: documents in, a score out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from soakproof.model import Verdict
from soakproof.selftest.panel import Defect

__all__ = ["Score", "Seen", "score", "skip"]

_ANSWERS: Final = frozenset(
    f"no_{what}" for what in ("stale_answer", "wrong_answer", "missing_answer", "crashed_operation")
)
"""Criteria that have a first counter-example: an operation, which must be a planted one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the soak of a defect left.

    Args:
        verdict: its ``verdict.json``; ``None``: it has none.
        metrics: its ``metrics.json``; ``None``: it has none.
        planted: numbers of the operations that got the defect, as the wrapper noted them.
        seconds: how long it took.
        problem: why there is no verdict.
    """

    verdict: Mapping[str, Any] | None
    metrics: Mapping[str, Any] | None
    planted: Sequence[int]
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the table.

    Args:
        name: of the defect.
        family: where it was planted.
        about: what is wrong, in one line.
        expects: criteria of which one must be FAIL; none: a control.
        beside: criteria that may be.
        caught: whether the verdict was what it has to be, for its reason.
        skipped: whether it was not planted, because the target lacks what it needs.
        lacking: criteria that the gate does not have, so that it could not be caught.
        verdict: of the soak; ``None``: it has none.
        seen: criteria that are FAIL.
        why: what was observed, or why it was missed or skipped.
        ops: operations of the soak.
        planted: how many of them got the defect; ``None``: it is in the cache, and in all.
        ops_until_caught: operations until the first one that shows it.
        seconds: how long the soak took.
    """

    name: str
    family: str
    about: str
    expects: list[str]
    beside: list[str]
    caught: bool
    skipped: bool
    lacking: list[str]
    verdict: str | None
    seen: list[str]
    why: str
    ops: int | None
    planted: int | None
    ops_until_caught: int | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)


def score(defect: Defect, seen: Seen) -> Score:
    """Compare what a defect must show with what it showed."""
    criteria = {} if seen.verdict is None else {one["id"]: one for one in seen.verdict["criteria"]}
    red = [name for name, one in criteria.items() if one["verdict"] == Verdict.FAIL]
    problem = _problem(defect, seen, criteria, red)
    first = _first(seen)
    until = min(seen.planted) + 1 if seen.planted else first
    total = None if seen.metrics is None else seen.metrics["ops"]["ops_total"]
    caught = not problem
    return Score(
        name=defect.name,
        family=defect.family.value,
        about=defect.about,
        expects=list(defect.expects),
        beside=list(defect.beside),
        caught=caught,
        skipped=False,
        lacking=_lacking(defect, criteria),
        verdict=None if seen.verdict is None else seen.verdict["verdict"],
        seen=red,
        why=problem or _observed(defect, criteria),
        ops=total,
        planted=len(seen.planted) if defect.family == "wrapper" else None,
        ops_until_caught=(until or total) if caught and not defect.control else None,
        seconds=round(seen.seconds, 1),
    )


def skip(defect: Defect, why: str) -> Score:
    """Return the row of a defect that was not planted: neither caught nor missed."""
    return Score(
        name=defect.name,
        family=defect.family.value,
        about=defect.about,
        expects=list(defect.expects),
        beside=list(defect.beside),
        caught=False,
        skipped=True,
        lacking=[],
        verdict=None,
        seen=[],
        why=why,
        ops=None,
        planted=0,
        ops_until_caught=None,
        seconds=0.0,
    )


def _lacking(defect: Defect, criteria: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what the gate needs to catch it; nothing where it has one of the criteria."""
    if not criteria or set(defect.expects) & criteria.keys():
        return []
    return list(defect.expects)


def _problem(
    defect: Defect, seen: Seen, criteria: Mapping[str, Mapping[str, Any]], red: Sequence[str]
) -> str:
    """Return why it was not caught, or nothing."""
    if seen.verdict is None:
        return f"no verdict: {seen.problem}"
    if defect.control:
        bad = [one for one in criteria.values() if one["verdict"] != Verdict.PASS]
        return "; ".join(f"{one['id']} is {one['verdict']}: {one['reason']}" for one in bad)
    if _lacking(defect, criteria):
        return f"the gate has no criterion {' or '.join(defect.expects)}"
    if defect.family == "wrapper" and not seen.planted:
        return "it never came to it: no call got the defect"
    extra = [name for name in red if name not in {*defect.expects, *defect.beside}]
    if not set(defect.expects) & set(red):
        unmet = "; ".join(_reason(criteria[name]) for name in defect.expects if name in criteria)
        return f"wrong reason: {', '.join(red)}" if extra else f"missed: {unmet}"
    if extra:
        return f"wrong reason beside: {', '.join(extra)}"
    return _stranger(seen, red)


def _stranger(seen: Seen, red: Sequence[str]) -> str:
    """Say so if the first counter-example is an operation that did not get the defect."""
    first = _first(seen)
    if first is None or not seen.planted or not _ANSWERS & set(red):
        return ""
    if first - 1 in seen.planted:
        return ""
    return f"wrong reason: the first counter-example, operation {first - 1}, did not get the defect"


def _first(seen: Seen) -> int | None:
    """Return how many operations there were up to the first counter-example."""
    told = ((seen.metrics or {}).get("answers") or {}).get("first")
    return int(told["op"].rpartition("-")[2]) + 1 if told else None


def _observed(defect: Defect, criteria: Mapping[str, Mapping[str, Any]]) -> str:
    fails = [
        criteria[name]
        for name in defect.expects
        if name in criteria and criteria[name]["verdict"] == Verdict.FAIL
    ]
    return "; ".join(f"{one['id']}: {one['reason']}" for one in fails)


def _reason(criterion: Mapping[str, Any]) -> str:
    reason = criterion["reason"] or f"observed {criterion['observed']!r}"
    return f"{criterion['id']} is {criterion['verdict']}, {reason}"
