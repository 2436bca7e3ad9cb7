"""The deep tier catches what is known to be wrong, and passes what is known to be right."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from deep_project import make_deep_project
from plain_project import make_plain_project

from soakproof.cli import main
from soakproof.deep.calibration import calibrate
from soakproof.deep.crash import MODELS
from soakproof.deep.disk import Tree
from soakproof.deep.effects import CannotRebuildError
from soakproof.deep.recording import Recording
from soakproof.deep.room import lay, output, tree_of, unreadable
from soakproof.deep.strace import Strace, find_strace
from soakproof.errors import UsageError
from soakproof.evidence.bundle import _beside
from soakproof.places import Places
from soakproof.proc import processes_that_name
from soakproof.rundir import Project, write_bytes
from soakproof.stages.deep import deep

pytestmark = [pytest.mark.process, pytest.mark.slow]

CAMPAIGN = "eval/campaigns/deep_toy.toml"


@pytest.fixture(scope="session")
def strace() -> Strace:
    found = find_strace(os.environ)
    if found.path is None:
        pytest.skip(str(found.reason))
    return found


def run_deep(root: Path, way: str, **flags: str) -> dict[str, Any]:
    project = make_deep_project(root, way)
    told = deep(project, {"campaign": CAMPAIGN, **flags}, os.environ, lambda _: None)
    return told.document


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("scan", ["kill", "crash"])
def test_a_tool_of_any_kind_can_be_scanned(tmp_path: Path, scan: str) -> None:
    project = Project(make_plain_project(tmp_path))
    flags = {"campaign": "plain", "scan": scan}
    document = deep(project, flags, os.environ, lambda _: None).document

    assert [] == document["failing"]
    assert all(row["run"] == row["points"] for row in document["scans"])
    assert sum(row["run"] for row in document["scans"]) >= 8


def found_in(document: dict[str, Any], situation: str) -> dict[str, int]:
    rows = [row for row in document["scans"] if row["situation"] == situation]
    assert 1 == len(rows)
    return {kind: count for kind, count in rows[0]["found"].items() if count}


@pytest.mark.parametrize("scan", ["kill", "error", "short", "stop", "crash"])
@pytest.mark.usefixtures("strace")
def test_a_cache_that_writes_beside_syncs_and_renames_passes(tmp_path: Path, scan: str) -> None:
    document = run_deep(tmp_path, "sound", scan=scan)

    assert ("PASS", "") == (document["verdict"], document["reason"]), document["failing"]
    assert all(row["run"] == row["points"] > 0 for row in document["scans"])


@pytest.mark.parametrize(("scan", "situation"), [("kill", "cold"), ("error", "warm")])
@pytest.mark.usefixtures("strace")
def test_a_cache_that_writes_in_place_serves_half_an_answer(
    tmp_path: Path, scan: str, situation: str
) -> None:
    document = run_deep(tmp_path, "in_place", scan=scan)

    assert "FAIL" == document["verdict"]
    assert found_in(document, situation)["wrong"] > 0


@pytest.mark.usefixtures("strace")
def test_a_stopped_writer_in_place_is_read_by_others(tmp_path: Path) -> None:
    document = run_deep(tmp_path, "in_place", scan="stop")
    wrong = [
        part["told"]
        for one in document["failing"]
        for part in one["found"]
        if part["kind"] == "wrong"
    ]

    assert "FAIL" == document["verdict"]
    assert any(told.startswith("the same question meanwhile") for told in wrong)


@pytest.mark.usefixtures("strace")
def test_without_a_sync_only_a_power_cut_empties_the_answer(tmp_path: Path) -> None:
    document = run_deep(tmp_path, "no_sync", scan="crash")

    assert "FAIL" == document["verdict"]
    assert {} == found_in(document, "kill")
    assert {} == found_in(document, "torn_write")
    assert found_in(document, "power_journalled")["wrong"] > 0
    assert found_in(document, "power_names_apart")["wrong"] > 0


@pytest.mark.usefixtures("strace")
def test_a_failing_point_comes_again_by_its_number(tmp_path: Path) -> None:
    first = run_deep(tmp_path / "first", "in_place", scan="kill")["failing"][0]
    again = run_deep(tmp_path / "again", "in_place", scan="kill", point=str(first["point"]))

    assert f"--scan kill --point {first['point']}" in first["replay"]
    assert [first["found"]] == [one["found"] for one in again["failing"]]
    assert not again["whole"]


@pytest.mark.usefixtures("strace")
def test_a_bound_that_cuts_off_makes_it_unknown(tmp_path: Path) -> None:
    document = run_deep(tmp_path, "sound", scan="kill", max_points="2")

    assert "UNKNOWN" == document["verdict"]
    assert [2, 2] == [row["run"] for row in document["scans"]]
    assert all("cut off by the bound" in row["reason"] for row in document["scans"])


@pytest.mark.usefixtures("strace")
def test_what_is_written_through_memory_cannot_be_rebuilt(tmp_path: Path) -> None:
    document = run_deep(tmp_path, "mapped", scan="crash")

    assert "UNKNOWN" == document["verdict"]
    assert all("mmap" in row["reason"] for row in document["scans"])


@pytest.mark.parametrize("setting", [("WAL", "FULL"), ("WAL", "NORMAL")])
def test_plain_sqlite_is_as_its_documentation_says(
    tmp_path: Path, strace: Strace, setting: tuple[str, str]
) -> None:
    rows = calibrate(strace, tmp_path, os.environ, setting, seed=3)

    assert list(MODELS) == [row.model for row in rows]
    assert [] == [row for row in rows if not row.agrees]


def test_without_strace_nothing_runs_and_all_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_deep_project(tmp_path, "sound")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    code = main(["deep", "--campaign", CAMPAIGN, "--json"])
    document = json.loads(capsys.readouterr().out)

    assert 11 == code
    assert not document["strace"]["usable"]
    assert 13 == len(document["scans"])
    assert {"UNKNOWN"} == {row["verdict"] for row in document["scans"]}
    assert all("strace is not on PATH" in row["reason"] for row in document["scans"])
    assert not (tmp_path / "_ctx" / "deep").exists()


def test_a_strace_that_may_not_trace_is_none(tmp_path: Path) -> None:
    program = tmp_path / "strace"
    program.write_text(
        '#!/bin/sh\n[ "$1" = -V ] && echo "strace -- version 9.9" && exit 0\n'
        'echo "strace: ptrace(PTRACE_TRACEME): Operation not permitted" >&2\nexit 1\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    found = find_strace({"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})

    assert (None, "9.9") == (found.path, found.version)
    assert "Operation not permitted" in str(found.reason)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"scan": "everything"}, "--scan: expected one of calibration, kill"),
        ({"point": "3"}, "--point: expected a scan"),
        ({"scan": "kill", "point": "0"}, "--point: expected a whole number"),
        ({"max_points": "many"}, "--max-points: expected a whole number"),
    ],
)
def test_a_flag_that_cannot_be_used_is_one_line(
    tmp_path: Path, flags: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        run_deep(tmp_path, "sound", **flags)


def test_a_library_behind_a_worker_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Path(__file__).parents[2] / "eval" / "campaigns" / "sqlite_kv.toml"
    code = main(["deep", "--campaign", str(campaign)])

    assert 2 == code
    assert "operations: expected a table [operations], found none" in capsys.readouterr().err


@pytest.mark.usefixtures("strace")
def test_a_point_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--point: expected at most"):
        run_deep(tmp_path, "sound", scan="kill", point="9999")

    assert [] == list((tmp_path / "_ctx" / "runs").iterdir())


OPERATIONS = """
import os
os.mkdir("folder")
fd = os.open("folder/a", os.O_RDWR | os.O_CREAT)
os.write(fd, b"0123456789")
os.lseek(fd, 4, os.SEEK_SET)
os.read(fd, 2)
other = os.dup(fd)
os.write(other, b"XY")
os.writev(fd, [b"ab", b"cd\\n"])
os.pwrite(fd, b"far", 5000)
os.ftruncate(fd, 4000)
if os.fork() == 0:
    os.write(fd, b"child")
    os._exit(0)
