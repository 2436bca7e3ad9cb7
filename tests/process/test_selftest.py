"""The panel on a small tool: caught for its reason, missed by a gate that cannot see it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from library_project import make_library_project
from plain_project import make_plain_project
from soaker import Soaker

from soakproof import schema
from soakproof.selftest.plots import toy_subject
from soakproof.toml_text import toml_text

pytestmark = [pytest.mark.process, pytest.mark.slow]

_BLOCK = re.MULTILINE | re.DOTALL


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Soaker]:
    """A project whose campaign is that of the panel's own cache."""
    subject = toy_subject()
    for folder in ("campaigns", "targets", "gates"):
        (tmp_path / "eval" / folder).mkdir(parents=True)
    target = {**subject.target, "command": list(subject.command)}
    (tmp_path / "eval/campaigns/toy.toml").write_text(toml_text(subject.campaign), "utf-8")
    (tmp_path / "eval/targets/toy.toml").write_text(toml_text(target), "utf-8")
    (tmp_path / "eval/gates/toy.toml").write_bytes(subject.gate)
    made = Soaker(tmp_path)
    yield made
    made.close()


def test_planted_defects_are_caught_and_the_sound_tool_passes(small: Soaker) -> None:
    only = "truncated,no_content_hash,sound"
    done = small("selftest", "--campaign", "toy", "--ops", "40", "--only", only, "--json")
    score = json.loads(done.stdout)

    assert 0 == done.returncode, done.stdout
    schema.check(score, "selftest", "standard output")
    assert (2, 2, 1, 1) == tuple(
        score[name] for name in ("defects", "caught", "controls", "controls_passed")
    )
    assert {
        "truncated": {"no_missing_answer"},
        "no_content_hash": {"no_stale_answer"},
        "sound": set(),
    } == {row["name"]: set(row["seen"]) - {"no_broken_cache"} for row in score["rows"]}
    assert not (small.root / "_ctx" / "selftest").exists(), "a part of the panel is no score"
    assert not list((small.root / "_ctx" / "runs").glob("selftest-*")), "what was caught is removed"


def test_a_gate_that_lacks_the_criterion_misses_the_defect(small: Soaker) -> None:
    gate = small.root / "eval" / "gates" / "toy.toml"
    head, *criteria = gate.read_text("utf-8").split("[[criteria]]")
    kept = [one for one in criteria if 'id = "no_alarming_stderr"' not in one]
    (gate.parent / "blind.toml").write_text("[[criteria]]".join([head, *kept]), "utf-8")

    done = small(
        "selftest", "--campaign", "toy", "--gate", "blind", "--only", "mutters", "--ops", "12"
    )

    assert 10 == done.returncode, done.stderr
    assert "mutters: the gate has no criterion no_alarming_stderr" in done.stdout
    assert list((small.root / "_ctx" / "runs").glob("selftest-*/mutters/_ctx/runs/soak"))


def test_a_tool_without_telemetry_that_answers_with_files_and_exit_codes(tmp_path: Path) -> None:
    mine = Soaker(make_plain_project(tmp_path, mix="{ build = 2, lint = 1, list = 1 }"))
    only = "other_key,nothing,never_hits,leaks,loses,stray"

    done = mine("selftest", "--campaign", "plain", "--ops", "40", "--only", only, "--json")
    score = json.loads(done.stdout)
    rows = {row["name"]: row for row in score["rows"]}
    mine.close()

    schema.check(score, "selftest", "standard output")
    assert ["loses"] == [name for name, row in rows.items() if row["skipped"]]
    assert "the target has no telemetry" == rows["loses"]["why"]
    assert {"loses", "stray"} == {name for name, row in rows.items() if not row["caught"]}
    assert (4, 5, 1) == tuple(score[name] for name in ("caught", "defects", "skipped"))
    assert "the gate has no criterion no_process_left" == rows["stray"]["why"]
    assert ["no_process_left"] == [
        one["id"] for one in tomllib.loads(score["add_to_gate"])["criteria"]
    ]
    assert 10 == done.returncode


