"""When a run may close a work order, and what it then says.

Pure: documents in, a decision out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from soakproof.model import Verdict

__all__ = ["Closing", "doubt", "refusal", "verified_commit"]

_FILES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What is written when a run closes a work order.

    Args:
        work_order: the work order's id.
        campaign: the campaign whose PASS closes it.
        run_id: the run that verified it.
        commit: commit of the distributions that ran, 40 hex digits.
        dirty: closed on request although that commit does not say all of what ran.
        closed_at: when, UTC, as ``2026-01-31T12:00:00Z``.
        evidence: files of the record, relative to the project's root.
        manifest_sha256: SHA-256 of the evidence bundle's manifest.
    """

    work_order: str
    campaign: str
    run_id: str
    commit: str
    dirty: bool
    closed_at: str
    evidence: tuple[str, ...]
    manifest_sha256: str | None = None


def refusal(
    run: Mapping[str, Any], verdict: Mapping[str, Any], *, allow_dirty: bool = False
) -> str:
    """Return why this run closes nothing, in words; empty: it does.

    Args:
        run: ``run.json``.
        verdict: ``verdict.json``.
        allow_dirty: close it although what ran is not a clean commit.
    """
    if verdict["verdict"] != Verdict.PASS:
        return f"the verdict is {verdict['verdict']}, and only a PASS closes a work order"
    if run["state"] != "completed":
        return f"the run was {run['state']}, and only a completed one closes a work order"
    why = doubt(run)
    if not why:
        return ""
    if not allow_dirty:
        return f"{why}; commit, build and run again, or record with --allow-dirty"
    if run["checkout"]["commit"] is None:
        return "the checkout has no commit to name (no git, or no repository)"
    return ""


def verified_commit(run: Mapping[str, Any]) -> tuple[str, bool]:
    """Return (the commit to name, whether it does not say all of what ran).

    Only meaningful for a run that :func:`refusal` lets pass.
    """
    dirty = bool(doubt(run))
    return (run["checkout"] if dirty else run["subject"])["commit"], dirty


def doubt(run: Mapping[str, Any]) -> str:
    """Return why no clean commit can be named for what ran, or nothing."""
    for part in ("subject", "harness"):
        package = run[part]
        if package["commit"] is None:
            files = package["differs"]
            what = f"differs from HEAD in {_listed(files)}" if files else "is of no known commit"
            return f"the installed {package['name']} {what}"
    subject, harness, checkout = run["subject"], run["harness"], run["checkout"]
    if subject["commit"] != harness["commit"]:
        return (
            f"{subject['name']} is of commit {subject['commit']}, "
            f"{harness['name']} of {harness['commit']}"
        )
    if checkout["dirty"] is not False:
        files = checkout["dirty_files"]
        return f"the checkout is dirty: {_listed(files)}" if files else "the checkout is unknown"
    return ""


def _listed(files: list[str]) -> str:
    more = len(files) - _FILES_SHOWN
    return ", ".join(files[:_FILES_SHOWN]) + (f" and {more} more" if more > 0 else "")
