"""Worker ``shelve_kv``: the standard library's ``shelve``, on whichever ``dbm`` this Python has.

``shelve`` says of itself that it does not permit simultaneous access, so every operation takes a
lock file, as its documentation tells its users to.
"""

from __future__ import annotations

import dbm
import fcntl
import os
import platform
import shelve
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from soakproof.workers.loop import serve

__all__ = ["ShelveStore", "main"]

_NAME: Final = "kv.shelf"


class ShelveStore:
    """A shelf that is opened for each operation, under a lock.

    Args:
        folder: takes the shelf and its lock.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = str(folder / _NAME)
        self._lock = os.open(folder / "kv.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @contextmanager
    def _open(self) -> Iterator[shelve.Shelf[Any]]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            with shelve.open(self._path) as shelf:  # noqa: S301 - it is what is soaked
                yield shelf
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def get(self, key: str) -> Any:  # noqa: ANN401 - text or number
        """Return the value, or nothing."""
        with self._open() as shelf:
            return shelf.get(key)

    def set(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value."""
        with self._open() as shelf:
            shelf[key] = value
        return True

    def add(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value where there is none; returns whether it did."""
        with self._open() as shelf:
            there = key in shelf
            if not there:
                shelf[key] = value
        return not there

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        with self._open() as shelf:
            there = key in shelf
            if there:
                del shelf[key]
        return there

    def incr(self, key: str, by: int) -> int:
        """Add to a number (from nothing: to 0) and return it."""
        with self._open() as shelf:
            number = int(shelf.get(key, 0)) + by
            shelf[key] = number
        return number

    def made_with(self) -> str:
        """Return which ``dbm`` keeps the shelf."""
        with self._open():
            pass
        return dbm.whichdb(self._path) or "unknown"


def main() -> int:
    """Serve until standard input ends."""
    store = ShelveStore(Path(os.environ["SOAKPROOF_CACHE"]))
    return serve(store, "shelve", f"{platform.python_version()} ({store.made_with()})")


if __name__ == "__main__":
    sys.exit(main())
