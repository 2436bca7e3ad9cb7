"""What faults have in common that mount something over the cache folder."""

from __future__ import annotations

import contextlib
import functools
import os
import select
from pathlib import Path
from typing import Any, Final

from soakproof.faults.fault import FaultBase, Say, Site
from soakproof.faults.holder import Holder
from soakproof.faults.mounter import mounted, unmount
from soakproof.model import FaultPlan, Live

__all__ = ["Mounted", "why_not"]

_LOOK_S: Final = 0.01


def why_not(mode: str, site: Site) -> str | None:
    """Return why this machine does not permit such a mount, found by trying; once a run."""
    return _tried(mode, site.scratch)


@functools.cache
def _tried(mode: str, scratch: Path) -> str | None:
    folder = scratch / "mount-probe"
    folder.mkdir(exist_ok=True)
    holder = Holder("mounter", mode, str(folder), "64")
    try:
        while not holder.holds():
            if (why := holder.refusal()) is not None:
                return f"mounting is not permitted here: {why}"
            select.select([], [], [], _LOOK_S)
    finally:
        holder.release()
        with contextlib.suppress(OSError):
            unmount(os.path.realpath(folder))
    folder.rmdir()
    return None


class Mounted(FaultBase):
    """A mount over the cache folder, made before the operations come.

    Args:
        plan: which fault.
        site: where.
        say: the ledger.
    """

    mode = ""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._holder: Holder | None = None
        self.folder = os.path.realpath(site.cache_folder)

    def apply(self, now_ns: int) -> None:
        """Have it mounted by a process of its own."""
        if self._holder is None:
            self.site.cache_folder.mkdir(parents=True, exist_ok=True)
            free_kb = str(self.plan.params.get("free_kb", 0))
            self._holder = Holder("mounter", self.mode, self.folder, free_kb)
        elif self._holder.holds():
            self.has_fired(now_ns, self.in_place())
        elif (why := self._holder.refusal()) is not None:
            self.give_up(why)

    def in_place(self) -> dict[str, Any]:
        """It is mounted: look at it before the operations come; returns what to tell."""
        return {}

    def sure_writer(self, live: Live) -> bool:
        """Whether an operation wanted to write: an episode begins with one, while keys are new."""
        operation = live.operation
        return operation.first_ask and operation.index == self.plan.at_op

    def undo(self) -> dict[str, Any]:
        """Take it away; the folder is what it was before."""
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.release()
        unmount(self.folder)  # the process may have been killed by somebody
        return {"still_mounted": mounted(self.folder)}
