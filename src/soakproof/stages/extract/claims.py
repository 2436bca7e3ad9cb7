"""The counts of what a subject tells of itself, as the metrics name them."""

from __future__ import annotations

from typing import Final

__all__ = ["CLAIMS"]

CLAIMS: Final = (
    "files",
    "events",
    "unreadable_lines",
    "orphan_events",
    "ops_without_events",
    "lost_events",
    "duplicate_events",
    "foreign_run_events",
    "ops_checked",
    "degraded",
    "recovered",
    "contradictions",
)
"""Not known, or none, where a subject tells nothing."""
