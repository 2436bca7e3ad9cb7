"""Mount over a folder, and unmount: ``python -m soakproof.faults.mounter MODE FOLDER FREE_KB``.

``read_only``: the folder itself, read-only, which binds root too.
``small``: a small file system with a copy of the folder's files and FREE_KB of room.
A process of its own, so that the mount never outlives the harness, whatever kills that: it is
taken away when standard input ends.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path
from typing import Final

__all__ = ["main", "mounted", "unmount"]

# mount(2), umount2(2): <linux/mount.h>
_RDONLY: Final = 1
_REMOUNT: Final = 32
_BIND: Final = 4096
_DETACH: Final = 2

_PAGE_BYTES: Final = 4096
_KB: Final = 1024
_ROOM_BYTES: Final = 16 * 1024 * 1024
"""Room while the files are copied in; then it is cut to what they need."""


def main(argv: list[str]) -> int:
    """Mount and wait to be told; 0: it was mounted and is not any more, 3: it was not possible."""
    mode, folder, free_kb = argv[0], os.path.realpath(argv[1]), int(argv[2])
    try:
        _read_only(folder) if mode == "read_only" else _small(folder, free_kb)
    except OSError as problem:
        unmount(folder)
        print(f"{type(problem).__name__}: {problem}", flush=True)
        return 3
    try:
        print("held", flush=True)
        sys.stdin.read()
    finally:
        unmount(folder)
    return 0


def mounted(folder: str) -> bool:
    """Whether something is mounted on a folder, by the kernel's table (proc_pid_mountinfo(5))."""
    table = os.fsdecode(Path("/proc/self/mountinfo").read_bytes())
    points = [row.split(" ")[4] for row in table.splitlines()]
    return any(_unescaped(point) == folder for point in points)


def unmount(folder: str) -> None:
    """Take away all that is mounted on a folder, at once for new users if somebody is in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    while mounted(folder):
        if libc.umount2(os.fsencode(folder), 0) and libc.umount2(os.fsencode(folder), _DETACH):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)


def _read_only(folder: str) -> None:
    _mount(folder, folder, None, _BIND, None)
    _mount(None, folder, None, _REMOUNT | _BIND | _RDONLY, None)


def _small(folder: str, free_kb: int) -> None:
    # The folder's own files stay reachable through a descriptor once something lies over it.
    below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    files = [entry for entry in os.scandir(below) if entry.is_file(follow_symlinks=False)]
    needed = sum(_pages(entry.stat().st_size) for entry in files)
    _mount("soakproof", folder, "tmpfs", 0, f"size={needed + _ROOM_BYTES}")
    for entry in files:
        shutil.copy2(f"/proc/self/fd/{below}/{entry.name}", Path(folder) / entry.name)
    os.close(below)
    state = os.statvfs(folder)
    used = (state.f_blocks - state.f_bfree) * state.f_frsize
    size = max(_PAGE_BYTES, used + _pages(free_kb * _KB))  # size=0 would mean no limit
    _mount(None, folder, None, _REMOUNT, f"size={size}")


def _pages(size: int) -> int:
    return -(-size // _PAGE_BYTES) * _PAGE_BYTES


def _mount(source: str | None, folder: str, kind: str | None, flags: int, data: str | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [word.encode("utf-8", "surrogateescape") if word else None for word in (source, kind)]
    options = data.encode() if data else None
    if libc.mount(words[0], os.fsencode(folder), words[1], ctypes.c_ulong(flags), options):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), folder)


def _unescaped(point: str) -> str:
    for char in " \t\n\\":
        point = point.replace(f"\\{ord(char):03o}", char)
    return point


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
