"""A tool that is soaked by its file alone, without telemetry or lock; and tools that misbehave."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plain_project import make_plain_project
from soaker import Soaker

from soakproof.notices import Notices

pytestmark = [pytest.mark.process, pytest.mark.slow]


class Plain(Soaker):
    """A project of the plain tool; remembers what the last command said."""

    said = ""

    def run(self, *arguments: str) -> int:
        """Run a command to its end; return its exit code."""
        done = self(*arguments)
        self.said = done.stdout + done.stderr
        return done.returncode


Make = Callable[..., Plain]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Make]:
    """Make a project of the plain tool, odd or not."""
    made: list[Plain] = []

    def make(**how: Any) -> Plain:
        root = tmp_path / f"project-{len(made)}"
        root.mkdir()
        made.append(Plain(make_plain_project(root, **how)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def soaked(soaker: Plain, *flags: str) -> int:
    """Soak the campaign up to its verdict."""
    return soaker.run("all", "--campaign", "plain", "--run-id", "run", "--no-record", *flags)


def reasons(soaker: Plain) -> set[tuple[str, str | None]]:
    """How operations ended, and why."""
    lines = soaker.history()
    return {
        (line["type"], line.get("reason"))
        for line in lines
        if line["type"] in {"ok", "fail", "info"}
    }


def rows(soaker: Plain) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in soaker.document("verdict.json")["criteria"]}


def test_an_oracle_that_is_not_given_all_files_is_told(plain: Make) -> None:
    mine = plain(mix="{ list = 1 }")
    target = mine.root / "eval/targets/plain.toml"
    whole = 'depends = { files = ["{key}", "*.inc"] }'
    assert whole in target.read_text("utf-8")
    target.write_text(target.read_text("utf-8").replace(whole, 'depends = "key"'), "utf-8")

    assert soaked(mine) == 10
    assert "note: without its cache the tool refused " in mine.said
    assert "does `depends` in the target's file name every file that an answer needs?" in mine.said
    assert rows(mine)["oracle_holds"]["observed"] is False


def test_a_target_without_telemetry_passes_from_clean_to_verify(plain: Make) -> None:
    told = ("telemetry_told", "telemetry.lost_events", "==", "0", "telemetry.events")
    waits = ("waits", "locks.lock_wait", "<=", "0", "ops.ops_total")
    mine = plain(criteria=(told, waits))
    subprocess.run(["git", "init", "-q", "."], cwd=mine.root, check=True)

    assert mine.run("all", "--campaign", "plain", "--run-id", "run") == 11, "only the two below"

    untold = {"telemetry_told", "waits"}
    for name, row in rows(mine).items():
        assert ("UNKNOWN" if name in untold else "PASS") == row["verdict"], row
    assert all("the target has no telemetry" in rows(mine)[name]["reason"] for name in untold)
    metrics = mine.document("metrics.json")
    assert metrics["cache"]["warm"]["hits"] > 0, "seen by its output"
    assert metrics["cache"]["warm"]["writes"] is None
    assert metrics["telemetry"]["events"] is None
    assert metrics["answers"]["unjudged"] < metrics["answers"]["right"]
    assert metrics["ops"]["inputs_changed"] == 0
    assert mine.run("verify", "run") == 11, "verified, as its verdict"
    report = (mine.root / "_ctx/runs/run/report.md").read_text("utf-8")
    assert "An answer is kept under a name that covers all that it depends on." in report


def test_rules_are_applied_again_by_the_verifier(plain: Make) -> None:
    mine = plain(edits=())
    subprocess.run(["git", "init", "-q", "."], cwd=mine.root, check=True)
    assert mine.run("all", "--campaign", "plain", "--run-id", "run") == 0
    lines = [line for line in mine.history() if "raw_sha256" in line]
    assert lines, "a time in an answer was taken out"
    bundle = mine.root / "_ctx/evidence/run"
    carried = [line for line in lines if (bundle / "answers" / line["raw_sha256"]).exists()]
    assert carried
    path = bundle / "answers" / carried[0]["raw_sha256"]
    forged = path.read_bytes().replace(b"took", b"lasted")
    assert forged != path.read_bytes()

    path.write_bytes(forged)

    assert mine.run("verify", "run") == 12
    assert f"answers/{path.name}" in mine.said, "named, also by the rules"


@pytest.mark.parametrize(
    ("odd", "criterion"),
    [
        ("stale_include", "no_stale_answer"),
        ("option_blind", "no_missing_answer"),
        ("change_input", "no_changed_input"),
    ],
)
def test_a_planted_defect_is_caught(plain: Make, odd: str, criterion: str) -> None:
    mine = plain(odd=odd)

    assert soaked(mine) == 10

    assert "FAIL" == rows(mine)[criterion]["verdict"]


def test_half_a_document_is_no_answer(plain: Make) -> None:
    mine = plain(odd="half_json", mix="{ json = 1 }", edits=())

    assert soaked(mine) == 10

    assert {("fail", "no_answer")} == reasons(mine)


def test_megabytes_on_standard_error_are_counted_and_harm_nothing(plain: Make) -> None:
    mine = plain(odd="flood", edits=())

    assert soaked(mine, "--ops", "12") in {0, 11}

    done = [line for line in mine.history() if line["type"] == "ok"]
    assert len(done) == 12
    assert all(line["stderr_bytes"] > 4 << 20 for line in done)


def test_an_operation_that_ignores_sigterm_is_killed_and_told(plain: Make) -> None:
    mine = plain(odd="ignores_term", deadline_ms=2_000, edits=())

    assert soaked(mine, "--ops", "2", "--workers", "1") in {10, 11}

    assert {("info", "hung")} == reasons(mine)
    assert mine.document("metrics.json")["growth"]["leftover_processes"] == 0


def test_a_command_that_is_gone_is_an_outcome(plain: Make) -> None:
    mine = plain(edits=())
    tool = mine.root / "tool"
    shutil.copy(shutil.which("true") or "/bin/true", tool)
    command = f"--target-command={tool}"
    assert mine.run("clean", "--campaign", "plain", "--run-id", "run", "--ops", "4", command) == 0
    tool.unlink()

    assert mine.run("run", "--run-id", "run") == 0

    assert {("fail", "spawn")} == reasons(mine)


def test_an_exit_code_that_is_not_listed_is_a_failure_whatever_is_printed(plain: Make) -> None:
    mine = plain(mix="{ lint = 1 }", edits=())
    path = mine.root / "eval/targets/plain.toml"
    path.write_text(path.read_text("utf-8").replace("[0, 1]", "[0]"), "utf-8")

    assert soaked(mine) in {0, 10, 11}

    assert ("fail", "exit") in reasons(mine)
    assert mine.document("metrics.json")["answers"]["agreed_without_answer"] > 0


def test_what_prepare_leaves_is_input_and_a_full_cache_is_refused(plain: Make) -> None:
    prepare = """
    [prepare]
    argv = ["sh", "-c", "echo 'value = 7' > made.inc{more}"]
    deadline_s = 30
    """
    fine = plain(edits=(), extra=prepare.replace("{more}", ""))
    full = plain(edits=(), extra=prepare.replace("{more}", "; mkdir -p .plain; touch .plain/x"))

    assert fine.run("clean", "--campaign", "plain", "--run-id", "run") == 0
    assert "made.inc" in fine.document("plan.json")["segment"]["inputs"]
    assert full.run("clean", "--campaign", "plain", "--run-id", "run") == 2
    assert "cache.directory: expected an empty cache after `prepare`" in full.said


def test_a_prepare_that_fails_or_hangs_ends_with_one_line(plain: Make) -> None:
    for command, said in (("exit 3", "exit code 3"), ("sleep 100", "no end after 1 s")):
        table = f'[prepare]\nargv = ["sh", "-c", "{command}"]\ndeadline_s = 1\n'
        mine = plain(extra=table)

        assert mine.run("clean", "--campaign", "plain", "--run-id", "run") == 2
        assert said in mine.said
        assert "prepare.argv" in mine.said


def test_a_folder_is_copied_and_its_files_are_keys(plain: Make) -> None:
    mine = plain(edits=())
    sample = mine.root / "eval/campaigns/sample"
    (sample / ".git").mkdir(parents=True)
    (sample / ".git" / "HEAD").write_text("none of ours\n", "utf-8")
    (sample / ".hidden.inc").write_text("value = 5\n", "utf-8")
    for name in ("a.note", "b.note", "c.log"):
        (sample / name).write_text("include .hidden.inc\nvalue = 1000\n", "utf-8")
    path = mine.root / "eval/campaigns/plain.toml"
    text = path.read_text("utf-8")
    begin, end = text.index("[segment]"), text.index("[workload]")
    folder = '[segment]\nsource = "folder"\nfolder = "sample"\nexclude = ["*.log"]\n\n'
    path.write_text(text[:begin] + folder + text[end:], "utf-8")

    assert soaked(mine) == 0

    segment = mine.document("plan.json")["segment"]
    assert {".hidden.inc", "a.note", "b.note"} == set(segment["inputs"])
    assert {"a.note", "b.note"} == set(segment["modules"])


def test_the_contract_is_told_where_a_campaign_goes_beyond_it(plain: Make) -> None:
    mine = plain(edits=("same_stat", "rewrite"))
    path = mine.root / "eval/targets/plain.toml"
    text = path.read_text("utf-8").replace('trusts = "content"', 'trusts = "mtime"')
    path.write_text(text.replace('processes = "many"', 'processes = "one"'), "utf-8")

    soaked(mine)

    assert "beyond what the target promises: 3 processes at once" in mine.said
    beyond = mine.document("plan.json")["outside_contract"]
    assert [True, True] == ["same_stat" in beyond[0], "3 processes at once" in beyond[1]]
    assert mine.run("report", "--run-id", "run") == 0
    report = (mine.root / "_ctx/runs/run/report.md").read_text("utf-8")
    assert all(one in report for one in beyond)


def test_an_integrity_command_says_whether_the_cache_is_sound(plain: Make) -> None:
    for command, said in (("true", "ok"), ("echo broken; exit 4", "exit code 4: broken")):
        mine = plain(edits=())
        path = mine.root / "eval/targets/plain.toml"
        argv = json.dumps(["sh", "-c", command])
        text = path.read_text("utf-8").replace(
            "[cache]\n", f"[cache]\nintegrity_command = {argv}\n"
        )
        path.write_text(text, "utf-8")

        soaked(mine, "--ops", "12")

        assert said == mine.document("metrics.json")["integrity"]["integrity_check"]


def test_where_no_key_names_a_file_some_file_is_edited(plain: Make) -> None:
    whole = """
    [operations.whole]
    argv = ["list", "sub/note_0.note"]
    keys = "fixed"
    fixed = ["everything"]
    depends = "segment"
    answer = "text"
    """
    mine = plain(mix="{ whole = 1 }", edits=("rewrite", "new_module"), extra=whole)

    assert soaked(mine) == 0, mine.said

    edited = {line["path"] for line in mine.history() if line["type"] == "edit"}
    assert edited
    assert any(path.startswith("sub/soakproof_new_") for path in edited)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("targets", 'answer = "file"', 'answer = "flie"', "operations.build.answer: expected one"),
        ("targets", 'pattern = "took', 'pattern = "(took', "operations.list.answer_pattern"),
        ("targets", '"took some time"', '"\\\\1"', "normalise.rules[0]: expected a regular"),
        ("targets", 'glob = "*.note"', 'glob = "*.nothing"', "expected files of the segment"),
        ("targets", "cwd =", "cdw =", "cdw: expected one of"),
        ("targets", 'replace = "value = {mark}"', 'replace = "{mark}"', "made twice"),
        ("targets", 'argv = ["--no-cache"]', "", "oracle: expected"),
        ("campaigns", 'source = "generated"', 'source = "folder"', "the key 'folder'"),
        ("campaigns", "sub/common.inc", "../common.inc", "inside the segment"),
        ("campaigns", "list = 2", "lits = 2", "workload.mix: expected operations"),
    ],
)
def test_a_wrong_file_is_one_line_with_file_line_and_key(
    plain: Make, file: str, old: str, new: str, said: str
) -> None:
    mine = plain()
    path = mine.root / f"eval/{file}/plain.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")

    assert mine.run("clean", "--campaign", "plain", "--run-id", "run") == 2

    assert said in mine.said
    assert "Traceback" not in mine.said
    assert f"{file}/plain.toml:" in mine.said


_FAULTS = """
[[faults]]
kind = "lock_hold"
hold_ms = [10, 20]
max_hold_ms = 100

