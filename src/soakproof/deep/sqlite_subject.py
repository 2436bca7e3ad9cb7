"""The calibration's subject: transactions on a database, each told as soon as SQLite says done.

``sqlite_subject.py DATABASE JOURNAL SYNCHRONOUS``. Standard library only.
Each transaction rewrites rows on several pages, so that half of one can be seen; in the middle a
write-ahead log is moved into the database, and goes on.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing

__all__ = ["ROWS", "TRANSACTIONS", "content"]

TRANSACTIONS = 4
ROWS = 8


def content(row: int, transaction: int) -> str:
    """Return what a row holds after a transaction."""
    return f"{row}:{transaction}:" + "x" * 500


def main(database: str, journal: str, synchronous: str) -> None:
    """Make the database and run the transactions."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size=1024")
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("CREATE TABLE line (row INTEGER PRIMARY KEY, value TEXT UNIQUE)")
        for transaction in range(1, TRANSACTIONS + 1):
            connection.execute("BEGIN IMMEDIATE")
            for row in range(ROWS):
                values = (row, content(row, transaction))
                connection.execute("INSERT OR REPLACE INTO line VALUES (?, ?)", values)
            connection.execute("COMMIT")
            os.write(1, b"done %d\n" % transaction)
            if transaction == TRANSACTIONS // 2 and journal == "WAL":
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


if __name__ == "__main__":
    main(*sys.argv[1:])
