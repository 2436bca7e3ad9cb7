"""The kernel's notices of what was opened or read in a folder (inotify(7)), and by whom.

A look at ``/proc/<pid>/fd`` every few milliseconds misses a process that is faster than that; the
kernel's queue misses none.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["OPENED", "READ", "Notices"]

OPENED: Final = 0x20
"""A file was opened (``IN_OPEN``)."""

READ: Final = 0x10
"""A file that was opened for reading was closed (``IN_CLOSE_NOWRITE``)."""

_HEADER: Final = struct.Struct("iIII")
"""``struct inotify_event`` without its name: wd, mask, cookie, len (inotify(7))."""
_BUFFER_BYTES: Final = 65536


class Notices:
    """Watches a folder and the folders in it from now on.

    Args:
        folder: the folder; it has to be there.
        names: which files count, by name alone; empty: all.
        what: :data:`OPENED` or :data:`READ`.

    Raises:
        OSError: it cannot be watched.
    """

    def __init__(self, folder: Path, names: Collection[str] = (), what: int = OPENED) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._names = frozenset(names)
        self._fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for one in folders:
            if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(one), what) < 0:
                number = ctypes.get_errno()
                self.close()
                raise OSError(number, os.strerror(number), str(one))

    def seen(self) -> list[str]:
        """Return the names of files noticed since last asked; never waits."""
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


def _names(events: bytes) -> set[str]:
    found, at = set(), 0
    while at < len(events):
        _, _, _, length = _HEADER.unpack_from(events, at)
        at += _HEADER.size
        found.add(os.fsdecode(events[at : at + length].rstrip(b"\0")))
        at += length
    return found - {""}
