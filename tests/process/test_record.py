"""The record in a real repository: published, closed, refused, killed, and done again."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import GOLDEN, RUN_ID, commit_all, git, make_project, make_run

from soakproof import schema
from soakproof.errors import ConfigError, EvidenceBroken, InvalidDocument, MissingInput
from soakproof.evidence.revision import checkout_record
from soakproof.evidence.yaml_text import read_mapping
from soakproof.model import Verdict
from soakproof.rundir import Project, RunDir, write_json
from soakproof.stages.record import record

pytestmark = pytest.mark.process

HANG_GUARD_S = 60
HEAD = "a" * 40
PUBLISHED = (
    "_ctx/logs/wo_p3_0/soak_run.log",
    "_ctx/metrics/ast_soak_run.json",
    "_ctx/logs/wo_p3_0/verdict.json",
    "docs/reports/ast_soak_run.md",
    "_ctx/logs/wo_p3_0/anchors.json",
)
GOVERNED = ("_ctx/jobs/WO-P3.0.yaml", "_ctx/backlog/backlog.yaml", "_ctx/session_trifecta_dope.md")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project in a repository of its own."""
    return make_project(tmp_path)


def tracked(project: Project) -> dict[str, bytes]:
    """Every file that git tracks or would: name → bytes."""
    names = git(project.root, "ls-files", "--cached", "--others", "--exclude-standard")
    return {name: (project.root / name).read_bytes() for name in names.splitlines()}


def order(project: Project) -> dict[str, Any]:
    """The work order, which must be what its schema asks for."""
    path = project.root / GOVERNED[0]
    found = read_mapping(path.name, path.read_text("utf-8"))
    schema.check(found, "work-order", path)
    return found


def without_clock(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: re.sub(rb"closed_at: .*", b"", data) for name, data in files.items()}


def test_a_pass_is_published_and_closes_the_work_order(project: Project) -> None:
    run = make_run(project)
    session = project.root / GOVERNED[2]
    before = session.read_bytes()
    result = record(project, run)

    assert (Verdict.PASS, "WO-P3.0", True, "") == (
        result.verdict,
        result.work_order,
        result.closed,
        result.why_not_closed,
    )
    assert [run.log, run.metrics, run.verdict, run.anchors] == [
        path
        for path, name in zip(
            (run.log, run.metrics, run.verdict, run.anchors),
            (*PUBLISHED[:3], PUBLISHED[4]),
            strict=True,
        )
        if path.read_bytes() == (project.root / name).read_bytes()
    ]
    report = result.report_path.read_text("utf-8")
    assert report.startswith(f"# PASS: ast_cache, run {RUN_ID}\n")
    assert f"Work order WO-P3.0 is closed at `{HEAD}`.\n" in report
    found = order(project)
    manifest = result.bundle_path / "MANIFEST.json"
    assert ("done", HEAD, [RUN_ID], [*PUBLISHED, project.relative(manifest)]) == (
        found["status"],
        found["verified_at_sha"],
        found["run_ids"],
        found["evidence_logs"],
    )
    assert hashlib.sha256(manifest.read_bytes()).hexdigest() == found["manifest_sha256"]
    assert "dirty" not in found
    (item,) = read_mapping("b", (project.root / GOVERNED[1]).read_text("utf-8"))["items"]
    assert ("done", HEAD, RUN_ID) == (
        item["status"],
        item["verified_at_sha"],
        item["verified_by_run"],
    )
    assert session.read_bytes().startswith(before + f"\n## Soak run {RUN_ID}\n".encode())
    assert 12 >= session.read_bytes()[len(before) :].count(b"\n")


def test_recording_again_changes_not_a_byte(project: Project) -> None:
    run = make_run(project)
    record(project, run)
    before = tracked(project)
    times = {name: (project.root / name).stat().st_mtime_ns for name in before}

    assert record(project, run).closed
    assert before == tracked(project)
    assert times == {name: (project.root / name).stat().st_mtime_ns for name in before}


def test_comments_and_every_other_line_stay(project: Project) -> None:
    record(project, make_run(project))

    for name in GOVERNED:
        old = (GOLDEN / "record" / Path(name).name).read_text("utf-8").splitlines()
        new = iter((project.root / name).read_text("utf-8").splitlines())
        gone = [line for line in old if "status: pending" not in line and line not in new]
        assert [] == gone, name


