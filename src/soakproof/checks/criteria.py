"""The gate: criteria over metrics, three-valued, deterministic.

PASS needs evidence: enough samples, the faults that must have taken effect, a run that was
finished. Below that a criterion is UNKNOWN, never green; and every criterion is judged and listed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from soakproof.model import CriterionResult, Verdict

__all__ = ["MISSING", "judge", "judge_all", "lookup"]

MISSING: Final = object()
"""What :func:`lookup` gives where there is nothing."""

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}

_TOLD: Final = frozenset({"cache", "locks", "telemetry"})
"""Groups that only the subject itself can tell."""

_AT_LEAST: Final = frozenset({">=", ">"})
"""An unfinished run can only have seen too little of these: not enough is UNKNOWN, not FAIL."""


def lookup(metrics: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a dotted path, or :data:`MISSING`."""
    value: Any = metrics
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def judge_all(gate: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[CriterionResult]:
    """Judge every criterion of a gate, in its order, after whether the run was finished at all.

    Args:
        gate: a validated gate document.
        metrics: a validated metrics document.
    """
    return [_finished(metrics), *(judge(criterion, metrics) for criterion in gate["criteria"])]


def judge(criterion: Mapping[str, Any], metrics: Mapping[str, Any]) -> CriterionResult:
    """Judge one criterion; what cannot be compared is UNKNOWN, with the reason."""
    observed = lookup(metrics, criterion["metric"])
    limit, limit_words = _limit(criterion["limit"], metrics)
    samples = lookup(metrics, criterion["samples"])
    samples = samples if _is_count(samples) else None
    needs = tuple(criterion.get("needs_faults", ()))
    verdict, reason = _verdict(criterion, metrics, observed=observed, limit=limit, samples=samples)
    if verdict is Verdict.FAIL:  # where the evidence itself is in question, nobody knows
        verdict = Verdict(criterion.get("otherwise", Verdict.FAIL))
    return CriterionResult(
        criterion=criterion["id"],
        rule=f"{criterion['metric']} {criterion['op']} {limit_words}",
        observed=None if observed is MISSING else observed,
        limit=None if limit is MISSING else limit,
        samples=samples,
        floor=criterion["floor"],
        needs_faults=needs,
        verdict=verdict,
        reason=reason,
        why=criterion["why"],
    )


def _verdict(
    criterion: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    observed: Any,  # noqa: ANN401 - any JSON value
    limit: Any,  # noqa: ANN401 - any JSON value
    samples: int | None,
) -> tuple[Verdict, str]:
    if observed is MISSING or observed is None:
        return Verdict.UNKNOWN, _not_measured(criterion["metric"], metrics)
    if limit is MISSING or limit is None:
        return Verdict.UNKNOWN, f"the limit {criterion['limit']['metric']} was not measured"
    if not _comparable(observed, limit, criterion["op"]):
        return Verdict.UNKNOWN, f"{observed!r} and {limit!r} cannot be compared"
    holds = _COMPARE[criterion["op"]](observed, limit)
    unfinished = lookup(metrics, "run.state") != "completed"
    if not holds and not (unfinished and criterion["op"] in _AT_LEAST):
        # A thing that was seen to be wrong is wrong, however little else was seen.
        lacks = _lack(criterion, metrics, samples)
        if lacks and criterion["op"] in _AT_LEAST:
            return Verdict.UNKNOWN, lacks
        return Verdict.FAIL, f"observed {observed!r}, limit {criterion['op']} {limit!r}"
    lacks = _lack(criterion, metrics, samples)
    if lacks:
        return Verdict.UNKNOWN, lacks
    if not holds:
        return Verdict.UNKNOWN, f"observed {observed!r} so far: the run was not finished"
    return Verdict.PASS, ""


def _not_measured(path: str, metrics: Mapping[str, Any]) -> str:
    """Return why there is no value, in words."""
    why = ": the target has no telemetry" if _is_untold(path, metrics) else ""
    return f"{path} was not measured{why}"


def _is_untold(path: str, metrics: Mapping[str, Any]) -> bool:
    """Whether only the subject could tell, and it has no telemetry."""
    return path.partition(".")[0] in _TOLD and lookup(metrics, "telemetry.events") is None


def _lack(criterion: Mapping[str, Any], metrics: Mapping[str, Any], samples: int | None) -> str:
    """Return what evidence is missing, in words, or nothing."""
    if samples is None and _is_untold(criterion["samples"], metrics):
        return _not_measured(criterion["samples"], metrics)
    if samples is None or samples < criterion["floor"]:
        found = "none" if samples is None else str(samples)
        return f"{criterion['samples']}: {found}, needed at least {criterion['floor']}"
    for kind in criterion.get("needs_faults", ()):
        took_effect = lookup(metrics, f"faults.by_kind.{kind}.took_effect")
        if not _is_count(took_effect) or took_effect < 1:
            return f"no fault {kind} took effect"
    return ""


def _finished(metrics: Mapping[str, Any]) -> CriterionResult:
    state = lookup(metrics, "run.state")
    total = lookup(metrics, "ops.ops_total")
    finished = state == "completed"
    return CriterionResult(
        criterion="run_completed",
        rule="run.state == 'completed'",
        observed=None if state is MISSING else state,
        limit="completed",
        samples=total if _is_count(total) else None,
        floor=0,
        needs_faults=(),
        verdict=Verdict.PASS if finished else Verdict.UNKNOWN,
        reason="" if finished else f"the run is {state}: what it would have shown is not known",
        why="A run that was stopped half-way is no evidence of what it did not reach.",
    )


def _limit(limit: Any, metrics: Mapping[str, Any]) -> tuple[Any, str]:  # noqa: ANN401 - any JSON value
    if isinstance(limit, Mapping):
        value = lookup(metrics, limit["metric"])
        shown = "not measured" if value is MISSING or value is None else repr(value)
        return value, f"{limit['metric']} ({shown})"
    return limit, repr(limit)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _comparable(observed: object, limit: object, op: str) -> bool:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (observed, limit))
    return numbers or (op in {"==", "!="} and type(observed) is type(limit))
