"""The pipeline on a real small tool: sound it passes, with a planted defect it is caught."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from soaker import HANG_GUARD_S, Soaker

from soakproof import schema
from soakproof.rundir import Project, read_lines
from soakproof.stages.extract import extract
from soakproof.stages.gate import gate

pytestmark = pytest.mark.process

Make = Callable[..., Soaker]


def wait_for(path: Path, text: str) -> None:
    """Wait until a file holds a text."""
    until = time.monotonic() + HANG_GUARD_S
    while not (path.exists() and text in path.read_text("utf-8", "replace")):
        assert time.monotonic() < until, f"{text!r} never came to {path}"
        os.sched_yield()


def descendants_of_group(word: str) -> list[str]:
    """Command lines of all processes that name a path."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


@pytest.mark.parametrize(("ops", "workers"), [(10, 4), (16, 3), (7, 5)])
def test_a_sound_tool_passes_and_exactly_ops_are_run(soaker: Make, ops: int, workers: int) -> None:
    sound = soaker()

    assert sound.soak("--ops", str(ops), "--workers", str(workers)) == 0

    completions = [line for line in sound.history() if line["type"] in {"ok", "fail", "info"}]
    assert ops == len(completions)
    assert set(range(ops)) == {line["index"] for line in completions}
    assert {line["worker"] for line in completions} <= set(range(workers))
    hold = sound.document("metrics.json")["faults"]["by_kind"]["lock_hold"]
    assert hold["planned"] == hold["fired"] == hold["took_effect"] == hold["healed"] == 1


def test_every_line_and_document_is_what_its_schema_says(soaker: Make) -> None:
    sound = soaker()
    assert sound.soak() == 0

    for name in ("plan", "run", "metrics", "verdict"):
        schema.check(sound.document(f"{name}.json"), name, name)
    lines = {
        "history-line": sound.run_dir / "history.jsonl",
        "sample": sound.run_dir / "samples.jsonl",
        "telemetry-event": sound.run_dir / "telemetry" / "events.jsonl",
    }
    for name, path in lines.items():
        for number, line, _ in read_lines(path):
            event = json.loads(line)
            if name == "telemetry-event":  # the toy leaves out what has a default
                event = {"args": {}, "timing_ms": 0, "warnings": [], **event}
            schema.check(event, name, f"{path.name}:{number}")


@pytest.mark.parametrize(
    ("defect", "criteria"),
    [
        ("crash", {"no_failed_operation", "no_crashed_operation"}),
        ("empty_answer", {"no_failed_operation", "no_missing_answer"}),
        ("fickle", {"answers_agree"}),
        ("invent", {"no_orphan_event"}),
        ("lose", {"no_lost_event", "cold_writes", "no_contradiction"}),
        ("mute", {"no_silent_operation", "no_lost_event"}),
        ("no_hit", {"warm_hits"}),
        ("twice", {"no_duplicate_event"}),
        ("tear", {"no_unreadable_line"}),
    ],
)
def test_a_planted_defect_is_caught_for_its_reason(
    soaker: Make, defect: str, criteria: set[str]
) -> None:
    broken = soaker(defect)

    assert broken.soak("--ops", "24") == 10
    assert criteria == broken.failed()


def test_an_operation_that_hangs_is_proven_to_and_killed(soaker: Make) -> None:
    broken = soaker("hang", deadline_ms=3000)

    assert broken.soak("--ops", "24") == 10
    assert {"no_indeterminate_operation", "no_hung_operation"} == broken.failed()
    metrics = broken.document("metrics.json")
    assert metrics["ops"]["by_reason"]["hung"] == metrics["ops"]["info"] > 0
    hung = [line for line in broken.history() if line.get("reason") == "hung"]
    assert all(line["detail"]["waits"]["wchan"] for line in hung)
    assert [] == descendants_of_group(str(broken.root))


def test_the_gate_gives_the_same_bytes_twice(soaker: Make) -> None:
    sound = soaker()
    sound.soak()
    path = sound.run_dir / "verdict.json"
    before, printed = path.read_bytes(), sound("gate")

    assert (before, printed.stdout) == (path.read_bytes(), sound("gate").stdout)


def edited(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *parents, last = path.split(".")
    place = document
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("ops.ops_total", "16", 2),
        ("locks.lock_timeout", "none", 2),
        ("integrity.integrity_check", "malformed", 10),
        ("locks.lock_timeout", 2, 10),
        ("cache.warm.samples", 0, 11),
        ("cache.warm.samples", None, 11),
        ("cache.warm", None, 11),
    ],
)
def test_edited_metrics(soaker: Make, path: str, value: object, code: int) -> None:
    sound = soaker()
    sound.soak()
    metrics = sound.run_dir / "metrics.json"
    metrics.write_text(json.dumps(edited(sound.document("metrics.json"), path, value)), "utf-8")

    done = sound("gate")

    assert code == done.returncode
    if code == 2:
        assert f"$.{path}: expected" in done.stderr
        assert 1 == len(done.stderr.splitlines())


def test_ctrl_c_stops_in_order_and_the_gate_knows_nothing(soaker: Make) -> None:
    sound = soaker()
    sound("clean", "--campaign", "toy", "--ops", "5000")
    running = sound.start("run")
    wait_for(sound.run_dir / "history.jsonl", '"type":"ok"')
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=HANG_GUARD_S)

    assert 130 == running.returncode
    assert [] == descendants_of_group(str(sound.root))
    history = sound.history()
    assert ("run", "interrupted") == (history[-1]["type"], history[-1]["event"])
    invoked = {line["op"] for line in history if line["type"] == "invoke"}
    assert invoked == {line["op"] for line in history if line["type"] in {"ok", "fail", "info"}}
    assert "interrupted" == sound.document("run.json")["state"]
    assert (0, 11) == (sound("extract").returncode, sound("gate").returncode)


