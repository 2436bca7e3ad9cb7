"""Golden histories: each check is shown a run that it passes, one that it fails, one unknown."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from golden.make_histories import CASES, HERE, document
from toy_project import TOY, make_project

from soakproof.errors import InvalidDocument
from soakproof.rundir import Project, RunDir
from soakproof.stages.clean import clean
from soakproof.stages.extract import extract
from soakproof.stages.gate import gate

ROOT = Path(__file__).resolve().parents[2]
GATE = ROOT / "eval" / "gates" / "ast_cache_faults.toml"
FILES = sorted(HERE.glob("*.json"))


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunDir]:
    """A run directory with a plan of 32 operations, and nothing done."""
    assert TOY.exists()
    project = Project(make_project(tmp_path_factory.mktemp("golden"), GATE))
    flags = {"campaign": "toy", "ops": "32", "run_id": "golden"}
    return project, clean(project, flags, {})


def put(run_dir: RunDir, run: dict[str, Any]) -> None:
    """Lay a golden run into a run directory."""

    def write(path: Path, lines: list[Any], more: str = "") -> None:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines) + more, "utf-8")

    write(run_dir.history, run["history"], run.get("torn_history", ""))
    torn = run.get("torn_telemetry", "")
    write(run_dir.telemetry / "events.jsonl", run["telemetry"], torn)
    write(run_dir.samples, run["samples"])
    run_dir.expected.unlink(missing_ok=True)
    if run["expected"] is not None:
        write(run_dir.expected, run["expected"])


def judged(planned: tuple[Project, RunDir], run: dict[str, Any]) -> dict[str, str]:
    """Extract and gate a golden run: criterion → verdict, and ``all``."""
    project, run_dir = planned
    put(run_dir, run)
    extract(project, run_dir)
    verdict = gate(run_dir)
    return {"all": verdict["verdict"]} | {one["id"]: one["verdict"] for one in verdict["criteria"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_verdict_is_the_files_name(planned: tuple[Project, RunDir], path: Path) -> None:
    criterion, verdict = path.stem.split(".")
    seen = judged(planned, json.loads(path.read_bytes()))

    assert verdict == seen[criterion]
    assert seen["all"] == "PASS" if verdict == "PASS" else seen["all"] in {"FAIL", "UNKNOWN"}


def test_every_criterion_of_the_gate_has_its_three_files() -> None:
    criteria = {one["id"] for one in tomllib.loads(GATE.read_text("utf-8"))["criteria"]}
    # These are about the evidence: not holding means that nobody knows, never that it failed.
    about_evidence = {"run_completed", "oracle_holds"}
    wanted = {f"{name}.{verdict}" for name in criteria for verdict in ("PASS", "FAIL", "UNKNOWN")}
    wanted |= {"run_completed.PASS", "run_completed.UNKNOWN"}

    assert wanted - {f"{name}.FAIL" for name in about_evidence} == {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_are_what_their_program_writes(path: Path) -> None:
    criterion, verdict = path.stem.split(".")

    assert document(criterion, verdict) == json.loads(path.read_bytes())


def sound() -> dict[str, Any]:
    return document(next(iter(CASES)), "PASS")


def bad(name: str) -> dict[str, Any]:
    """The sound run with one thing wrong in its history."""
    run = sound()
    history = run["history"]
    match name:
        case "torn last line":
            run["torn_history"] = '{"seq":99,"type":"ok"'
        case "lines out of order":
            history[5], history[9] = history[9], history[5]
        case "an unknown field":
            history[4]["colour"] = "red"
        case "an operation completed twice":
            history.insert(5, {**history[2]})
            renumber(history)
        case "an invoke without completion":
            del history[2]
            renumber(history)
        case "a completion without invoke":
            del history[1]
            renumber(history)
        case "a clock that goes back":
            history[2]["mono_ns"] = 1
    return run


def renumber(history: list[dict[str, Any]]) -> None:
    for number, line in enumerate(history):
        line["seq"] = number


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("torn last line", "broken"),
        ("lines out of order", "broken"),
        ("an unknown field", "broken"),
        ("an operation completed twice", "broken"),
        ("a completion without invoke", "broken"),
        ("a clock that goes back", "broken"),
    ],
)
def test_a_history_that_contradicts_itself_is_never_green(
    planned: tuple[Project, RunDir], name: str, state: str
) -> None:
    seen = judged(planned, bad(name))
    metrics = json.loads(planned[1].metrics.read_bytes())

    assert (state, "UNKNOWN") == (metrics["run"]["state"], seen["all"])


def test_an_invoke_without_completion_may_have_happened(planned: tuple[Project, RunDir]) -> None:
    seen = judged(planned, bad("an invoke without completion"))
    metrics = json.loads(planned[1].metrics.read_bytes())

    assert (1, 1) == (metrics["ops"]["info"], metrics["ops"]["by_reason"]["never_completed"])
    assert "FAIL" == seen["no_indeterminate_operation"]


def test_an_unknown_version_is_refused(planned: tuple[Project, RunDir]) -> None:
    run = sound()
    run["history"][0]["schema_version"] = 2
    put(planned[1], run)

    with pytest.raises(InvalidDocument, match=r"schema_version: expected 1, found 2"):
        extract(*planned)
