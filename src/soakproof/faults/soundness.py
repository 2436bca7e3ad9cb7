"""Whether a database is sound, and what a user would do with a cache that is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

__all__ = ["companions", "problem_of", "remove", "remove_unsound"]

_COMPANIONS: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by its name; they belong to that file alone."""

_BUSY_S: Final = 5


def companions(database: Path) -> list[Path]:
    """Return a database's path and those of what SQLite keeps beside it, the log first.

    In this order they can be removed one by one: a log that is left behind would be played into
    the database that is made next.
    """
    return [*(database.with_name(database.name + end) for end in _COMPANIONS), database]


def problem_of(database: Path) -> str | None:
    """Return what SQLite's integrity check finds, in words; ``None``: it is sound, or not there.

    The same check as after the run: the quick one does not hold an index against its table. Opened
    read-only, as another process would.
    """
    if not database.exists():
        return None
    uri = f"{database.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as problem:
        return f"{type(problem).__name__}: {problem}"
    return None if found == ["ok"] else "; ".join(found)


def remove(paths: Iterable[Path]) -> list[str]:
    """Remove files; return the names of those that were there."""
    removed = []
    for path in paths:
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        removed.append(path.name)
    return removed


def remove_unsound(databases: Iterable[Path]) -> dict[str, str]:
    """Remove databases that are not sound, as a user would; return name → what was wrong."""
    found = {}
    for database in databases:
        problem = problem_of(database)
        if problem is not None:
            remove(companions(database))
            found[database.name] = problem
    return found