def test_a_killed_harness_leaves_a_readable_run_and_no_held_lock(soaker: Make) -> None:
    sound = soaker()
    sound("clean", "--campaign", "toy", "--ops", "5000")
    running = sound.start("run")
    wait_for(sound.run_dir / "history.jsonl", '"event":"fired"')
    running.kill()
    running.communicate()
    until = time.monotonic() + HANG_GUARD_S
    while descendants_of_group(str(sound.root)):
        assert time.monotonic() < until, "something outlived the harness"
        os.sched_yield()

    assert (0, 11) == (sound("extract").returncode, sound("gate").returncode)
    assert "unfinished" == sound.document("metrics.json")["run"]["state"]


def test_a_history_cut_anywhere_is_never_green(soaker: Make) -> None:
    sound = soaker()
    sound.soak()
    path = sound.run_dir / "history.jsonl"
    whole = path.read_bytes()
    project = Project(sound.root)
    run_dir = project.open_run(None)
    for size in range(0, len(whole) - 1, len(whole) // 60):
        path.write_bytes(whole[:size])
        extract(project, run_dir)
        assert 11 == gate(run_dir)["exit_code"], size


def test_a_history_with_a_line_taken_out_is_never_green(soaker: Make) -> None:
    sound = soaker()
    sound.soak()
    path = sound.run_dir / "history.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    project = Project(sound.root)
    run_dir = project.open_run(None)
    for at in range(len(lines)):
        path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
        extract(project, run_dir)
        assert 11 == gate(run_dir)["exit_code"], lines[at]


def test_two_soaks_at_once_do_not_meet(soaker: Make) -> None:
    sound = soaker()
    both = []
    for run_id in ("left", "right"):
        assert 0 == sound("clean", "--campaign", "toy", "--run-id", run_id).returncode
        both.append(sound.start("run", "--run-id", run_id))
    for process in both:
        process.communicate(timeout=HANG_GUARD_S)
    for run_id in ("left", "right"):
        sound("expect", "--run-id", run_id)
        sound("extract", "--run-id", run_id)
        assert 0 == sound("gate", "--run-id", run_id).returncode


def test_a_run_is_never_overwritten(soaker: Make) -> None:
    sound = soaker()
    sound("clean", "--campaign", "toy", "--run-id", "one")
    again = sound("clean", "--campaign", "toy", "--run-id", "one")

    assert (2, True) == (again.returncode, "evidence is never overwritten" in again.stderr)
    assert 0 == sound("run").returncode
    twice = sound("run")
    assert (2, True) == (twice.returncode, "a run directory is run once" in twice.stderr)


def test_a_soak_by_time_ends_by_itself(soaker: Make) -> None:
    sound = soaker()

    assert sound.soak("--duration", "3s") in {0, 11}  # a slow machine may not get warm in 3 s

    metrics = sound.document("metrics.json")
    assert metrics["ops"]["ops_total"] == metrics["ops"]["ops_planned"] > 0
    assert "completed" == metrics["run"]["state"]


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (("--ops", "0"), {}, "--ops: expected a whole number of at least 1, found '0'"),
        ((), {"OPS": "abc"}, "OPS: expected a whole number of at least 1, found 'abc'"),
        ((), {"WORKERS": "0"}, "WORKERS: expected a whole number from 1 to 1024, found '0'"),
        (("--campaign", "nope"), {}, "nope: not there; expected a file"),
        (("--target-command", "no-such-tool"), {}, "expected an executable, found 'no-such-tool'"),
        (("--run-id", "a/b"), {}, "run id 'a/b': expected"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    soaker: Make, arguments: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    sound = soaker()
    done = sound("clean", "--campaign", "toy", *arguments, **env)

    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert message in done.stderr
    assert not (sound.root / "_ctx" / "runs").exists()


def test_the_environment_and_the_flags_are_in_the_plan_with_their_source(soaker: Make) -> None:
    sound = soaker()
    sound("clean", "--campaign", "toy", "--ops", "12", OPS="99", WORKERS="2", RUN_ID="mine")
    settings = sound.document("plan.json")["settings"]

    assert {"value": 12, "source": "flag", "origin": "--ops"} == settings["ops"]
    assert {"value": 2, "source": "environment", "origin": "WORKERS"} == settings["workers"]
    assert {"value": "mine", "source": "environment", "origin": "RUN_ID"} == settings["run_id"]
    assert ("campaign", "flag") == (settings["seed"]["source"], settings["campaign"]["source"])


def test_a_soak_says_what_the_harness_itself_cost(soaker: Make) -> None:
    sound = soaker()
    sound.soak("--ops", "16")

    storm = sound.document("run.json")["harness_cost"]["storm"]
    assert 0 < storm["cpu_ms"] < storm["wall_ms"]
    rounded_ms = 0.05 / 16 + 0.0005
    assert abs(storm["cpu_ms"] / 16 - storm["cpu_ms_per_op"]) <= rounded_ms + 1e-9
    assert storm["bottleneck"] == (storm["busy_share"] > 0.5)
    assert storm["children_cpu_ms"] > 0
    assert 0 == sound("report").returncode
    page = (sound.run_dir / "report.md").read_text("utf-8")
    assert "the harness was the bottleneck" in page
