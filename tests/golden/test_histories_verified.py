"""Golden histories once more: the verifier's own reading of each is the pipeline's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from golden.make_histories import HERE
from golden.test_histories import GATE, put
from recorded import document
from tampering import numbers, reseal
from toy_project import make_project

from soakproof.evidence.bundle import write_bundle
from soakproof.evidence.chain import load_documents
from soakproof.line_writers import ChainedLineWriter
from soakproof.rundir import Project, RunDir, as_json, write_json
from soakproof.stages.clean import clean
from soakproof.stages.extract import extract
from soakproof.stages.gate import gate
from soakproof.stages.verify import verified_lines
from soakproof.verifier.verify import Verified, verify_bundle

FILES = sorted(HERE.glob("*.json"))
GOT, RIGHT = b'{"answer": "a line that was cut"}\n', b'{"answer": "a line that was whole"}\n'


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunDir]:
    """A run directory with a plan of 32 operations, and nothing done."""
    project = Project(make_project(tmp_path_factory.mktemp("golden"), GATE))
    flags = {"campaign": "toy", "ops": "32", "run_id": "golden"}
    return project, clean(project, flags, {})


def bundled(planned: tuple[Project, RunDir], run: dict[str, Any]) -> tuple[Path, int]:
    """Extract, gate and bundle a golden run; the bundle, and the verdict's exit code."""
    project, run_dir = planned
    put(run_dir, run)
    plan_sha256 = hashlib.sha256(run_dir.plan.read_bytes()).hexdigest()
    run_dir.history.unlink()
    with ChainedLineWriter(run_dir.history, run_dir.run_id) as history:
        for line in run["history"]:
            begins = "plan_sha256" in line
            history.write({**line, "plan_sha256": plan_sha256} if begins else line)
    extract(project, run_dir)
    verdict = gate(run_dir)
    write_json(run_dir.run, document("pass", "run") | {"run_id": run_dir.run_id})
    run_dir.log.write_text("the log\n", "utf-8")
    bundle = write_bundle(project, run_dir, load_documents(run_dir), reports={}, signer=None)
    return bundle.path, verdict["exit_code"]


def said(verified: Verified) -> list[str]:
    return list(map(str, verified.findings))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_two_readings_of_it_agree(planned: tuple[Project, RunDir], path: Path) -> None:
    bundle, exit_code = bundled(planned, json.loads(path.read_bytes()))
    verified = verify_bundle(bundle)

    assert ([], exit_code) == (said(verified), verified.exit_code)


@pytest.fixture
def stale(planned: tuple[Project, RunDir]) -> Path:
    """The bundle of a run with a stale answer, whose answers are kept."""
    text = (HERE / "no_stale_answer.FAIL.json").read_text("utf-8")
    for old, data in (("1" * 64, GOT), ("2" * 64, RIGHT)):
        sha256 = hashlib.sha256(data).hexdigest()
        text = text.replace(old, sha256)
        planned[1].answers.mkdir(exist_ok=True)
        (planned[1].answers / sha256).write_bytes(data)
    return bundled(planned, json.loads(text))[0]


def rewritten(bundle: Path, name: str, value: object) -> Verified:
    """Verify with the counter-example told otherwise, every hash made to fit."""
    metrics = json.loads((bundle / "metrics.json").read_bytes())
    metrics["answers"]["first"][name] = value
    (bundle / "metrics.json").write_bytes(as_json(metrics))
    reseal(bundle)
    return verify_bundle(bundle)


def test_the_counter_example_is_told_again_from_the_kept_answers(stale: Path) -> None:
    first = json.loads((stale / "metrics.json").read_bytes())["answers"]["first"]
    verified = verify_bundle(stale)

    assert ("stale", GOT.decode(), RIGHT.decode()) == (
        first["answer"],
        first["got"],
        first["expected"],
    )
    assert 2 == len(list((stale / "answers").iterdir()))
    assert ([], ()) == (said(verified), verified.left_out)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("op", "op-000001"),
        ("kind", "toy.set"),
        ("key", "m9"),
        ("phase", "warm"),
        ("episode", 7),
        ("answer", "wrong"),
        ("words", "All is well."),
        ("versions", ["original"]),
        ("faults", ["lock_hold-0"]),
        ("edits", ["edit-9"]),
        ("got", "nothing"),
        ("expected", "nothing"),
        ("history", []),
        ("replay", "true"),
    ],
)
def test_every_field_of_the_counter_example_is_held_to_the_raw_lines(
    stale: Path, name: str, value: object
) -> None:
    verified = rewritten(stale, name, value)

    assert 12 == verified.exit_code
    assert any(one.where.startswith(f"answers.first.{name}") for one in verified.findings)


def test_a_kept_answer_that_is_another_is_found(stale: Path) -> None:
    answer = next((stale / "answers").iterdir())
    answer.write_bytes(b"another\n")
    reseal(stale)
    verified = verify_bundle(stale)

    assert 12 == verified.exit_code
    assert f"answers/{answer.name}" in {one.file for one in verified.findings}


def test_answers_that_name_the_machine_stay_at_home_and_that_is_said(
    planned: tuple[Project, RunDir], stale: Path
) -> None:
    here = f"{planned[1].segment}/m0.py\n".encode()
    run = (HERE / "no_wrong_answer.FAIL.json").read_text("utf-8")
    sha256 = hashlib.sha256(here).hexdigest()
    (planned[1].answers / sha256).write_bytes(here)
    bundle, exit_code = bundled(planned, json.loads(run.replace("9" * 64, sha256)))
    verified = verify_bundle(bundle)

    assert stale == bundle
    assert not (bundle / "answers" / sha256).exists()
    assert ([], exit_code, 1) == (said(verified), verified.exit_code, len(verified.left_out))
    assert any(
        "the two texts of the first counter-example" in one for one in verified_lines(verified)
    )


@pytest.mark.parametrize("case", ["no_stale_answer.FAIL", "no_broken_cache.FAIL"])
def test_every_number_of_a_run_with_an_episode_is_held(
    planned: tuple[Project, RunDir], case: str
) -> None:
    bundle, _ = bundled(planned, json.loads((HERE / f"{case}.json").read_bytes()))
    whole = (bundle / "metrics.json").read_bytes()
    survived = []
    for where in numbers(json.loads(whole)):
        changed = json.loads(whole)
        *parents, last = where
        inner = changed
        for part in parents:
            inner = inner[part]
        inner[last] += 1
        (bundle / "metrics.json").write_bytes(as_json(changed))
        reseal(bundle)
        if 12 != verify_bundle(bundle).exit_code:
            survived.append(where)

    assert [] == survived
