"""What the points of the scans mean together. Pure: results in, rows and a verdict out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from soakproof.deep.calibration import Row
from soakproof.deep.scans import PointResult
from soakproof.model import Verdict, compose

__all__ = ["KINDS", "Batch", "failing", "scan_row", "skipped_row", "whole_verdict"]

KINDS: Final = (
    "wrong",
    "crashed",
    "refused",
    "hung",
    "unreadable",
    "leftover",
    "unsteady",
)
"""What must not be found at any point."""

_SHOWN: Final = 40
"""So many failing points of a row are told one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The points of one row, and how many there were to choose from.

    Args:
        scan: ``kill``, ``error``, ``short``, ``stop`` or ``crash``.
        situation: where the scan began, or the model of the crash.
        points: how many points there are.
        states: how many states they stand for (the same state is opened once).
        chosen: how many of them were to be run.
        whole: all points were asked for; a single one that is replayed is no cut.
    """

    scan: str
    situation: str
    points: int
    states: int
    chosen: int
    whole: bool = True


def scan_row(
    batch: Batch, results: Sequence[PointResult], beyond: Sequence[PointResult] = ()
) -> dict[str, Any]:
    """Return the row of a scan.

    Args:
        batch: which.
        results: of its points.
        beyond: of the points behind the last call, at which nothing may happen.
    """
    found = Counter(one.kind for result in results for one in result.found)
    missed = sum(not result.reached for result in results)
    reason = ""
    verdict = Verdict.PASS
    if batch.whole and batch.chosen < batch.points:
        reason = f"{batch.points - batch.chosen} of {batch.points} points cut off by the bound"
    elif missed:
        reason = f"{missed} points were not reached: the operation is not the same each time"
    elif any(result.reached for result in beyond):
        reason = "there are more points: the operation made more calls than without a fault"
    elif not results:
        reason = "there is no point: nothing like this can happen to the operation"
    if reason:
        verdict = Verdict.UNKNOWN
    if found or any(result.found for result in beyond):
        verdict = Verdict.FAIL
    return {
        **_head(batch.scan, batch.situation),
        "points": batch.points,
        "states": batch.states,
        "run": len(results),
        "not_reached": missed,
        "found": {kind: found.get(kind, 0) for kind in KINDS},
        "verdict": str(verdict),
        "reason": reason,
    }


def skipped_row(scan: str, situation: str, reason: str) -> dict[str, Any]:
    """Return the row of a scan that could not be done: UNKNOWN, with the reason."""
    return {
        **_head(scan, situation),
        "points": 0,
        "states": 0,
        "run": 0,
        "not_reached": 0,
        "found": dict.fromkeys(KINDS, 0),
        "verdict": str(Verdict.UNKNOWN),
        "reason": reason,
    }


def failing(
    scan: str, situation: str, results: Sequence[PointResult], replay: str
) -> list[dict[str, Any]]:
    """Return the points at which something was found, each with the command that repeats it."""
    bad = [result for result in results if result.found][:_SHOWN]
    return [
        {
            "scan": scan,
            "situation": situation,
            "point": result.number,
            "told": result.told,
            "outcome": result.outcome,
            "found": [asdict(one) for one in result.found],
            "replay": f"{replay} --scan {scan} --point {result.number}",
        }
        for result in bad
    ]


def whole_verdict(
    rows: Sequence[dict[str, Any]], calibration: Sequence[Row] | None
) -> tuple[Verdict, str]:
    """Return the verdict of all, and why it is not PASS.

    Args:
        rows: of all scans.
        calibration: ``None``: it was not asked for. One that disagrees makes all UNKNOWN: what is
            seen through a crooked glass proves nothing, in either direction.
    """
    if calibration is not None and not all(row.agrees for row in calibration):
        return Verdict.UNKNOWN, "the calibration disagrees with SQLite's documentation"
    verdicts = [Verdict(row["verdict"]) for row in rows]
    if calibration:
        verdicts.append(Verdict.PASS)
    verdict = compose(verdicts)
    first = next((row for row in rows if row["verdict"] == verdict), None)
    if verdict is Verdict.PASS or first is None:
        return verdict, "" if verdict is Verdict.PASS else "nothing was run"
    reason = first["reason"] if verdict is Verdict.UNKNOWN else "see the failing points"
    return verdict, f"{first['scan']}, {first['situation']}: {reason}"


def _head(scan: str, situation: str) -> dict[str, Any]:
    return {"scan": scan, "situation": situation}
