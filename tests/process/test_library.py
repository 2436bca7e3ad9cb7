"""Libraries behind workers, soaked for real: a sound one passes, each planted defect is caught."""

from __future__ import annotations

import json
import select
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from library_project import CAMPAIGN, LibraryProject, make_library_project

from soakproof.lines import BadLine, decode_history
from soakproof.rundir import RunDir
from soakproof.verifier.verify import verify_bundle

pytestmark = [pytest.mark.process, pytest.mark.slow]

BROKEN_WORKER = Path(__file__).resolve().parents[1] / "toy" / "broken_worker.py"


@pytest.fixture
def project(tmp_path: Path) -> LibraryProject:
    return make_library_project(tmp_path)


def broken(defect: str) -> str:
    return shlex.join([sys.executable, str(BROKEN_WORKER), defect])


@dataclass(frozen=True)
class Planted:
    """A defect, the criteria that must turn red for it, and a word of the counter-example."""

    defect: str
    caught_by: frozenset[str]
    says: str = ""
    workers: int = 2


WRONG_ANSWERS = (
    Planted("lost_write", frozenset({"no_lost_write"}), "nobody ever saw that: a lost write"),
    Planted("stale_read", frozenset({"no_stale_answer"}), "had been acknowledged before"),
    Planted("wrong_key", frozenset({"no_wrong_answer"}), "the value of another key"),
    Planted("torn_value", frozenset({"no_wrong_answer"}), "does not go on as it"),
    Planted("dirty_cache", frozenset({"no_lost_write"}), ": a lost write", workers=1),
    Planted("lost_update", frozenset({"no_lost_write"}), "one of the two was lost", workers=1),
)
BAD_MANNERS = (
    Planted("crash", frozenset({"no_crashed_worker", "no_indeterminate_operation"})),
    Planted("garbage", frozenset({"no_crashed_worker", "no_indeterminate_operation"})),
    Planted("wrong_id", frozenset({"no_crashed_worker", "no_indeterminate_operation"})),
    Planted("hang", frozenset({"no_hung_worker", "no_indeterminate_operation"})),
    Planted("refuses", frozenset({"no_missing_answer"})),
)


def failed(verdict: dict[str, Any]) -> set[str]:
    return {one["id"] for one in verdict["criteria"] if one["verdict"] == "FAIL"}


def test_a_sound_store_passes_under_kills_and_verifies(project: LibraryProject) -> None:
    # A random kill may find all answered; one that has a writer inside never does.
    project.campaign(faults=[{**CAMPAIGN["faults"][0], "modes": ["writing"]}])
    done = project.soak(broken("none"))

    assert 0 == done.exit_code, done.said
    assert done.metrics["faults"]["by_kind"]["kill"]["took_effect"] >= 1
    assert done.metrics["ops"]["info"] >= 1
    assert done.metrics["answers"]["checked"] == done.metrics["ops"]["ok"]
    assert () == verify_bundle(done.bundle).findings


@pytest.mark.parametrize("planted", WRONG_ANSWERS, ids=lambda one: one.defect)
def test_wrong_answers_are_caught_for_the_right_reason(
    project: LibraryProject, planted: Planted
) -> None:
    done = project.soak(broken(planted.defect), workers=planted.workers)
    first, findings = (done.metrics["answers"][name] for name in ("first", "findings"))

    assert 10 == done.exit_code, done.said
    assert planted.caught_by <= failed(done.verdict)
    assert any(planted.says in one["words"] for one in findings), findings
    assert 1 <= len(first["history"])
    assert first["words"] == findings[0]["words"]

    verified = verify_bundle(done.bundle)

    assert () == verified.findings
    assert "FAIL" == verified.verdict


@pytest.mark.parametrize("planted", BAD_MANNERS, ids=lambda one: one.defect)
def test_a_worker_that_misbehaves_is_an_outcome_and_is_started_again(
    project: LibraryProject, planted: Planted
) -> None:
    done = project.soak(broken(planted.defect), ops=4000, deadline_ms=500)

    assert 10 == done.exit_code, done.said
    assert planted.caught_by == failed(done.verdict)
    assert 4000 == done.metrics["ops"]["ops_total"]
    assert done.metrics["growth"]["leftover_processes"] == 0
    assert () == verify_bundle(done.bundle).findings


def test_megabytes_of_complaints_harm_nobody(project: LibraryProject) -> None:
    done = project.soak(broken("flood"), ops=4000)

    assert 0 == done.exit_code, done.said


def test_what_a_worker_leaves_behind_is_killed_with_it(project: LibraryProject) -> None:
    done = project.soak(broken("leaks"), ops=4000)

    assert 0 == done.exit_code, done.said
    assert 0 == done.metrics["growth"]["leftover_processes"]


