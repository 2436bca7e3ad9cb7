"""What the runs of a campaign reached, and what they could have. Pure.

A thing reached has a name of words with slashes: ``fault/kill/took_effect``, ``mode/kill/wal``,
``edit/rewrite``, ``wait/file_lock`` (a lock wait that the subject told), ``overlap/lock_hold`` (one
that overlapped a fault).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from soakproof.model import HistoryLine

__all__ = ["reachable", "reached"]

_STEPS: Final = ("fired", "took_effect", "healed")
_LOCKING: Final = frozenset({"lock_hold", "db_exclusive"})
"""Faults that hold what the subject waits for: a wait that overlaps them is to be told."""


def reachable(campaign: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of all that a campaign's faults and edits could reach."""
    names = set()
    for fault in campaign.get("faults", ()):
        kind = fault["kind"]
        names |= {f"fault/{kind}/{step}" for step in _STEPS}
        names |= {f"mode/{kind}/{mode}" for mode in fault.get("modes", ())}
        if kind in _LOCKING:
            names.add(f"overlap/{kind}")
    edits = campaign.get("episodes", {}).get("edits", ())
    return frozenset(names | {f"edit/{kind}" for kind in edits})


def reached(metrics: Mapping[str, Any], history: Iterable[HistoryLine]) -> dict[str, int]:
    """Return name → how often, of one run.

    Args:
        metrics: its metrics.
        history: its lines; the modes of faults and the edits stand there.
    """
    counts: Counter[str] = Counter()
    faults = metrics["faults"]
    for kind, steps in faults["by_kind"].items():
        counts.update({f"fault/{kind}/{step}": steps[step] for step in (*_STEPS, "skipped")})
    for one in faults["ledger"]:
        waits = one["observation"].get("overlapping_lock_waits", ())
        counts[f"overlap/{one['kind']}"] += len(waits)
    counts.update({f"wait/{cause}": n for cause, n in _causes(metrics).items()})
    effective = {one["fault"] for one in faults["ledger"] if one["took_effect"]}
    edits: dict[str, str] = {}
    for line in history:
        if line.type == "fault" and line.event == "fired" and line.fault in effective:
            mode = (line.detail or {}).get("mode")
            counts[f"mode/{line.kind}/{mode}"] += mode is not None
        elif line.type == "edit" and line.event == "end" and line.edit and line.kind:
            edits[line.edit] = line.kind
    counts.update(f"edit/{kind}" for kind in edits.values())
    return {name: count for name, count in sorted(counts.items()) if count}


def _causes(metrics: Mapping[str, Any]) -> Mapping[str, int]:
    """Return cause → lock waits that were told; none of a target that tells nothing."""
    causes: Mapping[str, int] = (metrics.get("locks") or {}).get("by_cause") or {}
    return causes