def test_a_project_of_init_with_the_tutorials_tool_passes(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "soak-your-own-cache.md"
    tool = re.search(r"^`shout.py`:\n\n```python\n(.*?)^```$", page.read_text("utf-8"), _BLOCK)
    assert tool is not None
    fixed = re.sub(r"name_of\(f.*\)$", "name_of(text)", tool[1], flags=re.MULTILINE)
    assert fixed != tool[1]
    (tmp_path / "shout.py").write_text(fixed, "utf-8")
    mine = Soaker(tmp_path)
    assert 0 == mine("init").returncode
    target = tmp_path / "eval" / "targets" / "mytool.toml"
    text = target.read_text("utf-8").replace('["mytool"]', '["python", "shout.py"]', 1)
    target.write_text(text.replace("{segment}/.mytool", "{segment}/.shout"), "utf-8")

    done = mine("selftest", "--ops", "40", "--only", "other_key,mutters,grows,silent,false_hits")
    nothing = mine("selftest", "--only", "silent")
    mine.close()

    assert 0 == done.returncode, done.stdout
    assert "3 of 3 defects caught, 2 skipped, 0 of 0 controls passed" in done.stdout
    assert (11, True) == (nothing.returncode, "0 of 0 defects caught" in nothing.stdout)


def test_a_library_is_refused_in_one_line(tmp_path: Path) -> None:
    mine = Soaker(make_library_project(tmp_path).root)

    done = mine("selftest", "--campaign", "library")
    mine.close()

    assert (2, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
    assert "worker: expected a command line" in done.stderr
    assert "found a library" in done.stderr


def test_bad_input_is_one_line_and_exit_2(small: Soaker) -> None:
    for arguments, message in (
        (("selftest", "--campaign", "toy", "--only", "nonsense"), "found 'nonsense'"),
        (("selftest", "--campaign", "nope"), "nope: not there"),
        (("selftest", "--campaign", "toy", "--jobs", "0"), "--jobs: expected a whole number"),
        (("repeat", "--campaign", "toy"), "--seeds: expected seeds such as"),
        (("repeat", "--campaign", "nope", "--seeds", "1"), "nope: not there"),
        (("replay", "nope"), "plan.json: not there"),
    ):
        done = small(*arguments)

        assert (2, 1) == (done.returncode, len(done.stderr.splitlines())), arguments
        assert message in done.stderr


def test_many_seeds_keep_only_what_did_not_pass(small: Soaker) -> None:
    before = small("clean", "--campaign", "toy", "--run-id", "mine")
    passed = small("repeat", "--campaign", "toy", "--ops", "40", "--seeds", "1..2", "--jobs", "2")

    assert (0, 0) == (before.returncode, passed.returncode), passed.stdout
    assert "2 seeds: 2 PASS" == passed.stdout.splitlines()[-1]
    runs = small.root / "_ctx" / "runs"
    assert {"latest", "mine"} == {path.name for path in runs.iterdir()}
    assert "mine\n" == (runs / "latest").read_text("utf-8")

    toy = [*toy_subject().command, "--defect", "leaves_temporary"]
    arguments = ("--ops", "12", "--seeds", "3", "--target-command", " ".join(toy))
    failed = small("repeat", "--campaign", "toy", *arguments)

    assert (10, "1 seeds: 1 FAIL") == (failed.returncode, failed.stdout.splitlines()[-1])
    assert "no_leftovers FAIL" in failed.stdout
    kept = [path for path in runs.iterdir() if path.name.startswith("repeat-")]
    assert ["3"] == [path.name.rpartition("-")[2] for path in kept]
    assert (kept[0] / "verdict.json").exists()


def test_a_replay_has_the_same_plan_whatever_the_files_say_by_now(small: Soaker) -> None:
    arguments = ("--campaign", "toy", "--run-id", "old", "--ops", "40", "--seed", "5")
    assert 0 == small("clean", *arguments, PYTHONHASHSEED="1").returncode
    campaign = small.root / "eval" / "campaigns" / "toy.toml"
    campaign.write_text(campaign.read_text("utf-8").replace("asks = 7", "asks = 9"), "utf-8")

    done = small("replay", "old", "--run-id", "new", PYTHONHASHSEED="2")
    runs = small.root / "_ctx" / "runs"
    old, new = (json.loads((runs / name / "plan.json").read_bytes()) for name in ("old", "new"))

    assert 0 == done.returncode, done.stderr
    for same in ("campaign", "campaign_sha256", "gate_sha256", "segment", "schedule_sha256"):
        assert old[same] == new[same]
    assert "PASS" == json.loads((runs / "new" / "verdict.json").read_bytes())["verdict"]


def test_a_plan_that_was_changed_is_not_replayed(small: Soaker) -> None:
    assert 0 == small("clean", "--campaign", "toy", "--run-id", "old", "--ops", "40").returncode
    path = small.root / "_ctx" / "runs" / "old" / "plan.json"
    plan = json.loads(path.read_bytes())

    path.write_text(json.dumps(plan | {"schedule_sha256": "0" * 64}), "utf-8")
    changed = small("replay", "old")
    path.write_text(json.dumps(plan | {"segment": plan["segment"] | {"python": "3.9.9"}}), "utf-8")
    elsewhere = small("replay", str(path.parent))

    assert (12, 2) == (changed.returncode, elsewhere.returncode)
    assert "expected the same schedule" in changed.stderr
    assert "replay with Python 3.9.9" in elsewhere.stderr