def test_a_cache_may_drop_a_key_and_a_store_may_not(project: LibraryProject) -> None:
    as_store = project.soak(broken("forgets"), run_id="store")
    project.target(semantics="cache")
    as_cache = project.soak(broken("forgets"), run_id="cache")

    assert 10 == as_store.exit_code
    assert {"no_lost_write"} <= failed(as_store.verdict)
    assert 0 == as_cache.exit_code, as_cache.said
    assert () == verify_bundle(as_cache.bundle).findings


def test_the_same_seed_asks_the_same(project: LibraryProject) -> None:
    one = project.soak(broken("none"), run_id="one", ops=3000)
    two = project.soak(broken("none"), run_id="two", ops=3000)

    assert one.asked() == two.asked()
    assert one.plan["schedule_sha256"] == two.plan["schedule_sha256"]


def test_every_operation_is_in_the_history_before_its_answer(project: LibraryProject) -> None:
    done = project.soak(broken("none"), ops=3000)
    sent: set[int] = set()
    ended: set[int] = set()
    for line in decode_history(done.run_dir.history):
        assert not isinstance(line, BadLine)
        numbers = {int(op[0]) for op in line.ops or ()}
        if line.type == "invoke":
            sent |= numbers
        elif line.type in {"ok", "fail", "info"}:
            assert numbers <= sent
            assert not numbers & ended
            ended |= numbers

    assert set(range(3000)) == sent == ended


def test_files_that_are_taken_away_excuse_what_is_gone(project: LibraryProject) -> None:
    project.campaign(faults=[{"kind": "remove_files", "max_hold_ms": 500}])
    project.gate_without("kill_took_effect", "integrity")
    done = project.soak(broken("none"))

    assert 0 == done.exit_code, done.said
    assert done.metrics["faults"]["by_kind"]["remove_files"]["fired"] >= 1
    assert done.metrics["answers"]["unjudged"] > 0
    assert () == verify_bundle(done.bundle).findings


def test_a_target_that_cannot_what_is_asked_is_refused(project: LibraryProject) -> None:
    project.target(operations=["get", "set"])
    done = project.run_cli("clean", "--campaign", "library")

    assert 2 == done.returncode
    assert "expected operations of library.toml (get, set)" in done.stderr


def test_a_command_that_is_no_worker_gives_failed_operations(project: LibraryProject) -> None:
    done = project.soak(shlex.join([sys.executable, "-c", "print('hello there')"]), ops=300)

    assert 10 == done.exit_code
    assert 300 == done.metrics["ops"]["ops_total"]
    assert done.metrics["answers"]["crashed"] >= 3


def test_a_changed_answer_in_the_history_breaks_the_bundle(project: LibraryProject) -> None:
    done = project.soak(broken("none"), ops=3000)
    history = done.bundle / "history.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if b'"type":"ok"' in line)
    document = json.loads(lines[at])
    document["ops"][0][1] = False
    lines[at] = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    history.write_bytes(b"".join(lines))

    assert 12 == verify_bundle(done.bundle).exit_code


def started(project: LibraryProject, *, lines: int) -> subprocess.Popen[str]:
    """Plan a soak and start it; return once its history has some lines."""
    planned = project.run_cli(
        "clean", "--campaign", "library", "--run-id", "cut", "--ops", "400000"
    )
    assert 0 == planned.returncode, planned.stderr
    run = subprocess.Popen(
        [sys.executable, "-m", "soakproof", "run", "--run-id", "cut"],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    history = RunDir(project.root / "_ctx" / "runs" / "cut").history
    while run.poll() is None:
        if history.exists() and history.read_bytes().count(b"\n") >= lines:
            break
        select.select([], [], [], 0.01)
    return run


def workers_of(project: LibraryProject) -> list[int]:
    """Return the processes that have the project's cache as theirs."""
    found = []
    wanted = f"SOAKPROOF_CACHE={project.root}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it ended while we looked
    return found


def test_a_harness_that_is_killed_leaves_a_readable_history_and_no_verdict(
    project: LibraryProject,
) -> None:
    run = started(project, lines=300)
    run.kill()
    run.communicate()
    for stage in ("extract", "gate"):
        done = project.run_cli(stage, "--run-id", "cut")
    metrics = json.loads(RunDir(project.root / "_ctx" / "runs" / "cut").metrics.read_bytes())

    assert 11 == done.returncode, done.stdout + done.stderr
    assert "unfinished" == metrics["run"]["state"]
    assert 0 == metrics["answers"]["wrong"] == metrics["answers"]["stale"]
    assert metrics["answers"]["checked"] > 1000
    until_s = time.monotonic() + 60
    while workers_of(project):  # they read the end of their input
        assert time.monotonic() < until_s
        select.select([], [], [], 0.05)


def test_ctrl_c_ends_in_order_and_leaves_nobody(project: LibraryProject) -> None:
    run = started(project, lines=300)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=120)
    history = RunDir(project.root / "_ctx" / "runs" / "cut").history
    last = json.loads(history.read_bytes().splitlines()[-1])

    assert 130 == run.returncode, said
    assert "interrupted" == last["event"]
    assert [] == workers_of(project)
