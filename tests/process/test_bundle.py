"""The bundle in its place: whole or not at all, killed at any moment."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import RUN_ID, make_project, make_run

from soakproof.errors import ConfigError, EvidenceBroken, MissingInput
from soakproof.evidence.bundle import COMPRESS_FROM_BYTES, interpreters_of
from soakproof.evidence.whole_folder import put_folder
from soakproof.line_writers import ChainedLineWriter
from soakproof.rundir import Project, RunDir, write_json
from soakproof.stages.record import record

pytestmark = pytest.mark.process

HANG_GUARD_S = 60

# Kills itself at a call that touches the disk for good: before it, or after it.
_KILLED = """
import os, signal, sys
from pathlib import Path
from soakproof.evidence.whole_folder import put_folder

place, at, moment = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
calls = 0

def killing(name):
    real = getattr(os, name)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == at and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return real(*args, **kwargs)
        finally:
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
    setattr(os, name, call)

for name in ("fsync", "rename", "mkdir", "unlink", "rmdir"):
    killing(name)
put_folder(place, {f"{n}/file": bytes([n]) * 5000 for n in range(3)} | {"top": b"new"})
print(calls)
"""
OLD = {"top": b"old", "gone": b"gone"}
NEW = {f"{n}/file": bytes([n]) * 5000 for n in range(3)} | {"top": b"new"}


def put(place: Path, at: int, moment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", _KILLED, str(place), str(at), moment]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=HANG_GUARD_S)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(place: Path) -> dict[str, bytes]:
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("old", [{}, OLD], ids=["first", "again"])
def test_killed_at_any_step_there_is_the_old_folder_or_the_new_one(
    tmp_path: Path, moment: str, old: dict[str, bytes]
) -> None:
    whole = tmp_path / "whole"
    put_folder(whole, old) if old else None
    steps = int(put(whole, 0, "never").stdout)
    assert steps > len(NEW)
    seen = set()
    for at in range(1, steps + 1):
        place = tmp_path / f"at-{at}"
        put_folder(place, old) if old else None

        assert -signal.SIGKILL == put(place, at, moment).returncode
        found = content(place)
        assert found in (old, NEW), f"step {at}"
        assert bool(old) <= place.exists()
        seen.add(found == NEW)
        put_folder(place, NEW)
        assert NEW == content(place)
    assert {False, True} == seen
    assert {"whole", *(f"at-{at}" for at in range(1, steps + 1))} == {
        path.name for path in tmp_path.iterdir()
    }


def test_without_an_exchange_in_one_step_the_folder_still_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_folder(tmp_path / "place", OLD)
    monkeypatch.setattr("ctypes.CDLL", lambda *_args, **_more: object())
    put_folder(tmp_path / "place", NEW)

    assert NEW == content(tmp_path / "place")
    assert ["place"] == names(tmp_path)


def test_a_folder_that_is_just_so_is_not_touched(tmp_path: Path) -> None:
    assert put_folder(tmp_path / "place", NEW)
    before = (tmp_path / "place").stat().st_mtime_ns, (tmp_path / "place" / "top").stat()

    assert not put_folder(tmp_path / "place", NEW)
    assert before == ((tmp_path / "place").stat().st_mtime_ns, (tmp_path / "place" / "top").stat())


def relink(run: RunDir) -> None:
    """Make the hashes of the run's documents fit again."""
    for path, key, source in (
        (run.metrics, "history_sha256", run.history),
        (run.verdict, "metrics_sha256", run.metrics),
    ):
        document = json.loads(path.read_bytes())
        document[key] = hashlib.sha256(source.read_bytes()).hexdigest()
        write_json(path, document)


def lengthen(run: RunDir, lines: int) -> None:
    """Give a golden run a longer history, and the hashes that go with it."""
    begin = json.loads(run.history.read_bytes().splitlines()[0])
    run.history.unlink()
    with ChainedLineWriter(run.history, run.run_id) as history:
        history.write({name: value for name, value in begin.items() if name != "chain"})
        for seq in range(1, lines):
            history.write({"seq": seq, "type": "probe", "mono_ns": seq, "kind": "x" * 50})
    relink(run)


def test_a_long_history_is_compressed_to_the_same_bytes_each_time(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        project = make_project(tmp_path / name)
        run = make_run(project)
        lengthen(run, 4000)
        bundle = record(project, run).bundle_path
        assert run.history.stat().st_size > COMPRESS_FROM_BYTES
        assert run.history.read_bytes() == gzip.decompress(
            (bundle / "history.jsonl.gz").read_bytes()
        )
        found.append(content(bundle))

    assert found[0] == found[1]


def test_the_bundle_says_which_interpreters_were_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "nox.json"
    sessions = [
        {"name": "lint", "result": "success"},
        {"name": "tests-3.13", "result": "success"},
        {"name": "tests-3.14", "result": "skipped"},
    ]
    report.write_text(json.dumps({"sessions": sessions}), "utf-8")
    monkeypatch.setenv("SOAKPROOF_NOX_REPORT", str(report))
    project = make_project(tmp_path / "project")
    manifest = json.loads(
        (record(project, make_run(project)).bundle_path / "MANIFEST.json").read_bytes()
    )

    assert {"tests-3.13": "success", "tests-3.14": "skipped"} == manifest["interpreters"]


def test_a_report_of_nox_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="nox --report"):
        interpreters_of(tmp_path / "none.json")
    (tmp_path / "other.json").write_text("[]", "utf-8")
    with pytest.raises(ConfigError, match="expected the JSON that `nox --report` writes"):
        interpreters_of(tmp_path / "other.json")


def test_the_score_of_a_selftest_comes_along(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    write_json(project.ctx / "selftest" / "score.json", {"caught": 3})

    bundle = record(project, make_run(project)).bundle_path
    assert {"caught": 3} == json.loads((bundle / "selftest.json").read_bytes())


def test_a_broken_chain_is_not_recorded(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    run = make_run(project)
    lengthen(run, 5)
    lines = run.history.read_bytes().splitlines(keepends=True)
    run.history.write_bytes(b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]))
    relink(run)

    with pytest.raises(EvidenceBroken, match=r"history\.jsonl:3: expected a line that continues"):
        record(project, run)
    assert not (project.evidence / RUN_ID).exists()


def test_two_runs_have_two_bundles(tmp_path: Path) -> None:
    project: Project = make_project(tmp_path)
    for run_id in ("one", "two"):
        record(project, make_run(project, run_id=run_id))

    assert ["one", "two"] == names(project.evidence)
