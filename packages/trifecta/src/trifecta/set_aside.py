"""Putting a database that cannot be used out of the way; call under its lock only.

Files are renamed, not deleted: somebody may have them open, and somebody may want to look.
Only the newest few are kept.
"""

import os
import time

KEEP = 3
_MARK = ".damaged-"
_NEW = ".new-"


def set_aside(db_path: str) -> str:
    """Rename the database with its companions; give the new name.

    The log goes first: were we killed in between, a log left behind would be played into the
    database that is made next.
    """
    stamp = f"{time.time_ns():020d}-{os.getpid()}"
    target = f"{db_path}{_MARK}{stamp}"
    for suffix in ("-wal", "-shm", "-journal", ""):
        try:
            os.rename(db_path + suffix, target + suffix)
        except FileNotFoundError:
            continue
    prune(db_path, KEEP)
    return target


def kept(db_path: str) -> list[str]:
    """Give the names of the main files set aside, oldest first."""
    start = os.path.basename(db_path) + _MARK
    names = [name for name in _siblings(db_path) if name.startswith(start)]
    return sorted({name.removesuffix("-wal").removesuffix("-shm") for name in names})


def prune(db_path: str, keep: int) -> int:
    """Delete all but the newest *keep* sets, and half-made databases; give the number of sets."""
    folder = os.path.dirname(db_path)
    names = kept(db_path)
    doomed = names[: max(len(names) - keep, 0)]
    for name in doomed:
        for suffix in ("-wal", "-shm", "-journal", ""):
            _remove(f"{folder}/{name}{suffix}")
    for name in _siblings(db_path):
        if name.startswith(os.path.basename(db_path) + _NEW):
            _remove(f"{folder}/{name}")
    return len(doomed)


def new_path(db_path: str) -> str:
    """Give the name under which a database is made before it is renamed into place."""
    return f"{db_path}{_NEW}{os.getpid()}"


def _siblings(db_path: str) -> list[str]:
    try:
        return os.listdir(os.path.dirname(db_path))
    except OSError:
        return []


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
