"""Fault ``disk_full``: there is room for a few kilobytes in the cache folder and no more.

A small file system with a copy of the files is mounted over the folder: a real full disk. A limit
on the size of a process's files would be another fault, and would hit its children and its output.
Afterwards the folder is what it was before: full, then freed. Needs the right to mount.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Mapping
from typing import Any, Final

from soakproof.dice import uniform_int
from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.mounting import Mounted, why_not
from soakproof.model import FaultPlan, Live

__all__ = ["KIND", "DiskFull", "draw"]

_KB: Final = 1024
_PAGE_KB: Final = 4
"""With less room than a page nothing can be written any more."""


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return how much room there is."""
    return {"free_kb": uniform_int(dice, *params["free_kb"])}


class DiskFull(Mounted):
    """One episode of it."""

    mode = "small"

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._before: dict[str, tuple[int, int]] = {}

    def in_place(self) -> dict[str, Any]:
        """Note what the databases look like."""
        self._before = self._databases()
        return {"free_kb": self._free_kb()}

    def probe(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """An operation that is under way without room for a page has met it."""
        del now_ns
        free_kb = self._free_kb()
        if live and free_kb < _PAGE_KB:
            ops = sorted(one.operation.op_id for one in live.values())
            self.took_effect({"free_kb": free_kb, "ops_under_way": ops})

    def ended(self, live: Live, signal_number: int | None) -> None:
        """So has one that was sure to write, and whose write did not come to the disk."""
        del signal_number
        if self.sure_writer(live) and self._databases() == self._before:
            told = {"free_kb": self._free_kb(), "op": live.operation.op_id, "pid": live.pid}
            self.took_effect(told | {"databases": "as they were before its write"})

    def _free_kb(self) -> int:
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize // _KB

    def _databases(self) -> dict[str, tuple[int, int]]:
        # An empty log is none: SQLite makes one to find out that it cannot write.
        states = {path.name: path.stat() for path in self.site.files("database", "wal")}
        sized = {name: state for name, state in states.items() if state.st_size}
        return {name: (state.st_size, state.st_mtime_ns) for name, state in sized.items()}


KIND: Final = FaultKind(
    name="disk_full",
    about="a small file system with a few free kilobytes lies over the cache folder",
    draw=draw,
    make=DiskFull,
    unavailable=functools.partial(why_not, "small"),
    waits_for_writer=True,
)
