"""`soakproof init`: what it writes can be planned at once, and nothing is overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from soaker import Soaker

from soakproof import schema
from soakproof.starter import STARTER

pytestmark = pytest.mark.process


def test_it_writes_what_the_schemas_accept_and_the_tasks_are_there(tmp_path: Path) -> None:
    mine = Soaker(tmp_path)

    done = mine("init", "--json")

    assert (0, "") == (done.returncode, done.stderr)
    assert {"wrote": list(STARTER), "left_alone": []} == json.loads(done.stdout)
    for folder, name in (("targets", "target"), ("campaigns", "campaign"), ("gates", "gate")):
        schema.load_toml(tmp_path / "eval" / folder / "mytool.toml", name, hint="")
    gone = mine("clean")
    assert gone.returncode == 2
    assert "mytool.toml: expected an executable, found 'mytool'" in gone.stderr


def test_a_planned_run_has_the_starter_of_any_tool_that_reads_a_file(tmp_path: Path) -> None:
    mine = Soaker(tmp_path)
    assert mine("init").returncode == 0

    done = mine("clean", "--target-command", "cat")

    assert done.returncode == 0, done.stderr
    assert mine.document("plan.json")["segment"]["modules"]


def test_nothing_is_overwritten_and_it_says_what_it_left_alone(tmp_path: Path) -> None:
    mine = Soaker(tmp_path)
    kept = {"tasks.py": "mine = 1\n", "eval/gates/mytool.toml": "# mine\n"}
    for name, text in kept.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")

    done = mine("init")

    assert done.returncode == 0
    for name, text in kept.items():
        assert text == (tmp_path / name).read_text("utf-8")
        assert f"left alone  {name} (it is there)" in done.stdout
    assert "from soakproof.tasks import ns as soak" in done.stdout, "what tasks.py needs"
    assert "session.install" not in done.stdout, "noxfile.py was written"
    assert {"wrote": [], "left_alone": list(STARTER)} == json.loads(mine("init", "--json").stdout)


def test_a_folder_is_made_and_a_file_is_refused(tmp_path: Path) -> None:
    mine = Soaker(tmp_path)
    (tmp_path / "file").write_text("", "utf-8")

    assert mine("init", "new/project").returncode == 0
    assert (tmp_path / "new/project/eval/targets/mytool.toml").is_file()
    refused = mine("init", "file")
    assert refused.returncode == 2
    assert "expected a folder that can be written to" in refused.stderr
    assert "Traceback" not in refused.stderr
