"""A run that is watched while it lasts; and a file whose name another file takes meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from event_files import line
from soaker import HANG_GUARD_S, Soaker

from soakproof.bulk.blocks import LONGEST_LINE_BYTES
from soakproof.bulk.tail import Line, Moved, Tail

pytestmark = pytest.mark.process


def told(tail: Tail) -> list[tuple[int, bytes] | str]:
    return [one.how if isinstance(one, Moved) else (one.number, one.body) for one in tail.new()]


def test_a_file_grows_and_only_whole_lines_are_told(tmp_path: Path) -> None:
    path = tmp_path / "f"
    tail = Tail(path)

    assert [] == told(tail)
    path.write_bytes(b"one\n\ntw")
    assert [(1, b"one")] == told(tail)
    assert Line(3, b"tw", 2, whole=False) == tail.rest()
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert [(3, b"two"), (4, b"three")] == told(tail)
    assert tail.rest() is None
    tail.close()


def test_a_file_is_truncated_replaced_and_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "f", tmp_path / "g"
    path.write_bytes(b"one\ntwo\nto")
    tail = Tail(path)
    assert [(1, b"one"), (2, b"two")] == told(tail)

    os.truncate(path, 0)
    with path.open("ab") as file:
        file.write(b"new\n")
    assert [(3, b"to"), "truncated", (1, b"new")] == told(tail)

    with path.open("ab") as file:
        file.write(b"late\n")
    path.rename(other)
    path.write_bytes(b"next\n")
    assert [(2, b"late"), "replaced", (1, b"next")] == told(tail)

    path.unlink()
    assert ["removed"] == told(tail)
    path.write_bytes(b"back\n")
    assert [(1, b"back")] == told(tail)
    tail.close()


def test_a_line_that_is_too_long_is_told_without_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    long = LONGEST_LINE_BYTES + 1
    path.write_bytes(b"x" * long + b"\nshort\n")
    tail = Tail(path)

    assert [Line(1, b"", long, whole=True), Line(2, b"short", 5, whole=True)] == list(tail.new())
    tail.close()


def test_a_run_is_watched_until_it_ends(soaker: Callable[..., Soaker]) -> None:
    soaks = soaker()
    planned = soaks("clean", "--campaign", "toy", "--ops", "30", "--workers", "2", "--run-id", "r")
    assert 0 == planned.returncode, planned.stderr
    watcher = soaks.start("follow", "r")
    run = soaks.start("run", "--run-id", "r")
    out, err = watcher.communicate(timeout=HANG_GUARD_S)
    run.communicate(timeout=HANG_GUARD_S)
    lines = (soaks.root / "_ctx/runs/r/history.jsonl").read_bytes().count(b"\n")

    assert (0, "") == (watcher.returncode, out)
    assert f"end: {lines:,} lines of history" in err
    # Afterwards it says the same, and what was damaged since.
    folder = soaks.root / "_ctx/runs/r/telemetry"
    event = line("cache.lock_timeout", x={"op": "op-7", "seq": 1, "pid": 7})
    (folder / "events-2.jsonl").write_bytes(b'{"torn"\n' + event + b"\n" + event[:20])
    done = soaks("follow", "r", "--json")
    anomalies = [json.loads(one) for one in done.stdout.splitlines()]
    assert 10 == done.returncode
    assert ["damaged_line", "lock_timeout", "damaged_line"] == [one["sort"] for one in anomalies]
    assert anomalies[0]["text"].startswith("events-2.jsonl:1: ")
    assert anomalies[2]["text"].startswith("events-2.jsonl:3: torn")


def test_a_run_that_was_killed_is_gone(soaker: Callable[..., Soaker]) -> None:
    soaks = soaker()
    soaks("clean", "--campaign", "toy", "--ops", "2000", "--workers", "2", "--run-id", "r")
    run = soaks.start("run", "--run-id", "r")
    watcher = soaks.start("follow", "r")
    history = soaks.root / "_ctx/runs/r/history.jsonl"
    wait_for(lambda: history.exists() and history.stat().st_size > 2000, run)
    run.kill()
    run.communicate(timeout=HANG_GUARD_S)
    out, err = watcher.communicate(timeout=HANG_GUARD_S)

    assert 10 == watcher.returncode
    assert "nobody writes the history any more, and it has no end" in out
    assert err.splitlines()[-1].startswith("gone: ")


def test_ctrl_c_ends_the_watch_and_says_what_was_seen(soaker: Callable[..., Soaker]) -> None:
    soaks = soaker()
    soaks("clean", "--campaign", "toy", "--ops", "5", "--workers", "2", "--run-id", "r")
    watcher = soaks.start("follow", "r")
    assert watcher.stderr is not None
    assert "following r" in watcher.stderr.readline()
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=HANG_GUARD_S)

    assert 130 == watcher.returncode
    assert "running: 0 lines of history, 0 events, 0 anomalies" in err


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a condition, as long as a process lives."""
    pause = threading.Event()
    while not happened():
        assert process.poll() is None
        pause.wait(0.05)
