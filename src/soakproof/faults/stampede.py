"""Fault ``stampede``: no database, and all operations at once: who makes it?

The files are removed while no operation runs, and the episode's operations are started together.
The effect is that at least two of them were under way while there was still no database.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.faults.fault import FaultBase, FaultKind, Say, Site
from soakproof.faults.soundness import remove
from soakproof.model import FaultPlan, Live

__all__ = ["KIND", "Stampede", "draw"]

_AT_LEAST: Final = 2


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return nothing: there is nothing to choose."""
    del params, dice
    return {}


class Stampede(FaultBase):
    """One cold start of many."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._without: dict[int, str] = {}

    def apply(self, now_ns: int) -> None:
        """Remove all files of the cache."""
        self.has_fired(now_ns, {"removed": remove(self.site.files())})

    def started(self, live: Live) -> None:
        """Count those under way on no database."""
        if self.effective or self._kept():
            return
        self._without[live.pid] = live.operation.op_id
        if len(self._without) >= _AT_LEAST:
            self.took_effect({"ops_on_no_database": sorted(self._without.values())})

    def _kept(self) -> list[Path]:
        """Return what is there to be found: databases, else entries, else any file."""
        roles = {rule["role"] for rule in self.site.roles}
        for role in ("database", "entries"):
            if role in roles:
                return self.site.files(role)
        return self.site.files()

    def ended(self, live: Live, signal_number: int | None) -> None:
        """No longer under way."""
        del signal_number
        self._without.pop(live.pid, None)


KIND: Final = FaultKind(
    name="stampede",
    about="the cache's files are removed and several operations start on nothing at once",
    draw=draw,
    make=Stampede,
)
