"""What faults have in common that take files away from under operations that have them open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from soakproof.faults.fault import Say, Site
from soakproof.faults.hold import Midway
from soakproof.faults.soundness import remove_unsound
from soakproof.faults.waiting import Waiter
from soakproof.model import FaultPlan, Live
from soakproof.proc import open_paths

__all__ = ["TakingAway"]

_DELETED: Final = " (deleted)"
"""What the kernel appends to the name of an open file that is no longer at its path (proc(5))."""


class TakingAway(Midway):
    """Files are taken away while an operation has them open; its descriptors are the effect."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._folder = os.path.realpath(site.cache_folder) + os.sep
        self._inside: tuple[int, list[str]] | None = None

    def take(self) -> dict[str, Any]:
        """Take them away; returns what to tell."""
        raise NotImplementedError

    def act(self, now_ns: int, waiter: Waiter | None, live: Mapping[int, Live]) -> None:
        """Take them away, look at once who still has them open, and let go."""
        inside = waiter.live.operation.op_id if waiter is not None else None
        if waiter is not None:
            self._inside = (waiter.live.pid, self._open(waiter.live.pid))
        self.has_fired(now_ns, self.take() | {"inside": inside})
        self.probe(now_ns, live)
        self.release()

    def probe(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Look for an operation with a file open that is no longer there."""
        del now_ns
        if self.effective:
            return
        for pid, one in live.items():
            gone = [name for name in self._open(pid) if name.endswith(_DELETED)]
            if gone:
                op = one.operation.op_id
                self.took_effect({"op": op, "pid": pid, "open_and_gone": gone})
                return

    def ended(self, live: Live, signal_number: int | None) -> None:
        """One that was inside and closes its files between two tries has met it all the same."""
        del signal_number
        if self._inside is not None and self._inside[0] == live.pid:
            told = {"op": live.operation.op_id, "pid": live.pid}
            self.took_effect(told | {"open_as_they_went": self._inside[1]})

    def _open(self, pid: int) -> list[str]:
        paths = (path for path in open_paths(pid) if path.startswith(self._folder))
        return sorted(path.removeprefix(self._folder) for path in paths)

    def undo(self) -> dict[str, Any]:
        """Let go; remove a database that did not survive it, as a user would."""
        told = super().undo()
        if self._fired_ns is None:
            return told
        removed = remove_unsound(self.site.files("database"))
        return told | ({"by": "harness", "removed": removed} if removed else {"by": "subject"})
