"""Worker ``sqlite_kv``: the standard library's ``sqlite3`` as a key-value store.

One connection a process, write-ahead log, one transaction an operation.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any, Final

from soakproof.workers.loop import serve

__all__ = ["SqliteStore", "main"]

_BUSY_S: Final = 20.0
"""Longer than any fault holds the database: a wait is no error."""

_AGAIN_S: Final = 0.01

_WAL_LIMIT_BYTES: Final = 1 << 20
"""SQLite never shortens its log of its own accord: a burst's length would stay for ever."""


class SqliteStore:
    """A table of keys and values.

    Args:
        folder: takes ``kv.sqlite``; made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            folder / "kv.sqlite", timeout=_BUSY_S, isolation_level=None
        )
        run = self._database.execute
        _write_ahead(self._database)
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        run("CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v) WITHOUT ROWID")
        self._run = run

    def get(self, key: str) -> Any:  # noqa: ANN401 - text or number
        """Return the value, or nothing."""
        row = self._run("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def set(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value."""
        self._run(
            "INSERT INTO kv VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
            (key, value),
        )
        return True

    def add(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value where there is none; returns whether it did."""
        return self._run("INSERT OR IGNORE INTO kv VALUES (?, ?)", (key, value)).rowcount == 1

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        return self._run("DELETE FROM kv WHERE k = ?", (key,)).rowcount == 1

    def incr(self, key: str, by: int) -> int:
        """Add to a number (from nothing: to 0) and return it."""
        row = self._run(
            "INSERT INTO kv VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = v + excluded.v "
            "RETURNING v",
            (key, by),
        ).fetchall()
        return int(row[0][0])

    def close(self) -> None:
        """Bring the log into the database and end.

        SQLite does so when the last connection closes; of two that close at once neither is last.
        """
        with contextlib.suppress(sqlite3.Error):  # the log stays, for the next one who opens
            self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._database.close()


def _write_ahead(database: sqlite3.Connection) -> None:
    """Turn the write-ahead log on.

    Of two processes that do so at once SQLite refuses one without asking its busy handler: that one
    tries again.
    """
    until_s = time.monotonic() + _BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() >= until_s:
                raise
            time.sleep(_AGAIN_S)  # noqa: TID251 - SQLite tells nobody when the lock is free
        else:
            return


def main() -> int:
    """Serve until standard input ends."""
    store = SqliteStore(Path(os.environ["SOAKPROOF_CACHE"]))
    try:
        return serve(store, "sqlite3", sqlite3.sqlite_version)
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main())
