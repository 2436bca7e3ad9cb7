"""The search index: one FTS5 table, kept in step with the files.

A file is read again unless its stamp is the recorded one *and* its change time lay well before
the moment of reading: an edit within the same tick of the clock leaves no trace in any stamp.
"""

import os
import time
from _blake2 import blake2b

from trifecta.guarded import Schema
from trifecta.search.chunks import decode, split
from trifecta.search.scan import Stamp, stamp_of
from trifecta.trouble import starved

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x74726378  # "trcx"
_SETTLED_NS = 2_000_000_000  # the coarsest clock of a file system in use ticks every two seconds

SCHEMA = Schema(
    APPLICATION_ID,
    1,
    (
        """CREATE TABLE file_v1(id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL, read_ns INTEGER NOT NULL, digest BLOB NOT NULL)""",
        """CREATE TABLE chunk_v1(id INTEGER PRIMARY KEY, file INTEGER NOT NULL,
        line INTEGER NOT NULL)""",
        "CREATE INDEX chunk_v1_file ON chunk_v1(file)",
        """CREATE VIRTUAL TABLE text_v1 USING fts5(path, names, parts, body,
        tokenize='porter unicode61 remove_diacritics 2')""",
    ),
)


class Difference:
    """What must be done to bring an index in step with the files."""

    __slots__ = ("read", "removed", "settled")

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self.read: list[str] = []
        self.removed: list[bytes] = []
        self.settled: list[tuple[str, Stamp]] = []  # unchanged; only the stamp is to be renewed

    def __bool__(self) -> bool:
        """Tell whether the index would answer differently."""
        return bool(self.read or self.removed)


def compare(connection: "sqlite3.Connection", root: str, files: "dict[str, Stamp]") -> Difference:
    """Find out what the index does not know.  Reads files whose stamp proves nothing."""
    difference = Difference()
    known: dict[bytes, tuple[tuple[int, int, int, int], int, bytes]] = {}
    for path, size, mtime, ctime, inode, read_ns, digest in connection.execute(
        "SELECT path, size, mtime_ns, ctime_ns, inode, read_ns, digest FROM file_v1"
    ):
        known[path] = ((size, mtime, ctime, inode), read_ns, digest)
    for path, stamp in files.items():
        entry = known.pop(os.fsencode(path), None)
        if entry is None:
            difference.read.append(path)
        elif entry[0] != stamp.as_tuple() or stamp.ctime_ns > entry[1] - _SETTLED_NS:
            reading = _read(root, path)
            if reading is None or _digest(reading[0]) != entry[2]:
                difference.read.append(path)
            else:
                difference.settled.append((path, reading[1]))
    difference.removed.extend(known)
    return difference


def renew_stamps(connection: "sqlite3.Connection", difference: Difference, now_ns: int) -> None:
    """Record that files were read (before *now_ns*) and found unchanged."""
    connection.executemany(
        "UPDATE file_v1 SET size=?, mtime_ns=?, ctime_ns=?, inode=?, read_ns=? WHERE path=?",
        [(*stamp.as_tuple(), now_ns, os.fsencode(path)) for path, stamp in difference.settled],
    )


def bring_up_to_date(
    connection: "sqlite3.Connection", root: str, files: "dict[str, Stamp]"
) -> "dict[str, int]":
    """Apply what ``compare`` finds, within the caller's transaction."""
    now_ns = time.time_ns()
    difference = compare(connection, root, files)
    renew_stamps(connection, difference, now_ns)
    read = 0
    for raw in difference.removed:
        _forget(connection, raw)
    for path in difference.read:
        _forget(connection, os.fsencode(path))
        read += _take_in(connection, root, path)
    return {"files": len(files), "read": read, "removed": len(difference.removed)}


def _take_in(connection: "sqlite3.Connection", root: str, path: str) -> int:
    now_ns = time.time_ns()
    reading = _read(root, path)
    if reading is None:
        return 0
    data, stamp = reading
    cursor = connection.execute(
        "INSERT INTO file_v1(path, size, mtime_ns, ctime_ns, inode, read_ns, digest)"
        " VALUES(?, ?, ?, ?, ?, ?, ?)",
        (os.fsencode(path), *stamp.as_tuple(), now_ns, _digest(data)),
    )
    number = cursor.lastrowid
    words = os.fsencode(path).decode("utf-8", "replace").removesuffix(".py").removesuffix(".md")
    for chunk in split(decode(data), prose=path.endswith(".md")):
        row = connection.execute(
            "INSERT INTO chunk_v1(file, line) VALUES(?, ?)", (number, chunk.line)
        )
        connection.execute(
            "INSERT INTO text_v1(rowid, path, names, parts, body) VALUES(?, ?, ?, ?, ?)",
            (row.lastrowid, words, chunk.names, chunk.parts, chunk.body),
        )
    return 1


def _forget(connection: "sqlite3.Connection", raw: bytes) -> None:
    row = connection.execute("SELECT id FROM file_v1 WHERE path=?", (raw,)).fetchone()
    if row is None:
        return
    connection.execute(
        "DELETE FROM text_v1 WHERE rowid IN (SELECT id FROM chunk_v1 WHERE file=?)", row
    )
    connection.execute("DELETE FROM chunk_v1 WHERE file=?", row)
    connection.execute("DELETE FROM file_v1 WHERE id=?", row)


def _read(root: str, path: str) -> "tuple[bytes, Stamp] | None":
    """Give content and stamp of one file; None when it is gone or not ours to read.

    Raises OSError when there were no descriptors, no memory or no disk: an answer without the file
    would be wrong.
    """
    try:
        descriptor = os.open(
            f"{root.rstrip('/')}/{path}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        )
    except OSError as problem:
        if starved(problem):
            raise
        return None
    with os.fdopen(descriptor, "rb") as handle:
        try:
            stamp = stamp_of(os.fstat(descriptor))
            return handle.read(), stamp
        except OSError as problem:
            if starved(problem):
                raise
            return None


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
