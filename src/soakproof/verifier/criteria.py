"""Judge the criteria of a gate again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["EXIT_CODES", "judge"]

EXIT_CODES: Final[Mapping[str, int]] = {"PASS": 0, "FAIL": 10, "UNKNOWN": 11}

_ABSENT: Final = object()


def judge(gate: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every criterion's row, the one on the run's end first."""
    return [_completed(metrics), *(_row(one, metrics) for one in gate["criteria"])]


def _completed(metrics: Mapping[str, Any]) -> dict[str, Any]:
    state = metrics["run"]["state"]
    whole = state == "completed"
    return {
        "id": "run_completed",
        "rule": "run.state == 'completed'",
        "observed": state,
        "limit": "completed",
        "samples": metrics["ops"]["ops_total"],
        "floor": 0,
        "needs_faults": [],
        "verdict": "PASS" if whole else "UNKNOWN",
        "reason": "" if whole else f"the run is {state}: what it would have shown is not known",
        "why": "A run that was stopped half-way is no evidence of what it did not reach.",
    }


def _row(asked: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    observed, limit, words = _at(metrics, asked["metric"]), asked["limit"], repr(asked["limit"])
    if isinstance(limit, dict):
        path = limit["metric"]
        limit = _at(metrics, path)
        words = f"{path} ({'not measured' if limit is None else repr(limit)})"
    samples = _at(metrics, asked["samples"])
    samples = samples if type(samples) is int else None
    verdict, reason = _verdict(asked, metrics, observed, limit, samples)
    if verdict == "FAIL":
        verdict = asked.get("otherwise", verdict)
    return {
        "id": asked["id"],
        "rule": f"{asked['metric']} {asked['op']} {words}",
        "observed": observed,
        "limit": limit,
        "samples": samples,
        "floor": asked["floor"],
        "needs_faults": asked.get("needs_faults", []),
        "verdict": verdict,
        "reason": reason,
        "why": asked["why"],
    }


def _verdict(
    asked: Mapping[str, Any],
    metrics: Mapping[str, Any],
    observed: Any,
    limit: Any,
    samples: int | None,
) -> tuple[str, str]:
    if observed is None:
        return "UNKNOWN", _unmeasured(asked["metric"], metrics)
    if limit is None:
        return "UNKNOWN", f"the limit {asked['limit']['metric']} was not measured"
    holds = _compare(observed, asked["op"], limit)
    if holds is None:
        return "UNKNOWN", f"{observed!r} and {limit!r} cannot be compared"
    lacking = _lacking(asked, metrics, samples)
    # More may still come: of an unfinished run, or where too little was seen.
    growing = asked["op"] in {">", ">="}
    unfinished = growing and metrics["run"]["state"] != "completed"
    if not holds and not unfinished and not (growing and lacking):
        return "FAIL", f"observed {observed!r}, limit {asked['op']} {limit!r}"
    if lacking:
        return "UNKNOWN", lacking
    if not holds:
        return "UNKNOWN", f"observed {observed!r} so far: the run was not finished"
    return "PASS", ""


_SILENT: Final = ": the target has no telemetry"
_ITS_OWN: Final = ("cache.", "locks.", "telemetry.")


def _unmeasured(path: str, metrics: Mapping[str, Any]) -> str:
    silent = path.startswith(_ITS_OWN) and _at(metrics, "telemetry.events") is None
    return f"{path} was not measured{_SILENT if silent else ''}"


def _lacking(asked: Mapping[str, Any], metrics: Mapping[str, Any], samples: int | None) -> str:
    why = _unmeasured(asked["samples"], metrics)
    if samples is None and why.endswith(_SILENT):
        return why
    if samples is None or samples < asked["floor"]:
        found = "none" if samples is None else samples
        return f"{asked['samples']}: {found}, needed at least {asked['floor']}"
    for kind in asked.get("needs_faults", []):
        seen = _at(metrics, f"faults.by_kind.{kind}.took_effect")
        if type(seen) is not int or seen < 1:
            return f"no fault {kind} took effect"
    return ""


def _compare(observed: Any, op: str, limit: Any) -> bool | None:
    numeric = all(type(value) in {int, float} for value in (observed, limit))
    if not numeric and (op not in {"==", "!="} or type(observed) is not type(limit)):
        return None
    match op:
        case "==":
            return bool(observed == limit)
        case "!=":
            return bool(observed != limit)
        case "<":
            return bool(observed < limit)
        case "<=":
            return bool(observed <= limit)
        case ">":
            return bool(observed > limit)
        case _:
            return bool(observed >= limit)


def _at(metrics: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path; what is absent and what is null are both ``None``."""
    value: Any = metrics
    for part in path.split("."):
        value = value.get(part, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        if value is _ABSENT:
            return None
    return value
