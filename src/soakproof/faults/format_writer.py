"""Leave a database as another version of the tool would: ``… format_writer MODE DB``.

``newer``: the format's number (``PRAGMA user_version``) is far ahead of what it was.
``foreign``: another database under the same name, whose tables have the same names and other
columns.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from soakproof.faults.soundness import companions, remove

__all__ = ["AHEAD", "FOREIGN_COLUMN", "main"]

AHEAD: Final = 1_000_000
"""How far ahead the number is."""

FOREIGN_COLUMN: Final = "soakproof_foreign"
"""The one column of the foreign tables."""

_BUSY_S: Final = 10


def main(argv: list[str]) -> int:
    """Write; 0: ``held`` was printed, 3: SQLite refused."""
    mode, path = argv[0], Path(argv[1])
    try:
        _newer(path) if mode == "newer" else _foreign(path)
    except sqlite3.Error as problem:
        print(f"{type(problem).__name__}: {problem}", flush=True)
        return 3
    print("held", flush=True)
    return 0


def _newer(path: Path) -> None:
    uri = f"{path.resolve().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)) as database:
        number = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute(f"PRAGMA user_version = {number + AHEAD}")


def _foreign(path: Path) -> None:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as database:
        rows = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        names = [str(name) for (name,) in rows]
    made = path.with_name(f".{path.name}.soakproof")
    made.unlink(missing_ok=True)
    with closing(sqlite3.connect(made, isolation_level=None)) as database:
        for name in names or ["soakproof"]:
            quoted = name.replace('"', '""')
            database.execute(f'CREATE TABLE "{quoted}" ({FOREIGN_COLUMN} TEXT)')
    remove(companions(path))
    made.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