[[faults]]
kind = "damage"
modes = ["truncate", "zero_length", "bit_flip"]
bits = [1, 8]
roles = ["entry"]

[[faults]]
kind = "remove_folder"
max_hold_ms = 100

[[faults]]
kind = "stampede"
"""


def test_an_opening_in_a_subfolder_is_seen(tmp_path: Path) -> None:
    entry = tmp_path / "ab" / "entry"
    entry.parent.mkdir()
    entry.write_text("kept", "utf-8")
    (tmp_path / "other").write_text("kept", "utf-8")
    openings = Notices(tmp_path, ["entry"])

    assert [] == openings.seen()
    (tmp_path / "other").read_bytes()
    assert [] == openings.seen()
    entry.read_bytes()
    assert ["entry"] == openings.seen()
    openings.close()


def test_faults_work_without_lock_and_database_and_spare_what_is_protected(plain: Make) -> None:
    prepare = """
    [prepare]
    argv = ["sh", "-c", "mkdir -p .plain; echo tag > .plain/CACHEDIR.TAG"]
    deadline_s = 30
    """
    mine = plain(edits=("rename_over",), extra=prepare)
    campaign = mine.root / "eval/campaigns/plain.toml"
    campaign.write_text(campaign.read_text("utf-8") + _FAULTS, "utf-8")
    target = mine.root / "eval/targets/plain.toml"
    roles = '[cache]\nprotected = ["CACHEDIR.TAG"]\n'
    text = target.read_text("utf-8").replace("[cache]\n", roles)
    tag = 'roles = [{ role = "tag", glob = "CACHEDIR.TAG" }, '
    target.write_text(text.replace("roles = [", tag), "utf-8")

    assert soaked(mine, "--ops", "120") == 0, mine.said

    kinds = mine.document("metrics.json")["faults"]["by_kind"]
    assert 0 == kinds["lock_hold"]["fired"] < kinds["lock_hold"]["skipped"]
    assert "the target names no lock file" in mine.said
    for kind in ("damage", "remove_folder", "stampede"):
        assert kinds[kind]["fired"] > 0, kind
    assert "tag\n" == (mine.run_dir / "segment/.plain/CACHEDIR.TAG").read_text("utf-8")
