"""Faults that took effect when an operation opened a file: seen in the kernel's notices.

Only operations of the episode run, and the harness itself opens no file of the cache while they do,
so an opening is one of theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from soakproof.faults.fault import FaultBase, Say, Site
from soakproof.model import FaultPlan, Live
from soakproof.notices import Notices

__all__ = ["OpeningFault"]


class OpeningFault(FaultBase):
    """A fault that took effect when an operation opened one of the files that it changed."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._openings: Notices | None = None

    def watch(self, names: Collection[str]) -> None:
        """Look for openings of some files from now on."""
        self._openings = Notices(self.site.cache_folder, names)

    def probe(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Look whether one was opened."""
        del now_ns
        if self._openings is not None and (opened := self._openings.seen()):
            ops = sorted(one.operation.op_id for one in live.values())
            self.took_effect({"opened": opened, "ops_under_way": ops, **self.evidence()})

    def ended(self, live: Live, signal_number: int | None) -> None:
        """Look once more: it may have come and gone between two ticks."""
        del signal_number
        self.probe(0, {live.pid: live})

    def evidence(self) -> dict[str, Any]:
        """What else is told of the effect."""
        return {}

    def undo(self) -> dict[str, Any]:
        """Look no longer."""
        if self._openings is not None:
            self._openings.close()
        return {}
