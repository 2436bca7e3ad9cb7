"""What a campaign came to: verdicts, what was reached, failures in groups. Pure.

The same results give the same summary, whoever soaked the points and in whatever order; what
depends on the machine and the hour stands apart, under ``informational``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from soakproof.fleet.tally import Results
from soakproof.model import EXIT_CODES, SCHEMA_VERSION, Verdict, compose

__all__ = ["summarise"]

_NAMED_POINTS: Final = 20
"""How many points of a group are named; all are counted."""


def summarise(
    spec: Mapping[str, Any],
    results: Results,
    reachable: Mapping[str, frozenset[str]],
    *,
    state: str,
    elapsed_s: float | None,
    cases: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return ``summary.json``.

    Args:
        spec: the campaign's ``campaign.json``.
        results: of the points that are done.
        reachable: fault selection of the grid (empty without one) → what it could reach.
        state: ``completed`` or ``interrupted``.
        elapsed_s: how long this attempt took; ``None``: it soaked nothing.
        cases: of the seed base: ``path``, and ``run_id`` and ``criterion`` of the failure that each
            was made from.
    """
    ordered = sorted(results.values(), key=lambda one: (one["seed"], one["point"]))
    counts = Counter(one["verdict"] for one in ordered)
    covered: Counter[str] = Counter()
    for one in ordered:
        covered.update(one["reached"])
    wanted = frozenset[str]().union(*reachable.values())
    never = sorted(name for name in wanted if not covered[name])
    planned = spec["points"] + len(cases)
    known = {(one["run_id"], one["criterion"]): one["path"] for one in cases}
    criteria = _judged(counts, planned=planned, done=len(ordered), never=never)
    verdict = compose(Verdict(one["verdict"]) for one in criteria)
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": dict(spec),
        "state": state,
        "points": {"planned": planned, "done": len(ordered), "cases": len(cases)},
        "verdicts": {one.value: counts[one] for one in Verdict},
        "by_grid": _by_grid(spec["grid"], ordered),
        "verdict": verdict.value,
        "exit_code": EXIT_CODES[verdict],
        "criteria": criteria,
        "coverage": {"reached": dict(sorted(covered.items())), "never": never},
        "failures": _groups(ordered, Verdict.FAIL, known),
        "unknowns": _groups(ordered, Verdict.UNKNOWN, known),
        "not_asked": dict(sorted(Counter(x for one in ordered for x in one["not_asked"]).items())),
        "machines": _machines(ordered),
        "ops": {
            part: sum(one["ops"][part] for one in ordered)
            for part in ("ops_total", "ok", "fail", "info")
        },
        "informational": _informational(ordered, elapsed_s),
    }


def _by_grid(
    grid: Mapping[str, Sequence[str]], ordered: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, dict[str, int]]]:
    """Return the verdicts of the points of each value, also of those that no point has yet."""
    counts = Counter(
        (name, value, one["verdict"]) for one in ordered for name, value in one["grid"].items()
    )
    return {
        name: {value: {one.value: counts[name, value, one] for one in Verdict} for value in values}
        for name, values in sorted(grid.items())
    }


def _judged(
    counts: Mapping[str, int], *, planned: int, done: int, never: Sequence[str]
) -> list[dict[str, Any]]:
    """Judge the campaign: its gate, in the order in which people ask."""
    fails, unknowns = counts.get("FAIL", 0), counts.get("UNKNOWN", 0)
    unseen = ", ".join(never)
    return [
        _criterion("no_point_failed", fails, "points are FAIL", Verdict.FAIL),
        _criterion("every_point_has_a_verdict", unknowns, "points are UNKNOWN", Verdict.UNKNOWN),
        _criterion("all_points_done", planned - done, "points are not done", Verdict.UNKNOWN),
        _criterion("all_reached", len(never), f"never reached: {unseen}", Verdict.UNKNOWN),
    ]


def _criterion(name: str, observed: int, words: str, otherwise: Verdict) -> dict[str, Any]:
    return {
        "id": name,
        "observed": observed,
        "limit": 0,
        "verdict": (otherwise if observed else Verdict.PASS).value,
        "reason": f"{observed} {words}" if observed else "",
    }


def _groups(
    ordered: Sequence[Mapping[str, Any]],
    verdict: Verdict,
    cases: Mapping[tuple[str, str], str],
) -> list[dict[str, Any]]:
    """Return what was not met, by criterion and explanation, the most frequent first."""
    groups: dict[tuple[str, str], list[tuple[Mapping[str, Any], str]]] = {}
    for one in ordered:
        for unmet in one["unmet"]:
            if unmet["verdict"] == verdict:
                where = (unmet["criterion"], unmet["explanation"])
                groups.setdefault(where, []).append((one, unmet["reason"]))
    told = [
        {
            "criterion": criterion,
            "explanation": sort,
            "count": len(found),
            "reason": found[0][1],
            "words": found[0][0]["words"] if sort else "",
            "points": [one["point"] for one, _ in found[:_NAMED_POINTS]],
            "replay": found[0][0]["replay"],
            "run": next((one["run"] for one, _ in found if one["run"]), None),
            "case": next(
                (
                    case
                    for one, _ in found
                    if (case := one["case"] or cases.get((one["run"] or "", criterion)))
                ),
                None,
            ),
        }
        for (criterion, sort), found in groups.items()
    ]
    return sorted(told, key=lambda group: (-group["count"], group["criterion"]))


def _machines(ordered: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    seen: dict[str, dict[str, Any]] = {}
    for one in ordered:
        if one["machine"] is not None:
            machine = seen.setdefault(one["machine"]["id"], {**one["machine"], "points": 0})
            machine["points"] += 1
    return [seen[name] for name in sorted(seen)]


def _informational(ordered: Sequence[Mapping[str, Any]], elapsed_s: float | None) -> dict[str, Any]:
    seconds = sum(one["seconds"] for one in ordered)
    ops = sum(one["ops"]["ops_total"] for one in ordered)
    cpu_ms = sum(one["harness_cpu_ms"] for one in ordered)
    return {
        "soaked_s": round(seconds, 1),
        "elapsed_s": None if elapsed_s is None else round(elapsed_s, 1),
        "ops_s_per_soak": round(ops / seconds, 2) if seconds else None,
        "harness_cpu_ms_per_op": round(cpu_ms / ops, 3) if ops else None,
        "attempts_repeated": sum(one["attempts"] - 1 for one in ordered),
    }
