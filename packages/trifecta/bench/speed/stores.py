"""What is compared: each store with the settings that its users get, behind the same calls.

A factory opens the store in a folder, making it if need be; any number of processes may do so.
"""

import shelve
import sqlite3
import struct
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diskcache
import joblib
import lmdb
import sqlitedict
from filelock import FileLock

from speed.values import digest, value
from trifecta import InMemoryLRUCache, SQLiteCache

ROOM = 1 << 30  # bytes: no store is to throw anything out here
PAGE_BYTES = 8192  # as trifecta has them
Pairs = Iterable[tuple[Any, bytes]]


@dataclass(frozen=True, slots=True)
class Store:
    """A store in use.  ``key`` turns a number into what the store takes for a key."""

    get: Callable[[Any], Any]
    put: Callable[[Any, bytes], object]
    key: Callable[[int], Any]
    fill: Callable[[Pairs], None]
    close: Callable[[], object]


Factory = Callable[[Path], Store]


def _one_by_one(put: Callable[[Any, bytes], object]) -> Callable[[Pairs], None]:
    def fill(pairs: Pairs) -> None:
        for key, content in pairs:
            put(key, content)

    return fill


def trifecta(folder: Path) -> Store:
    """``trifecta.SQLiteCache``, bounded and with recency as ever."""
    cache = SQLiteCache(str(folder / "cache.db"), max_bytes=ROOM)

    def fill(pairs: Pairs) -> None:
        cache.set_many((key, content, 0) for key, content in pairs)

    return Store(cache.get, cache.set, digest, fill, cache.close)


def trifecta_memory(folder: Path) -> Store:  # noqa: ARG001 - nothing on disk
    """``trifecta.InMemoryLRUCache``: what stands in front of the file in ``AstCache``."""
    cache = InMemoryLRUCache(max_entries=1 << 20, max_bytes=ROOM)
    return Store(cache.get, cache.set, digest, _one_by_one(cache.set), cache.close)


_ROW = struct.Struct(">q").unpack_from


_AS_TRIFECTA = "row INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE"
_BY_ID = "id INTEGER PRIMARY KEY"


def raw_by_id(folder: Path) -> Store:
    """The same with rows laid out by key: one tree to go down, the cheapest read there is."""
    return raw_sqlite(folder, _BY_ID)


def raw_sqlite(folder: Path, columns: str = _AS_TRIFECTA) -> Store:
    """A table and prepared statements; the settings, the schema and the bytes of trifecta's file.

    What a reader asks for by hand is the least that a read through SQLite can cost.
    """
    database = sqlite3.connect(folder / "raw.db", isolation_level=None, timeout=10)
    for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=WAL", "synchronous=NORMAL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute(
        f"CREATE TABLE IF NOT EXISTS entry({columns},"
        " used INTEGER NOT NULL, slot INTEGER NOT NULL, value BLOB NOT NULL)"
    )
    reader = sqlite3.connect(
        f"file:{folder / 'raw.db'}?mode=ro", uri=True, isolation_level=None, timeout=10
    )
    execute = reader.execute
    store = "INSERT OR REPLACE INTO entry(id, used, slot, value) VALUES(?, 1, 0, ?)"

    def get(key: tuple[int]) -> object:
        return execute("SELECT value FROM entry WHERE id=?", key).fetchone()[0]

    def put(key: tuple[int], content: bytes) -> None:
        database.execute(store, (*key, content))

    def fill(pairs: Pairs) -> None:
        database.execute("BEGIN")
        _one_by_one(put)(pairs)
        database.execute("COMMIT")

    def close() -> None:
        reader.close()
        database.close()

    def key(number: int) -> object:
        return _ROW(digest(number))

    return Store(get, put, key, fill, close)


def diskcache_default(folder: Path) -> Store:
    """``diskcache.Cache`` as it comes: least recently *stored*, so a read keeps no recency."""
    return _diskcache(diskcache.Cache(str(folder), size_limit=ROOM, timeout=10))


