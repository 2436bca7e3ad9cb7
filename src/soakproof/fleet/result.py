"""What one point of a campaign came to: its run's documents, made short. Pure."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soakproof.fleet.coverage import reached
from soakproof.model import SCHEMA_VERSION, HistoryLine, Verdict, compose

__all__ = ["ABOUT_ANSWERS", "Documents", "explanation", "failed_result", "point_result"]

_OPS: Final = ("ops_total", "ok", "fail", "info")
_UNMET_CHARS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The documents of a run that was judged."""

    plan: Mapping[str, Any]
    run: Mapping[str, Any]
    metrics: Mapping[str, Any]
    verdict: Mapping[str, Any]


def point_result(
    name: str,
    spec: Mapping[str, Any],
    of: Documents,
    history: Iterable[HistoryLine],
    *,
    seconds: float,
) -> dict[str, Any]:
    """Return the result of a point whose run was judged.

    A criterion that needs a fault which the grid took out of the run is not asked there; it is
    listed as such, and other points of the grid have to answer it. A case is too small for most
    criteria: it is FAIL if any fails, and PASS only if all of it was done and met.

    Args:
        name: the point's.
        spec: its seed and what the grid set.
        of: its run's documents.
        history: its run's lines.
        seconds: how long it took.
    """
    kinds = {fault["kind"] for fault in of.plan["campaign"].get("faults", ())}
    restricted = "faults" in spec["grid"]
    unasked = {
        one["id"]
        for one in of.verdict["criteria"]
        if restricted
        and one["verdict"] == Verdict.UNKNOWN
        and not kinds >= set(one["needs_faults"])
    }
    asked = [one for one in of.verdict["criteria"] if one["id"] not in unasked]
    if spec["case"] is not None:
        unasked |= {one["id"] for one in asked if one["verdict"] == Verdict.UNKNOWN}
        asked = [one for one in asked if one["id"] not in unasked]
    first = of.metrics["answers"].get("first")
    cost = of.run["harness_cost"]
    return {
        "schema_version": SCHEMA_VERSION,
        "point": name,
        "seed": spec["seed"],
        "grid": dict(spec["grid"]),
        "case": spec["case"],
        "verdict": _verdict(spec, of, asked).value,
        "not_asked": sorted(unasked),
        "unmet": [
            {
                "criterion": one["id"],
                "verdict": one["verdict"],
                "reason": one["reason"][:_UNMET_CHARS],
                "explanation": explanation(one["id"], first),
            }
            for one in asked
            if one["verdict"] != Verdict.PASS
        ],
        "words": first["words"] if first else "",
        "replay": shlex.join(of.plan["replay_argv"]),
        "run": None,
        "attempts": 1,
        "ops": {part: of.metrics["ops"][part] for part in _OPS},
        "reached": reached(of.metrics, history),
        "machine": _machine(of.run),
        "seconds": round(seconds, 3),
        "harness_cpu_ms": round(cost["user_ms"] + cost["sys_ms"], 1),
    }


def _verdict(spec: Mapping[str, Any], of: Documents, asked: Iterable[Mapping[str, Any]]) -> Verdict:
    verdicts = [Verdict(one["verdict"]) for one in asked]
    if spec["case"] is None or Verdict.FAIL in verdicts:
        return compose(verdicts)
    metrics = of.metrics
    met = all(one["took_effect"] for one in metrics["faults"]["ledger"])
    done = metrics["run"]["state"] == "completed"
    judged = metrics["answers"].get("oracle") != "not_asked"
    return Verdict.PASS if met and done and judged else Verdict.UNKNOWN


def failed_result(
    name: str, spec: Mapping[str, Any], *, replay: Sequence[str], reason: str, attempts: int
) -> dict[str, Any]:
    """Return the result of a point that gave no verdict: UNKNOWN, and why."""
    return {
        "schema_version": SCHEMA_VERSION,
        "point": name,
        "seed": spec["seed"],
        "grid": dict(spec["grid"]),
        "case": spec["case"],
        "verdict": Verdict.UNKNOWN.value,
        "not_asked": [],
        "unmet": [
            {
                "criterion": "run_completed",
                "verdict": Verdict.UNKNOWN.value,
                "reason": reason[:_UNMET_CHARS],
                "explanation": "",
            }
        ],
        "words": "",
        "replay": shlex.join(replay),
        "run": None,
        "attempts": attempts,
        "ops": dict.fromkeys(_OPS, 0),
        "reached": {},
        "machine": None,
        "seconds": 0.0,
        "harness_cpu_ms": 0.0,
    }


def explanation(criterion: str, first: Mapping[str, Any] | None) -> str:
    """Return which sort of failure it is, in words that many failures may share.

    Args:
        criterion: what failed; a counter-example explains only what is about answers.
        first: the run's first counter-example, as the metrics tell it.
    """
    if first is None or criterion not in ABOUT_ANSWERS:
        return ""
    kinds = sorted({fault.rpartition("-")[0] for fault in first["faults"]})
    edited = "during an edit" if first["edits"] else "no edit"
    under = "+".join(kinds) or "no fault"
    return f"{first['answer']} answer of {first['kind']}, phase {first['phase']}, {under}, {edited}"


ABOUT_ANSWERS: Final = frozenset(
    f"no_{word}"
    for word in (
        "wrong_answer",
        "stale_answer",
        "missing_answer",
        "crashed_operation",
        "hung_operation",
        "broken_cache",
        "failed_operation",
    )
)
"""Criteria that a counter-example explains."""


def _machine(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a machine may change what a soak finds; no name and no path of it."""
    seen = run["environment"]
    told = {
        "python": seen["python"],
        "platform": seen["platform"],
        "cpus": seen["cpus"],
        "filesystem": seen["filesystem"],
        "sqlite": seen["sqlite"],
        "soakproof": run["harness"]["version"],
        "subject": f"{run['subject']['name']} {run['subject']['version']}",
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return {"id": digest[:12], **told}
