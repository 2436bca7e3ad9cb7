"""Use databases as another process would: ``python -m soakproof.faults.db_holder MODE MAX_MS DB…``.

``exclusive``: hold ``BEGIN EXCLUSIVE`` on each until the end of standard input, or MAX_MS.
``crash``: leave committed pages in each write-ahead log and wait to be killed, as a process that
dies between its commit and the checkpoint; rows are replaced by themselves, so nothing is changed.
"""

from __future__ import annotations

import select
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

__all__ = ["main"]

_MS_PER_S: Final = 1000
_ROWS: Final = 20
"""Rows of each table that are written again."""


def main(argv: list[str]) -> int:
    """Hold until told; 0: held, 3: it was not to be had."""
    mode, max_s, paths = argv[0], int(argv[1]) / _MS_PER_S, argv[2:]
    with ExitStack() as stack:
        try:
            for path in paths:
                uri = f"{Path(path).resolve().as_uri()}?mode=rw"
                database = sqlite3.connect(uri, uri=True, timeout=max_s, isolation_level=None)
                stack.enter_context(closing(database))
                if mode == "crash":
                    _rewrite(database)
                else:
                    database.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as problem:
            print(f"{type(problem).__name__}: {problem}", flush=True)
            return 3
        print("held", flush=True)
        select.select([sys.stdin], [], [], max_s)
    return 0


def _rewrite(database: sqlite3.Connection) -> None:
    mode = database.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        message = f"no WAL to damage: the journal mode is {mode}"
        raise sqlite3.OperationalError(message)
    database.execute("PRAGMA wal_autocheckpoint=0")
    names = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    for (name,) in names.fetchall():
        columns = database.execute("SELECT name FROM pragma_table_info(?)", (name,)).fetchall()
        listed = ", ".join(["rowid", *(_quoted(column) for (column,) in columns)])
        table = _quoted(name)
        try:
            database.execute(
                f"REPLACE INTO {table} ({listed}) SELECT {listed} FROM {table} LIMIT {_ROWS}"  # noqa: S608 - quoted
            )
        except sqlite3.Error:  # without rowid, or virtual: others have pages enough
            continue
    version = database.execute("PRAGMA user_version").fetchone()[0]
    database.execute(f"PRAGMA user_version = {version}")  # a page even where no table has rows


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
