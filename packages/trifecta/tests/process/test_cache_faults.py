"""A cache may never make an answer wrong or an operation fail, whatever happens to its files."""

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from trifecta_process import Trifecta, held, mounted

NAMES = ["plain", "plain.<locals>.nested", "Shape", "Shape._draw", "Shape.__len__"]
SHORT = {"TRIFECTA_LOCK_TIMEOUT_MS": "150"}


def lock_of(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def integrity(database: Path) -> str:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def other_schema(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE something(else_)")
        connection.commit()


def same_table_other_columns(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entry_v2(a, b)")
        connection.commit()


def older_format(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id=1953654369")
        connection.execute("PRAGMA user_version=1")
        connection.execute("CREATE TABLE entry_v1(a, b)")
        connection.commit()


def random_bytes(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 300)


def zero_bytes(path: Path) -> None:
    path.write_bytes(b"")


def damaged_header(path: Path) -> None:
    path.write_bytes(b"X" * 100 + path.read_bytes()[100:])


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


@pytest.mark.parametrize(
    "damage",
    [
        other_schema,
        same_table_other_columns,
        older_format,
        random_bytes,
        zero_bytes,
        damaged_header,
        truncated,
    ],
)
def test_a_broken_database_is_set_aside_and_rebuilt(
    trifecta: Trifecta, damage: "Callable[[Path], None]"
) -> None:
    trifecta.symbols("sample")
    trifecta.forget_events()
    if damage in {other_schema, same_table_other_columns, older_format}:
        trifecta.ast_db.unlink()
    damage(trifecta.ast_db)
    first, second = trifecta.symbols("sample"), trifecta.symbols("sample")

    assert (first.code, first.names, first.err) == (0, NAMES, "")
    assert second.out == first.out
    assert trifecta.commands() == [
        "ast.cache.miss",
        "ast.cache.recovered",
        "ast.cache.write",
        "ast.symbols",
        "ast.cache.hit",
        "ast.symbols",
    ]
    aside = Path(trifecta.event("ast.cache.recovered")["result"]["set_aside"])
    assert aside.exists()
    assert integrity(trifecta.ast_db) == "ok"


def test_a_file_cut_short_within_a_page_harms_no_answer(trifecta: Trifecta) -> None:
    right = trifecta.symbols("sample")
    trifecta.ast_db.write_bytes(trifecta.ast_db.read_bytes()[:-100])
    for index in range(4):
        trifecta.write(f"m{index}.py", f"def f{index}(): pass\n" * 200)

        assert trifecta.symbols(f"m{index}").code == 0
        assert trifecta.symbols("sample").out == right.out
    assert integrity(trifecta.ast_db) == "ok"


def test_databases_set_aside_are_bounded_in_number(trifecta: Trifecta) -> None:
    for _ in range(6):
        trifecta.ast_db.parent.mkdir(parents=True, exist_ok=True)
        random_bytes(trifecta.ast_db)
        trifecta.symbols("sample")

    assert len(list(trifecta.ast_db.parent.glob("*.damaged-*"))) == 3
    cleared = trifecta.run("ast", "clear-cache", "--segment", str(trifecta.root)).json
    assert cleared["set_aside_removed"] == 3


def test_altered_bytes_in_a_stored_value_are_never_served(trifecta: Trifecta) -> None:
    right = trifecta.symbols("sample")
    content = trifecta.ast_db.read_bytes()
    assert content.count(b"Say something.") == 1
    trifecta.ast_db.write_bytes(content.replace(b"Say something.", b"Lie something."))
    trifecta.forget_events()

    assert integrity(trifecta.ast_db) == "ok"
    assert trifecta.symbols("sample").out == right.out
    assert trifecta.event("ast.cache.miss")["result"]["reason"] == "damaged_row"
    assert trifecta.symbols("sample").out == right.out
    assert trifecta.commands()[-2:] == ["ast.cache.hit", "ast.symbols"]


def test_a_newer_format_is_left_alone_and_not_used(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    with contextlib.closing(sqlite3.connect(trifecta.ast_db)) as connection:
        connection.execute("ALTER TABLE entry_v2 RENAME TO entry_v3")
        connection.execute("PRAGMA user_version=3")
    before = trifecta.ast_db.read_bytes()
    trifecta.forget_events()
    answer = trifecta.symbols("sample")

    assert (answer.code, answer.names) == (0, NAMES)
    assert trifecta.ast_db.read_bytes() == before
    assert trifecta.event("ast.cache.degraded")["result"]["reason"] == "newer_format"


def test_a_newer_format_with_our_table_is_not_written_either(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    with contextlib.closing(sqlite3.connect(trifecta.ast_db)) as connection:
        connection.execute("PRAGMA user_version=3")
    trifecta.write("other.py", "def other(): pass\n")
    trifecta.forget_events()

    assert trifecta.symbols("other").names == ["other"]
    assert trifecta.event("ast.cache.degraded")["result"]["reason"] == "newer_format"


def test_a_database_deleted_underneath_costs_a_miss(trifecta: Trifecta) -> None:
    first = trifecta.symbols("sample")
    for path in trifecta.ast_db.parent.iterdir():
        path.unlink()

    assert trifecta.symbols("sample").out == first.out
    assert trifecta.symbols("sample").out == first.out


def test_a_lock_held_for_ever_costs_an_event(trifecta: Trifecta) -> None:
    with held(lock_of(trifecta.ast_db)):
        answer = trifecta.symbols("sample", env=SHORT)

    assert (answer.code, answer.names, answer.err) == (0, NAMES, "")
    result = trifecta.event("ast.cache.lock_timeout")["result"]
    assert result["for"] == "file_lock"
    assert result["path"].endswith(".db.lock")
    assert result["waited_ms"] >= 150
    assert "ast.cache.write" not in trifecta.commands()
    assert "ast.cache.lock_wait" not in trifecta.commands()


def test_a_hit_does_not_care_about_the_lock(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    trifecta.forget_events()
    with held(lock_of(trifecta.ast_db)):
        trifecta.symbols("sample")

    assert trifecta.commands() == ["ast.cache.hit", "ast.symbols"]


def has_open(pid: int, path: Path) -> bool:
    folder = Path(f"/proc/{pid}/fd")
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            if os.readlink(folder / name) == str(path):
                return True
    return False


@pytest.mark.parametrize("holder", ["flock", "filelock"])
def test_the_answer_comes_before_the_lock_and_true_waiting_is_told(
    trifecta: Trifecta, holder: str
) -> None:
    lock = lock_of(trifecta.ast_db)
    lock.parent.mkdir(parents=True)
    uri = "sym://python/mod/sample"
    holding = held(lock) if holder == "flock" else FileLock(lock)
    with trifecta.start("ast", "symbols", uri, env={"TRIFECTA_AST_PERSIST": "1"}) as process:
        with holding:
            assert process.stdout is not None
            line = process.stdout.readline()
            while not has_open(process.pid, lock):
                assert process.poll() is None
            # the program came for the lock while it was held; only now it may have it
        assert process.wait(60) == 0

    assert line.startswith(b'{"status":"ok"')
    if "ast.cache.lock_wait" in trifecta.commands():  # unless it opened and we let go first
        result = trifecta.event("ast.cache.lock_wait")["result"]
        assert result["for"] == "file_lock"
        assert result["waited_ms"] > 0
    assert "ast.cache.write" in trifecta.commands()


def test_no_contention_no_lock_wait(trifecta: Trifecta) -> None:
    for index in range(5):
        trifecta.write(f"m{index}.py", f"def f{index}(): pass\n")
        trifecta.symbols(f"m{index}")

    assert "ast.cache.lock_wait" not in trifecta.commands()


def test_a_busy_database_is_not_a_broken_one(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    trifecta.write("other.py", "def other(): pass\n")
    trifecta.forget_events()
    with contextlib.closing(sqlite3.connect(trifecta.ast_db, isolation_level=None)) as busy:
        busy.execute("BEGIN EXCLUSIVE")
        answer = trifecta.symbols("other", env=SHORT)

    assert (answer.code, answer.names) == (0, ["other"])
    assert trifecta.event("ast.cache.lock_timeout")["result"]["for"] == "database"
    assert "ast.cache.recovered" not in trifecta.commands()
    assert not list(trifecta.ast_db.parent.glob("*.damaged-*"))


def test_rows_that_are_still_in_the_log_are_hits(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    trifecta.write("other.py", "def other(): pass\n")
    trifecta.forget_events()
    with contextlib.closing(sqlite3.connect(trifecta.ast_db)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entry_v2").fetchone()
        trifecta.symbols("other")  # cannot move the log while the reader looks
        assert trifecta.symbols("other").names == ["other"]

    assert trifecta.commands()[-2:] == ["ast.cache.hit", "ast.symbols"]


@contextlib.contextmanager
def mounted_or_skip(folder: Path, *options: str) -> Iterator[None]:
    try:
        mount = mounted(folder, *options)
        mount.__enter__()
    except (PermissionError, FileNotFoundError) as problem:
        pytest.skip(f"mounting is not permitted here: {problem}")
    try:
        yield
    finally:
        mount.__exit__(None, None, None)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_full_disk_costs_an_event(trifecta: Trifecta, warm: bool) -> None:
    cache = trifecta.root / ".trifecta"
    with mounted_or_skip(cache, "-t", "tmpfs", "-o", "size=256k", "tmpfs"):
        if warm:
            trifecta.symbols("sample")
            trifecta.write("other.py", "def other(): pass\n" * 300)
        filler = cache / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as handle:
            while handle.write(b"x" * 4096):
                pass
        trifecta.forget_events()
        answer = trifecta.symbols("other" if warm else "sample")

        assert (answer.code, answer.err) == (0, "")
        assert trifecta.event("ast.cache.degraded")["result"]["reason"] == "disk_full"
        if warm:
            trifecta.forget_events()
            assert trifecta.symbols("sample").names == NAMES
            assert trifecta.commands() == ["ast.cache.hit", "ast.symbols"]


def test_a_read_only_cache_still_hits_and_never_fails(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    trifecta.write("other.py", "def other(): pass\n")
    trifecta.forget_events()
    cache = trifecta.root / ".trifecta"
    with mounted_or_skip(cache, "--bind", str(cache)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(cache)], check=True)
        assert trifecta.symbols("sample").names == NAMES
        assert trifecta.commands() == ["ast.cache.hit", "ast.symbols"]
        answer = trifecta.symbols("other")

    assert (answer.code, answer.names, answer.err) == (0, ["other"], "")
    assert trifecta.event("ast.cache.degraded")["result"]["reason"] == "read_only"


def test_a_read_only_telemetry_folder_is_said_once(trifecta: Trifecta) -> None:
    log = trifecta.root / "_ctx"
    with mounted_or_skip(log, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        answer = trifecta.symbols("sample")

    assert (answer.code, answer.names) == (0, NAMES)
    assert answer.err == "trifecta: note: telemetry cannot be written: Read-only file system\n"


@pytest.mark.parametrize("name", [".trifecta", "_ctx"])
def test_a_file_in_the_place_of_a_folder_harms_nothing(trifecta: Trifecta, name: str) -> None:
    trifecta.write(name, "in the way")
    answer = trifecta.symbols("sample")

    assert (answer.code, answer.names) == (0, NAMES)
    assert answer.err.count("\n") == (1 if name == "_ctx" else 0)
    if name == ".trifecta":
        assert trifecta.event("ast.cache.degraded")["result"]["reason"] == "not_a_folder"


def test_a_telemetry_file_that_is_a_pipe_harms_nothing(trifecta: Trifecta) -> None:
    trifecta.log.parent.mkdir(parents=True)
    os.mkfifo(trifecta.log)

    assert trifecta.symbols("sample").code == 0


def test_a_torn_line_is_not_glued_onto_the_next(trifecta: Trifecta) -> None:
    trifecta.log.parent.mkdir(parents=True)
    trifecta.log.write_bytes(b'{"ts":"torn')
    trifecta.symbols("sample")
    lines = [line for line in trifecta.log.read_bytes().split(b"\n") if line]

    assert lines[0] == b'{"ts":"torn'
    assert len(lines) == 4


def test_an_interrupt_while_waiting_is_exit_130(trifecta: Trifecta) -> None:
    lock = lock_of(trifecta.ast_db)
    uri = "sym://python/mod/sample"
    with (
        held(lock),
        trifecta.start("ast", "symbols", uri, "--persist-cache") as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b'{"status":"ok"')
        while not has_open(process.pid, lock):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b"trifecta: interrupted\n"


@pytest.mark.parametrize(
    "name", ["se g?m#e%20n't", "ünï", os.fsdecode(b"odd\xff"), ".hidden", "-x"]
)
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    subject = Trifecta(root)
    subject.write("mod.py", "def f(): pass\n")
    for _ in range(2):
        answer = subject.run(
            "ast", "symbols", "sym://python/mod/mod", f"--segment={root}", "--persist-cache"
        )
        assert answer.names == ["f"]
    assert subject.commands()[-2:] == ["ast.cache.hit", "ast.symbols"]
    assert subject.run("ctx", "search", f"--segment={root}", "--query", "f").json["hits"]


def test_the_cache_may_not_be_ours_to_enter(trifecta: Trifecta) -> None:
    trifecta.ast_db.mkdir(parents=True)
    answer = trifecta.symbols("sample")

    assert (answer.code, answer.names) == (0, NAMES)
    assert "ast.cache.write" not in trifecta.commands()
