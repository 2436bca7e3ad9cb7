"""The persistent symbol cache: one SQLite file, many processes.

Reads take no lock and write nothing.  Writes go through ``guarded``.  Nothing that happens to the
database is an error here: a read that fails is a miss, a write that fails is reported by an
event and by the return value.
"""

import os
import struct
from zlib import crc32

from trifecta import trouble
from trifecta.bounds import PERIOD_MINUTES, Bounds, evict, minute, shrink
from trifecta.guarded import GuardedDatabase, Schema, UnavailableError
from trifecta.keys import FORMAT, HEAD_BYTES, KEY_BYTES, pack, row_id
from trifecta.lean_sqlite import sqlite
from trifecta.peek import DAMAGED_ROW, FAILED, SELECT, Found, database_uri, select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable
    from typing import Self

    from trifecta.guarded import Event

APPLICATION_ID = 0x74726661  # "trfa"
_VERSIONS_KEPT = 4  # of one question's answers: switching branches back and forth stays warm
_READ_TIMEOUT_S = 0.05

SCHEMA = Schema(
    APPLICATION_ID,
    FORMAT,
    (
        # Rows lie in the order in which they came, beside an index of their ids.  Laid out by id,
        # which is random, nearly every insert would split a page of three values: a set would take
        # half as much CPU again and write a fifth more to the log.
        # (Databases of that layout answer to the same statements.)
        """CREATE TABLE entry_v2(row INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE,
        used INTEGER NOT NULL, slot INTEGER NOT NULL, value BLOB NOT NULL)""",
        "CREATE INDEX entry_v2_slot ON entry_v2(slot) WHERE slot<>0",
        "CREATE INDEX entry_v2_used ON entry_v2(used)",
        """CREATE TABLE total_v2(one INTEGER PRIMARY KEY CHECK(one=1), entries INTEGER NOT NULL,
        evicted INTEGER NOT NULL)""",
        "INSERT INTO total_v2 VALUES(1, 0, 0)",
    ),
)

DELETE_VERSIONS = (
    "DELETE FROM entry_v2 WHERE slot=? AND slot<>0 AND id<>? AND id NOT IN (SELECT id FROM"
    " entry_v2 WHERE slot=? AND slot<>0 AND id<>? ORDER BY used DESC, id LIMIT ?)"
)

# What a read can find out that a write must look into before it trusts the file.
_SUSPECT = {trouble.DAMAGED, DAMAGED_ROW}


# The parts of a key and of a stored form (see ``keys.pack``), each cut out by one call.
_row_of = struct.Struct(">q").unpack_from
_seed_of = struct.Struct(">8xI").unpack_from
_head_of = struct.Struct(f">I{KEY_BYTES}sI").unpack_from


