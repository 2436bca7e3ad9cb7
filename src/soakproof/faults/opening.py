"""See in the kernel's notices (inotify(7)) which of the cache's files were opened, and by whom.

A look at ``/proc/<pid>/fd`` every few milliseconds misses an operation that is faster than that;
the kernel's queue misses none. Only operations of the episode run, and the harness itself opens
no file of the cache while they do, so an opening is one of theirs.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.faults.fault import FaultBase, Say, Site
from soakproof.model import FaultPlan, Live

__all__ = ["OpeningFault", "Openings"]

_IN_OPEN: Final = 0x20
_HEADER: Final = struct.Struct("iIII")
"""``struct inotify_event`` without its name: wd, mask, cookie, len (inotify(7))."""
_BUFFER_BYTES: Final = 65536


class Openings:
    """Watches a folder, with the folders that are in it by now, from now on.

    Args:
        folder: the folder; it has to be there.
        names: which of its files count, by their names alone; empty: all.

    Raises:
        OSError: it cannot be watched.
    """

    def __init__(self, folder: Path, names: Collection[str] = ()) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._names = frozenset(names)
        self._fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        places = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for place in places:
            if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(place), _IN_OPEN) < 0:
                number = ctypes.get_errno()
                self.close()
                raise OSError(number, os.strerror(number), str(place))

    def seen(self) -> list[str]:
        """Return the names of files opened since last asked; never waits."""
        found: set[str] = set()
        while self._fd >= 0:
            try:
                events = os.read(self._fd, _BUFFER_BYTES)
            except BlockingIOError:
                break
            found |= _names(events)
        return sorted(name for name in found if name in self._names or not self._names)

    def close(self) -> None:
        """Watch no longer; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class OpeningFault(FaultBase):
    """A fault that took effect when an operation opened one of the files that it changed."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._openings: Openings | None = None

    def watch(self, names: Collection[str]) -> None:
        """Look for openings of some files from now on."""
        self._openings = Openings(self.site.cache_folder, names)

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


def _names(events: bytes) -> set[str]:
    found, at = set(), 0
    while at < len(events):
        _, _, _, length = _HEADER.unpack_from(events, at)
        at += _HEADER.size
        found.add(os.fsdecode(events[at : at + length].rstrip(b"\0")))
        at += length
    return found - {""}
