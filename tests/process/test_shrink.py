"""A planted defect that needs one fault and two keys: found, made small, and found again."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from soaker import Soaker
from toy_project import OTHER_KEY, TOY, make_project

from soakproof import schema

pytestmark = [pytest.mark.process, pytest.mark.slow]

GATE = Path(__file__).resolve().parents[2] / "eval" / "gates" / "ast_cache_faults.toml"


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Soaker]:
    """A project whose toy mixes up keys while its file's time stamp is days off."""
    project = make_project(tmp_path, GATE, defect="other_key", episode_fault=OTHER_KEY)
    made = Soaker(project)
    yield made
    made.close()


def test_a_defect_is_found_shrunk_and_found_again(broken: Soaker) -> None:
    found = broken("campaign", "--campaign", "toy", "--seeds", "1", "--ops", "22")
    assert 10 == found.returncode, found.stderr
    [run] = [path.name for path in (broken.root / "_ctx/runs").iterdir() if path.is_dir()]

    asked = ("--criterion", "no_wrong_answer", "--repeats", "1/1", "--jobs", "2")
    done = broken("shrink", run, *asked, "--json")

    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    path = broken.root / told["case"]
    case: dict[str, Any] = json.loads(path.read_bytes())
    schema.check(case, "case", path)
    assert ("eval/seeds/toy", True) == (str(Path(told["case"]).parent), case["origin"]["minimal"])
    assert len(case["script"]["operations"]) <= 10
    assert 2 == len({one["key"] for one in case["script"]["operations"]})
    assert ["clock_jump"] == [one["kind"] for one in case["script"]["faults"]]
    assert [run] == [p.name for p in (broken.root / "_ctx/runs").iterdir() if p.is_dir()]

    again = broken("replay", told["case"], "--no-record")
    assert (10, "no_wrong_answer" in broken.failed()) == (again.returncode, True)
    plan = broken.document("plan.json")
    assert ["soakproof", "replay", told["case"]] == plan["replay_argv"]
    asked_ops = [one["index"] for one in case["script"]["operations"]]
    assert asked_ops == [one["index"] for one in broken.history() if one["type"] == "invoke"]

    same = broken("replay", broken.run_dir.name, "--no-record")
    assert 10 == same.returncode, same.stderr

    # The next campaign soaks it first.
    third = broken("campaign", "--campaign", "toy", "--seeds", "2", "--ops", "12", "--json")
    summary = json.loads(third.stdout)
    assert {"planned": 2, "done": 2, "cases": 1} == summary["points"]
    [group] = [one for one in summary["failures"] if one["case"] == told["case"]][:1]
    assert group["points"][0].startswith("case-no_wrong_answer-")


def test_a_case_of_a_tool_that_was_mended_passes(broken: Soaker, tmp_path: Path) -> None:
    assert 10 == broken("campaign", "--campaign", "toy", "--seeds", "1", "--ops", "22").returncode
    [run] = [path.name for path in (broken.root / "_ctx/runs").iterdir() if path.is_dir()]
    asked = ("--criterion", "no_wrong_answer", "--repeats", "1/1", "--budget", "1", "--json")
    told = json.loads(broken("shrink", run, *asked).stdout)
    assert not told["origin"]["minimal"]
    make_project(tmp_path, GATE, episode_fault=OTHER_KEY)  # the sound toy

    done = broken("campaign", "--campaign", "toy", "--seeds", "3", "--ops", "12", "--json")

    points = json.loads(done.stdout)["campaign"]["name"]
    [result] = (broken.root / "_ctx/campaigns" / points / "points").glob("case-*.json")
    assert "PASS" == json.loads(result.read_bytes())["verdict"]


def test_a_run_that_did_not_fail_by_that_criterion_is_refused(broken: Soaker) -> None:
    broken.soak("--ops", "8")
    done = broken("shrink", broken.run_dir.name, "--criterion", "no_stale_answer")

    assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines())), done.stderr
    assert "expected no_stale_answer to be FAIL" in done.stderr


def test_a_command_of_another_folder_is_shrunk_and_named_in_the_replay(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    toy = shutil.copy(TOY, elsewhere)
    (tmp_path / "project").mkdir()
    made = Soaker(make_project(tmp_path / "project", GATE, episode_fault=OTHER_KEY))
    try:
        command = shlex.join([sys.executable, str(toy), "--defect", "other_key"])
        asked = ("--campaign", "toy", "--seeds", "1", "--ops", "22", "--target-command", command)
        assert 10 == made("campaign", *asked).returncode
        [run] = [path.name for path in (made.root / "_ctx/runs").iterdir() if path.is_dir()]
        few = ("--criterion", "no_wrong_answer", "--repeats", "1/1", "--budget", "2")
        done = made("shrink", run, *few)

        assert 0 == done.returncode, done.stderr
        [line] = [line for line in done.stdout.splitlines() if line.startswith("replay: ")]
        assert command in shlex.split(line)
        [case] = (made.root / "eval/seeds/toy").iterdir()
        assert str(tmp_path) not in case.read_text("utf-8")
        assert 10 == made(*shlex.split(line)[2:]).returncode

        mended = shlex.join([sys.executable, str(toy)])
        again = ("replay", str(case), "--no-record", "--target-command", mended)
        assert 10 != made(*again).returncode, "the same case, and a tool without the defect"
    finally:
        made.close()