os.wait()
os.write(fd, b"parent")
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(log, b"one ")
os.link("log", "folder/log")
os.write(log, bytes(range(256)))
os.rename("folder/a", "b")
os.unlink("old")
os.chdir("folder")
os.close(os.open("c", os.O_WRONLY | os.O_CREAT))
os.truncate("../kept", 2)
os.posix_fallocate(fd, 0, 6000)
"""


def recorded(strace: Strace, room: Path, program: str) -> Recording:
    recording = Recording(strace, room)
    trace = room.parent / "trace"
    argv = [sys.executable, "-I", "-S", "-c", program]
    code, _, complaint = output(recording.start(argv, os.environ, trace))
    assert 0 == code, complaint
    recording.take(trace)  # raises where the disk does not hold what the trace tells
    return recording


def test_what_was_recorded_is_what_lies_on_the_disk(tmp_path: Path, strace: Strace) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "old").write_bytes(b"old")
    (room / "kept").write_bytes(b"kept")
    recording = recorded(strace, room, OPERATIONS)

    assert len(recording.effects) >= 16
    assert b"ke" == (room / "kept").read_bytes()


def test_what_goes_past_the_trace_is_noticed(tmp_path: Path, strace: Strace) -> None:
    room = tmp_path / "room"
    room.mkdir()
    recording = Recording(strace, room)
    trace = tmp_path / "trace"
    output(recording.start([sys.executable, "-c", "pass"], os.environ, trace))
    (room / "foreign").write_bytes(b"somebody else's")
    with pytest.raises(CannotRebuildError, match="foreign"):
        recording.take(trace)


def test_a_kill_comes_before_the_call(tmp_path: Path, strace: Strace) -> None:
    file = tmp_path / "file"
    program = (
        f"import os; fd = os.open({str(file)!r}, os.O_WRONLY | os.O_CREAT); os.write(fd, b'x')"
    )
    inject = ["-e", "trace=write", "-e", "inject=write:signal=SIGKILL:when=1"]
    argv = [str(strace.path), "-f", "-q", "-o", "/dev/null", *inject]
    done = subprocess.run([*argv, sys.executable, "-I", "-S", "-c", program], check=False)

    assert 0 != done.returncode
    assert b"" == file.read_bytes()


def test_the_bundle_of_a_run_takes_the_last_deep_tier_along(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write_bytes(project.ctx / "deep" / "deep.json", f'{{"told": "{tmp_path}/x"}}'.encode())
    places = Places({"project": str(tmp_path)})

    assert {"deep.json": b'{"told": "{project}/x"}'} == dict(_beside(project, places))


def test_a_state_is_laid_over_what_is_there(tmp_path: Path) -> None:
    for name in ("kept", "changed", "gone"):
        (tmp_path / name).write_bytes(name.encode())
        (tmp_path / name).chmod(0o755)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").write_bytes(b"")
    tree = Tree({"kept": b"kept", "changed": b"new", "new/file": b"1"}, frozenset({"new"}))
    lay(tree, tmp_path)

    assert tree == tree_of(tmp_path)
    assert 0o755 == stat.S_IMODE((tmp_path / "kept").stat().st_mode)


def test_a_database_is_looked_at_without_being_touched(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t(x)")
        hot = tree_of(tmp_path)  # with a log that holds everything

        assert [] == unreadable([database])
        assert hot == tree_of(tmp_path)
    database.write_bytes(b"X" * 100 + database.read_bytes()[100:])
    assert ["a.db: DatabaseError: file is not a database"] == unreadable([database])


@pytest.mark.usefixtures("strace")
def test_sigterm_leaves_nobody_stopped(tmp_path: Path) -> None:
    make_deep_project(tmp_path, "sound")
    argv = [sys.executable, "-m", "soakproof", "deep", "--campaign", CAMPAIGN, "--scan", "stop"]
    with subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while not list(tmp_path.glob("_ctx/runs/*/rooms/trace-*")):
            assert process.poll() is None, "it ended before it could be interrupted"
        process.terminate()
        code = process.wait(120)

    assert 130 == code
    assert [] == processes_that_name(str(tmp_path))
