"""What the session log says of a run: a few lines, each a fact; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from soakproof.model import Phase, Verdict
from soakproof.report.cells import percent

__all__ = ["session_facts"]


def session_facts(
    plan: Mapping[str, Any],
    run: Mapping[str, Any],
    metrics: Mapping[str, Any],
    verdict: Mapping[str, Any],
    *,
    note: str,
    evidence: Sequence[str],
) -> tuple[str, ...]:
    """Return the facts of an entry, six of them.

    Args:
        plan: ``plan.json``.
        run: ``run.json``.
        metrics: ``metrics.json``.
        verdict: ``verdict.json``.
        note: a sentence on the work order.
        evidence: files of the record, relative to the project's root.
    """
    passed = sum(each["verdict"] == Verdict.PASS for each in verdict["criteria"])
    ops, locks = metrics["ops"], metrics["locks"]
    rates = ", ".join(
        f"{phase} hit rate {percent(metrics['cache'][phase].get('hit_rate'))}"
        for phase in Phase
        if phase in metrics["cache"]
    )
    return (
        (
            f"Verdict: {verdict['verdict']}, {passed} of {len(verdict['criteria'])} criteria of "
            f"gate `{verdict['gate']}`"
        ),
        note,
        (
            f"Ran {run['started_at_utc']} to {run['ended_at_utc']}: {ops['ops_total']} operations, "
            f"{plan['settings']['workers']['value']} workers, seed {metrics['seed']}"
        ),
        (
            f"Cache: {rates or 'not asked'}; {_told(locks['lock_wait'])} lock waits, "
            f"{_told(locks['lock_timeout'])} given up; "
            f"integrity {metrics['integrity']['integrity_check']}"
        ),
        f"Evidence: {', '.join(f'`{name}`' for name in evidence)}",
        f"Replay: `{shlex.join(plan['replay_argv'])}`",
    )


def _told(count: int | None) -> str:
    return "not told of" if count is None else str(count)
