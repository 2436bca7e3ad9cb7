import contextlib
import hashlib
import sqlite3
from pathlib import Path

import pytest

import trifecta
from trifecta import (
    AstCache,
    Cache,
    InMemoryLRUCache,
    InvalidInputError,
    NullCache,
    SourceError,
    SQLiteCache,
    bounds,
)
from trifecta.keys import KEY_BYTES
from trifecta.peek import SELECT, SELECT_SLOT
from trifecta.recency import Recency, touch
from trifecta.sqlite_cache import DELETE_VERSIONS


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    (tmp_path / "mod.py").write_text("class A:\n    async def b(self): 'Doc.'\n")
    return tmp_path


def key(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=KEY_BYTES).digest()


def test_every_public_name_is_there() -> None:
    for name in trifecta.__all__:
        assert getattr(trifecta, name) is not None
    assert dir(trifecta) == sorted(trifecta.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        trifecta.nonsense  # noqa: B018


def test_symbols_are_objects(segment: Path) -> None:
    found = trifecta.symbols("mod", segment)

    assert [(s.kind, s.qualname, s.is_async) for s in found] == [
        ("class", "A", False),
        ("async_method", "A.b", True),
    ]
    assert found[1].doc == "Doc."
    assert trifecta.symbols("sym://python/mod/mod", segment) == found


def test_errors_say_what_to_do(segment: Path) -> None:
    (segment / "bad.py").write_text("def (:\n")
    with AstCache(segment) as cache:
        with pytest.raises(InvalidInputError, match="unknown module 'nowhere'") as unknown:
            cache.symbols("nowhere")
        with pytest.raises(SourceError) as broken:
            cache.symbols("bad")
    assert unknown.value.fields["hint"]
    assert broken.value.fields["line"] == 1
    with pytest.raises(InvalidInputError, match="no such segment"):
        AstCache(segment / "nowhere")


@pytest.mark.parametrize("persist", [False, True])
def test_an_edit_is_always_seen(segment: Path, persist: bool) -> None:
    with AstCache(segment, persist=persist) as cache:
        assert [s.name for s in cache.symbols("mod")] == ["A", "b"]
        assert [s.name for s in cache.symbols("mod")] == ["A", "b"]
        (segment / "mod.py").write_text("def c(): ...\n")
        assert [s.name for s in cache.symbols("mod")] == ["c"]
        assert (cache.hits, cache.misses) == (1, 2)


def test_the_library_and_the_command_line_share_the_cache(segment: Path) -> None:
    with AstCache(segment, persist=True) as first:
        first.symbols("mod")
    with AstCache(segment, persist=True) as second:
        second.symbols("mod")
        assert (second.hits, second.misses) == (1, 0)


@pytest.mark.parametrize("kind", ["null", "memory", "sqlite"])
def test_all_caches_keep_the_protocol(tmp_path: Path, kind: str) -> None:
    caches: dict[str, Cache] = {
        "null": NullCache(),
        "memory": InMemoryLRUCache(),
        "sqlite": SQLiteCache(str(tmp_path / "c.db")),
    }
    cache = caches[kind]

    assert isinstance(cache, Cache)
    assert cache.get(key(1)) is None
    stored = cache.set(key(1), b"one", slot=5)
    assert cache.get(key(1)) == (b"one" if stored else None)
    assert stored == (kind != "null")
    assert cache.stats()["entries"] == int(stored)
    assert cache.clear() == int(stored)
    assert cache.get(key(1)) is None
    cache.close()


def test_the_bound_of_entries_is_obeyed(tmp_path: Path) -> None:
    events: list[str] = []
    with SQLiteCache(
        str(tmp_path / "c.db"), max_entries=50, on_event=lambda name, _: events.append(name)
    ) as cache:
        for number in range(400):
            assert cache.set(key(number), b"x" * 100)
            assert int(str(cache.stats()["entries"])) <= 50
        assert cache.get(key(399)) == b"x" * 100
    assert "evict" in events


def test_the_bound_of_bytes_is_obeyed_on_disk(tmp_path: Path) -> None:
    limit = 1024 * 1024
    path = tmp_path / "c.db"
    with SQLiteCache(str(path), max_bytes=limit) as cache:
        for number in range(100):
            assert cache.set(key(number), bytes([number]) * 30_000)
    assert path.stat().st_size <= limit
    assert not Path(f"{path}-wal").exists()
    with SQLiteCache(str(path), max_bytes=limit // 4) as smaller:
        smaller.set(key(1000), b"y" * 1000)
    assert path.stat().st_size <= limit // 4


def test_a_value_larger_than_the_bound_is_not_stored(tmp_path: Path) -> None:
    events: list[tuple[str, object]] = []
    with SQLiteCache(
        str(tmp_path / "c.db"),
        max_bytes=1_000_000,
        on_event=lambda name, result: events.append((name, result["reason"])),
    ) as cache:
        assert not cache.set(key(1), b"x" * 200_000)
    assert events == [("skip", "too_large")]


def test_the_least_recently_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "c.db")
    clock = 30_000_000
    monkeypatch.setattr(bounds, "minute", lambda: clock)
    monkeypatch.setattr("trifecta.sqlite_cache.minute", lambda: clock)
    with SQLiteCache(path, max_entries=100) as cache:
        for number in range(100):
            clock += 1
            cache.set(key(number), b"v")
        clock += 24 * 60
        kept = range(20)
        for number in kept:
            assert cache.get(key(number)) == b"v"  # notes their use beside the database
        for number in range(100, 150):
            clock += 1
            cache.set(key(number), b"v")
        assert [n for n in kept if cache.get(key(n)) is None] == []
        assert [n for n in range(20, 60) if cache.get(key(n)) is not None] == []


def test_a_clock_that_was_ahead_does_not_favour_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = 60_000_000
    monkeypatch.setattr(bounds, "minute", lambda: clock)
    monkeypatch.setattr("trifecta.sqlite_cache.minute", lambda: clock)
    with SQLiteCache(str(tmp_path / "c.db"), max_entries=20) as cache:
        for number in range(20):
            cache.set(key(number), b"v")
        clock -= 1_000_000
        cache.set(key(100), b"v")
        for number in range(200, 230):
            clock += 1
            cache.set(key(number), b"v")
        assert [n for n in range(20) if cache.get(key(n)) is not None] == []


def test_versions_of_one_question_are_bounded(tmp_path: Path) -> None:
    with SQLiteCache(str(tmp_path / "c.db")) as cache:
        for number in range(20):
            cache.set(key(number), b"v", slot=7)
        assert cache.stats()["entries"] == 4
        assert cache.get(key(19)) == b"v"


def test_recency_is_a_hint_that_never_raises(tmp_path: Path) -> None:
    path = str(tmp_path / "c.db")
    assert Recency(path, 1000).minute_of(5) == 0
    touch(path, -5, 6_000_059)
    assert Recency(path, 6_000_100).minute_of(-5) == 6_000_000
    assert Recency(path, 6_000_100).minute_of(6) == 0
    assert Recency(path, 5_000_000).minute_of(-5) == 0
    touch(str(tmp_path / "nowhere" / "c.db"), 1, 1)


def test_another_process_replacing_the_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with SQLiteCache(str(path)) as one, SQLiteCache(str(path)) as two:
        one.set(key(1), b"one")
        assert two.get(key(1)) == b"one"
        for name in tmp_path.iterdir():
            name.unlink()
        assert one.set(key(2), b"two")
        assert two.get(key(2)) == b"two"
        assert two.set(key(3), b"three")
        assert one.get(key(3)) == b"three"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_reader_that_never_ends_does_not_let_the_log_grow(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with SQLiteCache(str(path)) as cache:
        for number in range(600):
            cache.set(key(number), bytes([number % 251]) * 8000)
        assert Path(f"{path}-wal").stat().st_size <= 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("statement", "values"),
    [(SELECT, (1,)), (SELECT_SLOT, (1,)), (DELETE_VERSIONS, (1, 2, 1, 2, 3))],
)
def test_no_statement_reads_the_whole_table(
    tmp_path: Path, statement: str, values: tuple[int, ...]
) -> None:
    path = tmp_path / "c.db"
    with SQLiteCache(str(path)) as cache:
        cache.set(key(1), b"v", slot=1)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()

    assert not [step for *_, step in plan if step.startswith("SCAN")], plan
