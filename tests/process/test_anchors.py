"""Anchors: a real small tool is asked where it lies, and its source is searched by syntax."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded import document

from soakproof import schema
from soakproof.errors import ConfigError, InvalidDocument, MissingInput, SoakError
from soakproof.evidence.source_anchors import search
from soakproof.rundir import Project, RunDir, write_json
from soakproof.stages.anchors import anchors

pytestmark = pytest.mark.process

SOURCE = '''\
"""A docstring with NEEDLE."""

import os


class Store:
    """NEEDLE in another."""

    async def Wait(self, run):
        os.write(1, f"{run} NEEDLE {run}".encode())
        text = (
            "one "
            "two NEEDLE"
        )
        return text, os . write, self.os.write(1), "\\dNEEDLE"
'''


def found(folder: Path, find: str, text: str, **more: str) -> list[tuple[str, int]]:
    anchor = {"name": "n", "expects": "e", "find": find, "text": text, **more}
    return [(place.file, place.line) for place in search(folder, [anchor]).places]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Make a package with sound and unreadable files."""
    folder = tmp_path / "site" / "tool"
    (folder / "sub").mkdir(parents=True)
    (folder / "core.py").write_text(SOURCE, "utf-8")
    (folder / "latin.py").write_bytes(
        "# -*- coding: latin-1 -*-\r\nx = 'é FAR'\r\n".encode("latin-1")
    )
    (folder / "broken.py").write_text("def (:\n", "utf-8")
    (folder / "sub" / "binary.py").write_bytes(b"\0\xff")
    return folder


@pytest.mark.parametrize(
    ("find", "text", "lines"),
    [
        ("string", "NEEDLE", [10, 13, 15]),
        ("call", "os.write", [10]),
        ("call", "self.os.write", [15]),
        ("call", "write", []),
        ("definition", "Store", [6]),
        ("definition", "Wait", [9]),
        ("definition", "run", []),
    ],
)
def test_what_is_found_by_syntax(package: Path, find: str, text: str, lines: list[int]) -> None:
    assert [("core.py", line) for line in lines] == found(package, find, text)


def test_a_declared_encoding_and_its_line_ends(package: Path) -> None:
    (place,) = search(
        package, [{"name": "n", "expects": "e", "find": "string", "text": "é FAR"}]
    ).places

    assert ("latin.py", 2, "x = 'é FAR'") == (place.file, place.line, place.text)
    assert hashlib.sha256((package / "latin.py").read_bytes()).hexdigest() == place.file_sha256


def test_only_in_the_named_module(package: Path) -> None:
    assert [] == found(package, "call", "os.write", module="latin")
    assert [("core.py", 10)] == found(package, "call", "os.write", module="core")


def test_a_few_places_of_each_and_what_could_not_be_read(package: Path) -> None:
    (package / "many.py").write_text("x = 'MANY'\n" * 9, "utf-8")
    wanted = [
        {"name": "many", "expects": "e", "find": "string", "text": "MANY"},
        {"name": "none", "expects": "e", "find": "string", "text": "NONE"},
    ]
    result = search(package, wanted)

    assert [1, 2, 3] == [place.line for place in result.places]
    assert (("none",), ("broken.py", "sub/binary.py")) == (result.missing, result.unreadable)


def planned(root: Path, says: str, **target: object) -> tuple[Project, RunDir]:
    """Plan a run whose target is a real command that does as ``says``."""
    plan: dict[str, Any] = document("pass", "plan")
    plan["settings"]["target_command"]["value"] = [sys.executable, "-c", says]
    plan["target"] |= {"about": ["about"], **target}
    project = Project(root)
    run = RunDir(project.runs / plan["run_id"])
    write_json(run.plan, plan)
    return project, run


def test_the_stage_writes_what_its_schema_asks_for(package: Path, tmp_path: Path) -> None:
    said = json.dumps({"version": "1.2", "package_dir": str(package)})
    wanted = [
        {"name": "emission", "expects": "one write", "find": "call", "text": "os.write"},
        {"name": "nowhere", "expects": "nothing", "find": "call", "text": "os.fork"},
    ]
    project, run = planned(tmp_path, f"print({said!r})", anchors=wanted)
    written = schema.load_json(anchors(project, run), "anchors", hint="")
    before = run.anchors.read_bytes()

    assert {
        "schema_version": 1,
        "run_id": run.run_id,
        "package_dir": "site/tool",
        "version": "1.2",
        "expected": 2,
        "found": 1,
        "anchors": [
            {
                "name": "emission",
                "expects": "one write",
                "file": "core.py",
                "line": 10,
                "text": '        os.write(1, f"{run} NEEDLE {run}".encode())',
                "file_sha256": hashlib.sha256(SOURCE.encode()).hexdigest(),
            }
        ],
        "missing": ["nowhere"],
        "unreadable": ["broken.py", "sub/binary.py"],
    } == written
    assert before == anchors(project, run).read_bytes()


def test_a_path_of_this_machine_is_not_in_the_record(package: Path, tmp_path: Path) -> None:
    said = json.dumps({"version": "1.2", "package_dir": str(package)})
    project, run = planned(tmp_path / "project", f"print({said!r})")
    written = anchors(project, run).read_text("utf-8")

    assert '"package_dir": "site/tool"' in written
    assert str(tmp_path) not in written


def test_a_target_without_anchors_is_not_even_started(tmp_path: Path) -> None:
    project, run = planned(tmp_path, "raise SystemExit(1)", anchors=[])

    assert 0 == schema.load_json(anchors(project, run), "anchors", hint="")["expected"]


@pytest.mark.parametrize(
    ("says", "error", "message"),
    [
        ("raise SystemExit(3)", SoakError, "exit status 3"),
        ("print('hello')", SoakError, "expected a JSON object with version and package_dir"),
        ("print('[]')", SoakError, "expected a JSON object with version and package_dir"),
        ('print(\'{"version": "1"}\')', SoakError, "expected a JSON object"),
        (
            'print(\'{"version": 1, "package_dir": "."}\')',
            InvalidDocument,
            r"\$\.version: expected a string that is not empty, found 1",
        ),
        (
            'print(\'{"version": "1", "package_dir": "no-such-folder"}\')',
            MissingInput,
            "no .py lies in it",
        ),
    ],
)
def test_a_target_that_does_not_say_where_it_lies(
    tmp_path: Path, says: str, error: type[SoakError], message: str
) -> None:
    project, run = planned(tmp_path, says)

    with pytest.raises(error, match=message):
        anchors(project, run)
    assert not run.anchors.exists()


def test_anchors_without_an_about_command_are_refused(tmp_path: Path) -> None:
    project, run = planned(tmp_path, "")
    plan = json.loads(run.plan.read_bytes())
    del plan["target"]["about"]
    write_json(run.plan, plan)

    with pytest.raises(ConfigError, match=r"toy.toml: about: expected a command"):
        anchors(project, run)


def test_without_a_plan_there_is_nothing_to_look_for(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="soakproof clean"):
        anchors(Project(tmp_path), RunDir(tmp_path / "_ctx/runs/x"))
