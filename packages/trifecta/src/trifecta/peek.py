"""The look-up of a warm hit: one row, no lock, nothing written, nobody waited for.

The database is opened ``immutable``: SQLite then takes no lock and ignores the write-ahead log.
A writer may move pages under such a reader, so nothing that it sees is trusted: a row counts only
if it carries the whole key and a checksum over key and value.  As keys are content-addressed,
a row that passes is right however old it is.  Whatever else is seen (no row, garbage, an error)
means "not here", and ``sqlite_cache`` decides what to make of it.
"""

from trifecta.keys import row_id, unpack
from trifecta.lean_sqlite import sqlite

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

SELECT = "SELECT value FROM entry_v2 WHERE id=?"
# the index of slots leaves out 0 and is used only by a query that leaves it out too
SELECT_SLOT = "SELECT 1 FROM entry_v2 WHERE slot=? AND slot<>0 LIMIT 1"

ABSENT = "absent"
CHANGED = "content_changed"  # the same question was answered for other bytes
DAMAGED_ROW = "damaged_row"
FAILED = "failed"  # nothing can be said: look properly


class Found:
    """What a look-up saw: the value, or why there is none."""

    __slots__ = ("reason", "used", "value")

    def __init__(self, value: bytes | None, reason: str, used: int = 0) -> None:
        """Keep the value, or the reason of its absence; *used* is the minute of its last use."""
        self.value = value
        self.reason = reason
        self.used = used


def database_uri(db_path: str, options: str) -> str:
    """Give SQLite's file URI of a path."""
    path = db_path
    for char, escape in (("%", "%25"), ("?", "%3f"), ("#", "%23")):
        if char in path:
            path = path.replace(char, escape)
    return f"file:{path}?{options}"


def peek(db_path: str, key: bytes, slot: int) -> Found:
    """Look for *key* without a lock.  Leaves nothing on disk."""
    try:
        connection = sqlite.connect(
            database_uri(db_path, "mode=ro&immutable=1"),
            timeout=0,
            isolation_level=None,
            uri=True,
        )
    except sqlite.Error:
        return Found(None, FAILED)
    try:
        return select(connection, key, slot)
    except (sqlite.Error, UnicodeDecodeError):
        return Found(None, FAILED)
    finally:
        connection.close()


def select(connection: "sqlite3.Connection", key: bytes, slot: int) -> Found:
    """Read the row of *key* and believe it only if it is whole."""
    row = connection.execute(SELECT, (row_id(key),)).fetchone()
    if row is None:
        known = slot and connection.execute(SELECT_SLOT, (slot,)).fetchone()
        return Found(None, CHANGED if known else ABSENT)
    whole = unpack(row[0], key)
    return Found(None, DAMAGED_ROW) if whole is None else Found(whole[0], "", whole[1])
