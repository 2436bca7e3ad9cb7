from __future__ import annotations

from pathlib import Path

from soakproof.workers.sqlite_kv import SqliteStore


def test_a_store_that_closes_leaves_no_log_though_another_is_open(tmp_path: Path) -> None:
    other, store = SqliteStore(tmp_path), SqliteStore(tmp_path)
    store.set("k", "v" * 10_000)
    log = tmp_path / "kv.sqlite-wal"
    assert log.stat().st_size > 10_000

    store.close()

    assert 0 == log.stat().st_size
    assert "v" * 10_000 == other.get("k")
    other.close()


def test_a_burst_is_not_kept_as_the_length_of_the_log_for_ever(tmp_path: Path) -> None:
    store, reader = SqliteStore(tmp_path), SqliteStore(tmp_path)
    reader._run("BEGIN")
    reader.get("k")  # its view of the database holds the log
    for number in range(400):
        store.set("k", str(number) * 10_000)
    log = tmp_path / "kv.sqlite-wal"
    burst_bytes = log.stat().st_size
    reader._run("COMMIT")
    for number in range(3):
        store.set("k", str(number))

    assert 3 * (1 << 20) < burst_bytes
    assert log.stat().st_size <= 1 << 20
    store.close()
    reader.close()