def diskcache_lru(folder: Path) -> Store:
    """``diskcache.Cache`` with the policy that trifecta has: least recently used."""
    policy = "least-recently-used"
    cache = diskcache.Cache(str(folder), size_limit=ROOM, eviction_policy=policy, timeout=10)
    return _diskcache(cache)


def _diskcache(cache: Any) -> Store:  # noqa: ANN401 - the package has no types
    def fill(pairs: Pairs) -> None:
        with cache.transact():
            _one_by_one(cache.set)(pairs)

    return Store(cache.get, cache.set, digest, fill, cache.close)


def sqlite_dict(folder: Path) -> Store:
    """``sqlitedict.SqliteDict`` that commits what is set."""
    table = sqlitedict.SqliteDict(
        str(folder / "dict.db"), autocommit=True, journal_mode="WAL", timeout=10
    )

    def fill(pairs: Pairs) -> None:
        table.update({key: content for key, content in pairs})  # noqa: C416 - wants a mapping
        table.commit()

    return Store(table.__getitem__, table.__setitem__, str, fill, table.close)


def joblib_memory(folder: Path) -> Store:
    """``joblib.Memory`` around the function that makes the values; to set is to call it again."""
    cached = joblib.Memory(str(folder), verbose=0).cache(value)

    def put(key: int, _content: bytes) -> None:
        cached.call(key)

    return Store(cached, put, int, _one_by_one(put), bool)


def shelf(folder: Path) -> Store:
    """``shelve``, on whatever ``dbm`` this interpreter has (one process at a time, it says)."""
    table = shelve.open(str(folder / "shelf"))  # noqa: S301, SIM115 - our own values; kept open
    return Store(
        table.__getitem__, table.__setitem__, str, _one_by_one(table.__setitem__), table.close
    )


def lightning(folder: Path) -> Store:
    """LMDB without syncing: not SQLite, no bound by recency; shows what the medium allows."""
    environment = lmdb.open(str(folder), map_size=2 * ROOM, sync=False)

    def get(key: bytes) -> object:
        with environment.begin() as transaction:
            return transaction.get(key)

    def put(key: bytes, content: bytes) -> None:
        with environment.begin(write=True) as transaction:
            transaction.put(key, content)

    return Store(get, put, digest, _one_by_one(put), environment.close)


def first_design(folder: Path) -> Store:
    """The design of the source documents' tool: a connection and a lock file for each operation.

    With a rollback journal, and without the write of recency that a hit made there.
    """
    path, lock = folder / "first.db", str(folder / "first.db.lock")
    find = "SELECT value FROM entry WHERE key=?"
    with FileLock(lock), closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS entry(key BLOB PRIMARY KEY, value BLOB)")

    def get(key: bytes) -> object:
        with FileLock(lock), closing(sqlite3.connect(path)) as database:
            return database.execute(find, (key,)).fetchone()[0]

    def fill(pairs: Pairs) -> None:
        with FileLock(lock), closing(sqlite3.connect(path)) as database, database:
            database.executemany("INSERT OR REPLACE INTO entry VALUES(?, ?)", pairs)

    def put(key: bytes, content: bytes) -> None:
        fill([(key, content)])

    return Store(get, put, digest, fill, bool)


TRIFECTA, RAW, RAW_BY_ID, DEFAULT, LRU, FIRST, MEMORY, SHELVE, LMDB = (
    "trifecta",
    "raw sqlite3",
    "raw sqlite3, rows by key",
    "diskcache, default",
    "diskcache, LRU",
    "first design",
    "trifecta, in memory",
    "shelve",
    "LMDB, no sync",
)
STORES: dict[str, Factory] = {
    TRIFECTA: trifecta,
    RAW: raw_sqlite,
    RAW_BY_ID: raw_by_id,
    DEFAULT: diskcache_default,
    LRU: diskcache_lru,
    "sqlitedict": sqlite_dict,
    "joblib.Memory": joblib_memory,
    SHELVE: shelf,
    LMDB: lightning,
    FIRST: first_design,
    MEMORY: trifecta_memory,
}
ON_DISK = tuple(name for name in STORES if name != MEMORY)