class SQLiteCache:
    """A bounded cache on disk; safe beside any number of other processes.

    Keys are digests of all that the value depends on (16 bytes, see ``keys``), values are bytes.
    """

    def __init__(
        self,
        db_path: str,
        *,
        lock_timeout_ms: int | None = None,
        max_entries: int | None = None,
        max_bytes: int | None = None,
        on_event: "Event | None" = None,
        keep_open: bool = True,
    ) -> None:
        """Prepare; no file is touched before the first use.

        Args:
            db_path: where the database is or will be; the lock file lies beside it.
            lock_timeout_ms: how long a write may wait (``TRIFECTA_LOCK_TIMEOUT_MS``, else 5000).
            max_entries: bound of the number of entries.
            max_bytes: bound of the size of the file on disk.
            on_event: called with an event's name and what it has to say.
            keep_open: keep the writing connection for the next write.

        """
        self.db_path = db_path
        self.bounds = Bounds(max_entries, max_bytes)
        self._guarded = GuardedDatabase(
            db_path,
            SCHEMA,
            lock_timeout_ms=lock_timeout_ms,
            on_event=on_event,
            keep_open=keep_open,
        )
        self._reader: sqlite3.Connection | None = None
        self._reader_identity = (0, 0)
        self._execute: Callable[..., sqlite3.Cursor] = _not_open
        self._stale_before = 0

    # ------------------------------------------------------------------ reading

    def get(self, key: bytes) -> bytes | None:
        """Give the value of *key*, or None.  Writes nothing, waits for nobody."""
        try:
            blob = self._execute(SELECT, _row_of(key)).fetchone()[0]
            check, owner, used = _head_of(blob)
            value: bytes = blob[HEAD_BYTES:]
            # ``keys.unpack`` by hand: what it says, in half of its time
            if owner != key or crc32(value, _seed_of(key)[0]) != check:
                return self.look(key).value
        except (TypeError, AttributeError, UnicodeDecodeError, struct.error, sqlite.Error):
            return self.look(key).value  # not there, not whole or not open: find out which
        if self._stale_before > used:
            self._note_use(key, used)
        return value

    def look(self, key: bytes, slot: int = 0) -> Found:
        """Give the value of *key*, or the reason why it is not to be had."""
        found = self._select(key, slot)
        if found.value is not None:
            self._note_use(key, found.used)
        elif self._reader is not None and self._replaced():
            self._close_reader()
            found = self._select(key, slot)
        return found

    def _note_use(self, key: bytes, used: int) -> None:
        """Note beside the database that an entry is in use whose row says so no longer."""
        now = minute()
        self._stale_before = now - PERIOD_MINUTES + 1
        if used < self._stale_before:
            from trifecta.recency import touch

            touch(self.db_path, row_id(key), now)

    def _replaced(self) -> bool:
        """Tell whether another file is at the path than the one that is open."""
        try:
            state = os.stat(self.db_path)
        except OSError:
            return True
        return (state.st_ino, state.st_dev) != self._reader_identity

    def look_again(self, key: bytes, slot: int, peeked: Found) -> Found:
        """Look properly where a ``peek`` that found nothing is not enough; keep nothing open."""
        if peeked.reason != FAILED and not self._log_has_content():
            return peeked
        from trifecta.shm_probe import stuck

        if stuck(self.db_path):
            return Found(None, "database_busy")
        properly = self._select(key, slot)
        self._close_reader()
        return properly

    def _log_has_content(self) -> bool:
        try:
            return os.path.getsize(self.db_path + "-wal") > 0
        except OSError:
            return False

    def _select(self, key: bytes, slot: int) -> Found:
        try:
            if self._reader is None:
                self._reader = self._open_reader()
                if self._reader is None:
                    return Found(None, "no_database")
            return select(self._reader, key, slot)
        except UnicodeDecodeError:
            return Found(None, DAMAGED_ROW)
        except (sqlite.Error, OSError) as problem:
            return Found(None, self._read_trouble(problem))

    def _read_trouble(self, problem: "sqlite.Error | OSError") -> str:
        if isinstance(problem, OSError):
            return trouble.of_os(problem)
        reason = trouble.of_sqlite(problem, self.db_path)
        if reason == trouble.OTHER_SCHEMA and self._reader is not None:
            version = self._reader.execute("PRAGMA user_version").fetchone()[0]
            identity = self._reader.execute("PRAGMA application_id").fetchone()[0]
            if identity == APPLICATION_ID and version > FORMAT:
                return "newer_format"
        return f"database_{reason}" if reason in {trouble.BUSY, trouble.DAMAGED} else reason

    def _open_reader(self) -> "sqlite3.Connection | None":
        try:
            state = os.stat(self.db_path)
        except FileNotFoundError:
            return None
        self._reader_identity = (state.st_ino, state.st_dev)
        reader = sqlite.connect(
            database_uri(self.db_path, "mode=ro"),
            timeout=_READ_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        self._execute = reader.execute
        self._stale_before = minute() - PERIOD_MINUTES + 1
        return reader

    # ------------------------------------------------------------------ writing

    def set(self, key: bytes, value: bytes, *, slot: int = 0, suspect: bool = False) -> bool:
        """Store one value; true when it is committed."""
        return self.set_many([(key, value, slot)], suspect=suspect) == 1

    def set_many(
        self, entries: "Iterable[tuple[bytes, bytes, int]]", *, suspect: bool = False
    ) -> int:
        """Store several (key, value, slot) in one transaction; give the number committed.

        A value larger than the bound is not stored.  Holds the file lock while it writes.
        """
        report = self._guarded.on_event
        fitting: list[tuple[bytes, bytes, int]] = []
        for entry in entries:
            if len(entry[0]) != KEY_BYTES:
                raise ValueError(f"a key is a digest of {KEY_BYTES} bytes, found {len(entry[0])}")
            if len(entry[1]) <= self.bounds.max_value_bytes:
                fitting.append(entry)
            else:
                limit = self.bounds.max_value_bytes
                report("skip", {"reason": "too_large", "bytes": len(entry[1]), "limit": limit})
        if not fitting:
            return 0
        try:
            evicted = self._guarded.write(lambda at: self._put(at, fitting), suspect=suspect)
        except UnavailableError:
            return 0
        if evicted:
            report("evict", {"entries": evicted})
        return len(fitting)

    def _put(
        self, connection: "sqlite3.Connection", entries: "list[tuple[bytes, bytes, int]]"
    ) -> int:
        now = minute()
        added = 0
        for key, value, slot in entries:
            number = row_id(key)
            known = connection.execute("SELECT 1 FROM entry_v2 WHERE id=?", (number,)).fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO entry_v2(id, used, slot, value) VALUES(?, ?, ?, ?)",
                (number, now, slot, pack(key, value, now)),
            )
            added += known is None
            if slot:
                added -= self._forget_versions(connection, slot, number)
        total = connection.execute("SELECT entries FROM total_v2").fetchone()[0] + added
        total, evicted = evict(connection, self.bounds, total, self.db_path)
        connection.execute(
            "UPDATE total_v2 SET entries=?, evicted=evicted+?",
            (total, evicted),
        )
        return evicted

    def _forget_versions(self, connection: "sqlite3.Connection", slot: int, keep: int) -> int:
        """Delete all but the newest few answers to one question; give their number."""
        cursor = connection.execute(
            DELETE_VERSIONS,
            (slot, keep, slot, keep, _VERSIONS_KEPT - 1),
        )
        return max(cursor.rowcount, 0)

    def clear(self) -> int | None:
        """Delete all entries; give their number, or None when the database could not be had."""

        def work(connection: "sqlite3.Connection") -> int:
            count = connection.execute("SELECT count(*) FROM entry_v2").fetchone()[0]
            connection.execute("DELETE FROM entry_v2")
            connection.execute("UPDATE total_v2 SET entries=0, evicted=0")
            shrink(connection)
            return int(count)

        try:
            return self._guarded.write(work)
        except UnavailableError:
            return None

    def verify(self) -> bool:
        """Check the whole file under the lock and make it anew if it is damaged.

        Costs about a millisecond a megabyte.  False when the database could not be had.
        """
        try:
            self._guarded.write(lambda _: None, suspect=True)
        except UnavailableError:
            return False
        return True

    # ------------------------------------------------------------------ the rest

    def stats(self) -> dict[str, object]:
        """Give entries, evictions and sizes as they are now; no lock, nothing written."""
        entries: object = 0
        evicted: object = 0
        state = "ok"
        try:
            reader = self._reader or self._open_reader()
            if reader is None:
                state = "no_database"
            else:
                self._reader = reader
                entries = reader.execute("SELECT count(*) FROM entry_v2").fetchone()[0]
                evicted = reader.execute("SELECT evicted FROM total_v2").fetchone()[0]
        except (sqlite.Error, OSError) as problem:
            state = self._read_trouble(problem)
        return {
            "state": state,
            "entries": entries,
            "evicted": evicted,
            "db_bytes": _size(self.db_path),
            "wal_bytes": _size(self.db_path + "-wal"),
        }

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        self._execute = _not_open
        if reader is not None:
            reader.close()

    def close(self) -> None:
        """Close both connections; the cache can be used again and opens them anew."""
        self._close_reader()
        self._guarded.close()

    def __enter__(self) -> "Self":
        """Give the cache itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _not_open(*_: object) -> "sqlite3.Cursor":
    """Stand in for a reader that is not open."""
    raise TypeError


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
