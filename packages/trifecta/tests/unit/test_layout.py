"""What lies in a database: both layouts of rows answer, and a row that is not ours is a miss."""

import sqlite3
from hashlib import blake2b
from pathlib import Path

import pytest

from trifecta import SQLiteCache
from trifecta.keys import row_id

LAYOUT_BY_ID = """CREATE TABLE entry_v2(id INTEGER PRIMARY KEY, used INTEGER NOT NULL,
slot INTEGER NOT NULL, value BLOB NOT NULL)"""


def key(number: int) -> bytes:
    return blake2b(b"%d" % number, digest_size=16).digest()


def lay_out_by_id(path: Path) -> None:
    """Put the table back as it was made before rows lay in the order in which they came."""
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT id, used, slot, value FROM entry_v2").fetchall()
        database.execute("DROP TABLE entry_v2")
        database.execute(LAYOUT_BY_ID)
        database.execute("CREATE INDEX entry_v2_slot ON entry_v2(slot) WHERE slot<>0")
        database.execute("CREATE INDEX entry_v2_used ON entry_v2(used)")
        database.executemany("INSERT INTO entry_v2 VALUES(?, ?, ?, ?)", rows)
    database.close()


def test_a_database_whose_rows_lie_by_id_is_used_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with SQLiteCache(str(path), max_entries=10) as cache:
        cache.set_many((key(number), b"%d" % number, 0) for number in range(8))
    lay_out_by_id(path)

    with SQLiteCache(str(path), max_entries=10) as cache:
        assert cache.get(key(3)) == b"3"
        assert cache.set(key(3), b"3")
        assert cache.set_many((key(number), b"%d" % number, 0) for number in range(8, 20)) == 12
        assert cache.get(key(19)) == b"19"
        assert 1 <= int(str(cache.stats()["entries"])) <= 10


def test_of_rows_of_one_minute_the_first_goes_first(tmp_path: Path) -> None:
    with SQLiteCache(str(tmp_path / "cache.db"), max_entries=40) as cache:
        for number in range(60):
            cache.set(key(number), b"%d" % number)
        kept = [number for number in range(60) if cache.get(key(number)) is not None]

    assert kept == list(range(60 - len(kept), 60))


@pytest.mark.parametrize("found", [b"", b"\0" * 23, b"\0" * 24, b"\0" * 99, "text", 5, 2.5])
def test_a_row_that_is_not_ours_is_a_miss(tmp_path: Path, found: object) -> None:
    path = tmp_path / "cache.db"
    with SQLiteCache(str(path)) as cache:
        cache.set(key(1), b"value")
        assert cache.get(key(1)) == b"value"
        with sqlite3.connect(path) as database:
            database.execute("UPDATE entry_v2 SET value=? WHERE id=?", (found, row_id(key(1))))
        database.close()

        assert cache.get(key(1)) is None
        assert cache.get(key(1)[:7]) is None