def test_the_record_is_no_dirt_for_the_next_run(project: Project) -> None:
    record(project, make_run(project))

    assert False is checkout_record(project.root)["dirty"]


def test_a_second_run_is_added(project: Project) -> None:
    record(project, make_run(project))
    once = (project.root / GOVERNED[2]).read_bytes()
    record(project, make_run(project, run_id="second"))

    assert [RUN_ID, "second"] == order(project)["run_ids"]
    assert (project.root / GOVERNED[2]).read_bytes().startswith(once)
    assert f"run {'second'}" in (project.root / PUBLISHED[3]).read_text("utf-8")


@pytest.mark.parametrize("allow_dirty", [False, True])
def test_a_fail_is_published_and_closes_nothing(project: Project, *, allow_dirty: bool) -> None:
    before = {name: data for name, data in tracked(project).items() if name in GOVERNED}
    result = record(project, make_run(project, "fail"), allow_dirty=allow_dirty)

    assert (Verdict.FAIL, False) == (result.verdict, result.closed)
    assert "the verdict is FAIL, and only a PASS closes a work order" == result.why_not_closed
    assert before == {name: tracked(project)[name] for name in GOVERNED}
    report = result.report_path.read_text("utf-8")
    assert report.startswith("# FAIL: ")
    assert f"is not closed by this run: {result.why_not_closed}." in report


def test_an_interrupted_run_closes_nothing(project: Project) -> None:
    result = record(project, make_run(project, state="interrupted"))

    assert (False, "pending") == (result.closed, order(project)["status"])


def test_a_dirty_tree_closes_only_on_request_and_says_so(project: Project) -> None:
    dirt = {"commit": "d" * 40, "dirty": True, "dirty_files": ["src/x.py"]}
    run = make_run(project, checkout=dirt)
    refused = record(project, run)

    assert (False, "pending") == (refused.closed, order(project)["status"])
    assert refused.why_not_closed.startswith("the checkout is dirty: src/x.py; commit, build")

    assert record(project, run, allow_dirty=True).closed
    found = order(project)
    assert ("done", "d" * 40, True) == (found["status"], found["verified_at_sha"], found["dirty"])
    for name in PUBLISHED[3], GOVERNED[2]:
        assert "DIRTY, on request: the checkout is dirty: src/x.py" in (
            project.root / name
        ).read_text("utf-8")

    assert record(project, make_run(project, run_id="clean")).closed
    assert False is order(project)["dirty"]


def rewrite(path: Path, **fields: object) -> None:
    write_json(path, json.loads(path.read_bytes()) | fields)


def forget_plan(run: RunDir) -> None:
    run.history.write_text("torn", "utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: rewrite(run.metrics, seed=8), "verdict.json: metrics_sha256: expected"),
        (lambda run: rewrite(run.plan, created_at_utc="2026-01-01T00:00:00Z"), "plan_sha256"),
        (lambda run: run.history.write_bytes(run.history.read_bytes() * 2), "history_sha256"),
        (lambda run: rewrite(run.verdict, gate_sha256="0" * 64), "gate_sha256"),
        (lambda run: rewrite(run.verdict, run_id="other"), "verdict.json: run_id"),
        (lambda run: rewrite(run.anchors, run_id="other"), "anchors.json: run_id"),
        (forget_plan, "plan_sha256: expected .* found None"),
    ],
)
def test_documents_that_do_not_belong_together_are_refused(
    project: Project, spoil: Callable[[RunDir], None], message: str
) -> None:
    run = make_run(project)
    before = tracked(project)
    spoil(run)

    with pytest.raises(EvidenceBroken, match=message) as caught:
        record(project, run)
    assert 12 == caught.value.exit_code
    assert before == tracked(project)


@pytest.mark.parametrize("name", ["plan", "run", "metrics", "verdict", "history", "log"])
def test_what_is_missing_is_named(project: Project, name: str) -> None:
    run = make_run(project)
    before = tracked(project)
    path: Path = getattr(run, name)
    path.unlink()

    with pytest.raises(MissingInput, match=f"{path.name}: not there"):
        record(project, run)
    assert before == tracked(project)


