"""How much a symbol cache may hold, and what is thrown out when it holds more."""

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

DEFAULT_MAX_ENTRIES = 200_000
DEFAULT_MAX_BYTES = 256 * 1024 * 1024
_SHARE = 8  # one value may take an eighth of the room
PERIOD_MINUTES = 60  # how coarse recency is; see recency
_BATCH = 64
_ROOM = 0.95  # make room for some more, so that not every write evicts


class Bounds:
    """The bounds of one cache."""

    __slots__ = ("max_bytes", "max_entries")

    def __init__(self, max_entries: int | None = None, max_bytes: int | None = None) -> None:
        """Take bounds, or those of the environment, or the default ones."""
        self.max_entries = max_entries or _number("TRIFECTA_AST_MAX_ENTRIES", DEFAULT_MAX_ENTRIES)
        self.max_bytes = max_bytes or _number("TRIFECTA_AST_MAX_BYTES", DEFAULT_MAX_BYTES)

    @property
    def max_value_bytes(self) -> int:
        """The longest value that is stored."""
        return self.max_bytes // _SHARE

    def as_dict(self) -> dict[str, object]:
        """Give the bounds for a report."""
        return {
            "max_entries": self.max_entries,
            "max_bytes": self.max_bytes,
            "max_value_bytes": self.max_value_bytes,
        }


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else default


def minute() -> int:
    """Give the coarse time that recency is kept in."""
    return int(time.time()) // 60


def used_bytes(connection: "sqlite3.Connection") -> int:
    """Give the bytes of the pages in use."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    return int((pages - free) * size)


def evict(
    connection: "sqlite3.Connection", bounds: Bounds, entries: int, db_path: str
) -> tuple[int, int]:
    """Delete least recently used rows until there is room; give entries left and rows deleted.

    Called within the writer's transaction.  Rows of the same minute go in the order in
    which they came.
    """
    if 0 <= entries <= bounds.max_entries and used_bytes(connection) <= bounds.max_bytes:
        return entries, 0
    # before anything is thrown out, the running total is checked: it carries no checksum
    entries = int(connection.execute("SELECT count(*) FROM entry_v2").fetchone()[0])
    # after a clock was set back, what seems to come from the future is no older than now
    connection.execute("UPDATE entry_v2 SET used=? WHERE used>?", (minute(), minute()))
    from trifecta.recency import Recency

    recency = Recency(db_path, minute())
    chances = entries  # each row gets one: were all in use, the oldest go all the same
    deleted = 0
    most = int(bounds.max_entries * _ROOM) or 1
    room = int(bounds.max_bytes * _ROOM)
    while entries > 1 and (entries > most or used_bytes(connection) > room):
        batch = max(1, min(_BATCH, entries - most if entries > most else _BATCH, entries // 4))
        oldest = connection.execute(
            "SELECT id, used FROM entry_v2 ORDER BY used, rowid LIMIT ?", (batch,)
        ).fetchall()
        if not oldest:
            break
        for row, used in oldest:
            noted = recency.minute_of(row) if chances else 0
            chances = max(chances - 1, 0)
            if noted > used:
                connection.execute("UPDATE entry_v2 SET used=? WHERE id=?", (noted, row))
                continue
            connection.execute("DELETE FROM entry_v2 WHERE id=?", (row,))
            entries -= 1
            deleted += 1
    shrink(connection)
    return entries, deleted


def shrink(connection: "sqlite3.Connection") -> None:
    """Give free pages back to the file system.

    Some versions of Python run only the first step of the pragma, which frees one page.
    """
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    while free:
        connection.execute("PRAGMA incremental_vacuum").fetchall()
        before, free = free, connection.execute("PRAGMA freelist_count").fetchone()[0]
        if free >= before:
            return
