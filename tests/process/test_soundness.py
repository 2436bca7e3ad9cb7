"""What counts as a sound database once a fault is healed: what the check after the run accepts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from soakproof.faults.soundness import problem_of, remove_unsound

pytestmark = pytest.mark.process

PAGE_BYTES = 4096


def database_with_an_index_of_another_time(path: Path) -> None:
    """Put the index's page of a moment ago back: each page is sound, together they are not."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("CREATE TABLE entry (key TEXT)")
        connection.execute("CREATE INDEX by_key ON entry (key)")
        connection.execute("INSERT INTO entry VALUES ('a')")
        find = "SELECT rootpage FROM sqlite_schema WHERE name = 'by_key'"
        at = (connection.execute(find).fetchone()[0] - 1) * PAGE_BYTES
    earlier = path.read_bytes()[at : at + PAGE_BYTES]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO entry VALUES ('b')")
    with path.open("r+b") as file:
        file.seek(at)
        file.write(earlier)


def test_an_index_of_another_time_is_unsound_though_the_quick_check_says_ok(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    database_with_an_index_of_another_time(path)
    with closing(sqlite3.connect(path)) as connection:
        assert [("ok",)] == connection.execute("PRAGMA quick_check").fetchall()

    problem = problem_of(path)
    assert problem is not None
    assert "missing from index by_key" in problem
    assert [path.name] == list(remove_unsound([path]))
    assert not path.exists()


def test_a_sound_database_stays(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entry (key TEXT)")

    assert problem_of(path) is None
    assert {} == remove_unsound([path])
    assert path.exists()
    assert problem_of(tmp_path / "none.db") is None