def test_anchors_may_be_missing_and_those_of_another_run_go(project: Project) -> None:
    record(project, make_run(project))
    other = make_run(project, run_id="other")
    other.anchors.unlink()
    record(project, other)

    assert not (project.root / PUBLISHED[4]).exists()


def test_without_a_work_order_the_evidence_is_published(project: Project) -> None:
    (project.root / GOVERNED[0]).unlink()
    result = record(project, make_run(project))

    assert (False, "_ctx/jobs/WO-P3.0.yaml is not there") == (result.closed, result.why_not_closed)
    assert result.log_path.is_file()


def test_without_backlog_and_session_the_work_order_is_closed(project: Project) -> None:
    for name in GOVERNED[1:]:
        (project.root / name).unlink()

    assert record(project, make_run(project)).closed
    assert not (project.root / GOVERNED[1]).exists()
    assert (project.root / GOVERNED[2]).is_file()


@pytest.mark.parametrize(
    ("text", "error"),
    [("id: [", ConfigError), ("id: WO-P3.0\n", InvalidDocument), ("id: \xff", ConfigError)],
)
def test_a_broken_work_order_is_told_and_nothing_else_is_closed(
    project: Project, text: str, error: type[Exception]
) -> None:
    (project.root / GOVERNED[0]).write_bytes(text.encode("latin-1"))
    before = {name: tracked(project)[name] for name in GOVERNED}

    with pytest.raises(error, match=r"WO-P3\.0\.yaml"):
        record(project, make_run(project))
    assert before == {name: tracked(project)[name] for name in GOVERNED}


_KILLED = """
import os, signal, sys
from pathlib import Path
from soakproof.rundir import Project, RunDir
from soakproof.stages.record import record

root, run_id, at, moment = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
replace, calls = os.replace, 0

def killing(source, target):
    global calls
    calls += 1
    if calls == at and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
    if calls == at:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = killing
project = Project(root)
record(project, RunDir(project.runs / run_id))
"""


def start(project: Project, run: RunDir, at: int, moment: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", _KILLED, str(project.root), run.run_id, str(at), moment]
    return subprocess.Popen(argv)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_write_the_record_is_old_or_new_and_again_finishes_it(
    tmp_path: Path, moment: str
) -> None:
    whole = make_project(tmp_path / "whole")
    record(whole, make_run(whole))
    wanted = without_clock(tracked(whole))
    for at in range(1, 1 + len(PUBLISHED) + len(GOVERNED)):
        project = make_project(tmp_path / str(at))
        run = make_run(project)
        old = tracked(project)
        process = start(project, run, at, moment)

        assert -signal.SIGKILL == process.wait(timeout=HANG_GUARD_S)
        for name, data in without_clock(tracked(project)).items():
            if not name.endswith(".part"):
                assert data in {old.get(name), wanted[name]}, (at, name)
        evidence_is_there = all((project.root / name).is_file() for name in PUBLISHED)
        assert evidence_is_there or order(project)["status"] == "pending"
        assert record(project, run).closed
        found = without_clock(tracked(project))
        assert wanted == {name: data for name, data in found.items() if not name.endswith(".part")}


def test_two_at_once_both_are_recorded(project: Project) -> None:
    runs = [make_run(project, run_id=f"run-{number}") for number in range(4)]
    processes = [start(project, run, 0, "never") for run in runs]

    assert [0] * 4 == [process.wait(timeout=HANG_GUARD_S) for process in processes]
    found = order(project)
    assert sorted(run.run_id for run in runs) == sorted(found["run_ids"])
    log = (project.root / PUBLISHED[0]).read_text("utf-8")
    assert f"the log of {found['run_ids'][-1]}\n" == log
    session = (project.root / GOVERNED[2]).read_text("utf-8")
    assert found["run_ids"] == re.findall(r"^## Soak run (.*)$", session, re.MULTILINE)


def test_the_evidence_survives_a_clone(project: Project, tmp_path: Path) -> None:
    record(project, make_run(project))
    commit_all(project.root)
    clone = tmp_path / "clone"
    git(project.root, "clone", "--quiet", str(project.root), str(clone))
    found = order(Project(clone))

    assert [] == [name for name in found["evidence_logs"] if not (clone / name).is_file()]
