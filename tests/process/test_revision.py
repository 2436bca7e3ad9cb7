"""Which commit is installed: real repositories, real commits, real files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from recorded import commit_all, git

from soakproof import schema
from soakproof.evidence.checkout import checkout_state
from soakproof.evidence.revision import checkout_record, package_record

pytestmark = pytest.mark.process

PREFIXES = {"src/tool": ".", "schemas": "schemas"}
SHA256 = hashlib.sha256(b"a wheel").hexdigest()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository with a package in it."""
    root = tmp_path / "checkout"
    for name, text in {
        "src/tool/__init__.py": "",
        "src/tool/part/core.py": "x = 1\n",
        "src/tool/py.typed": "",
        "schemas/a.json": "{}\n",
        "README.md": "a tool\n",
        ".gitignore": "*.pyc\nignored/\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit_all(root)
    return root


@pytest.fixture
def installed(checkout: Path, tmp_path: Path) -> Path:
    """Install the package as a wheel would."""
    site = tmp_path / "site-packages"
    shutil.copytree(checkout / "src" / "tool", site / "tool")
    shutil.copytree(checkout / "schemas", site / "tool" / "schemas")
    (site / "The_Tool-1.0.dist-info").mkdir()
    (site / "tool-9.9.dist-info").mkdir()  # another one
    return site / "tool"


def record(package_dir: Path, root: Path, **direct_url: object) -> dict[str, Any]:
    """The record of the package, which must be what the schema of a run asks for."""
    for folder in package_dir.parent.glob("The_Tool-*.dist-info"):
        (folder / "direct_url.json").write_text(json.dumps({"url": "file:///x"} | direct_url))
    found = package_record("the.tool", "1.0", package_dir, root, PREFIXES)
    part = schema.load_schema("run")["properties"]["subject"]
    assert [] == list(Draft202012Validator(part).iter_errors(found))
    return found


def test_a_wheel_of_head_is_head(checkout: Path, installed: Path) -> None:
    cached = installed / "__pycache__" / "core.cpython-311.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"what every installation has")

    assert {
        "name": "the.tool",
        "version": "1.0",
        "editable": False,
        "wheel_sha256": SHA256,
        "commit": git(checkout, "rev-parse", "HEAD"),
        "differs": [],
    } == record(installed, checkout, archive_info={"hashes": {"sha256": SHA256}})


@pytest.mark.parametrize(
    ("archive_info", "wanted"),
    [
        ({"hash": f"sha256={SHA256}"}, SHA256),
        ({"hash": "md5=0"}, None),
        ({"hashes": {"sha256": "short"}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_hash_of_the_wheel_as_installers_write_it(
    checkout: Path, installed: Path, archive_info: object, wanted: str | None
) -> None:
    assert wanted == record(installed, checkout, archive_info=archive_info)["wheel_sha256"]


def change(path: Path) -> None:
    path.write_text("x = 2\n", "utf-8")


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (change, "part/core.py"),
        (delete, "part/core.py"),
        (change, "schemas/a.json"),
        (change, "extra.py"),
        (change, "part/_native.so"),
        (change, "stray.pyc"),
    ],
)
def test_one_file_that_is_not_heads_and_it_is_no_commit(
    checkout: Path, installed: Path, act: Any, name: str
) -> None:
    act(installed / name)
    found = record(installed, checkout)

    assert (None, [name]) == (found["commit"], found["differs"])


def test_a_file_that_nothing_imports_may_lie_there(checkout: Path, installed: Path) -> None:
    change(installed / "notes.txt")

    assert [] == record(installed, checkout)["differs"]


def test_a_later_commit_of_something_else_is_still_the_same_content(
    checkout: Path, installed: Path
) -> None:
    change(checkout / "README.md")
    later = commit_all(checkout)

    assert later == record(installed, checkout)["commit"]


def test_a_package_that_runs_from_its_checkout(checkout: Path) -> None:
    package_dir = checkout / "src" / "tool"
    sound = record(package_dir, checkout)
    change(package_dir / "part" / "core.py")
    changed = record(package_dir, checkout)

    assert (True, git(checkout, "rev-parse", "HEAD")) == (sound["editable"], sound["commit"])
    assert (None, ["part/core.py"]) == (changed["commit"], changed["differs"])


def test_the_wheel_says_that_it_is_editable(checkout: Path, installed: Path) -> None:
    assert record(installed, checkout, dir_info={"editable": True})["editable"]


def test_metadata_that_is_damaged_says_nothing(checkout: Path, installed: Path) -> None:
    path = installed.parent / "The_Tool-1.0.dist-info" / "direct_url.json"
    path.write_text("{", "utf-8")
    found = package_record("the-tool", "1.0", installed, checkout, PREFIXES)

    assert (False, None) == (found["editable"], found["wheel_sha256"])


@pytest.mark.parametrize("prefixes", [{}, {"src/other": "."}])
def test_what_head_does_not_track_is_of_no_commit(
    checkout: Path, installed: Path, prefixes: dict[str, str]
) -> None:
    found = package_record("the.tool", "1.0", installed, checkout, prefixes)

    assert (None, []) == (found["commit"], found["differs"])


def test_a_link_in_head_is_no_file(checkout: Path, installed: Path) -> None:
    (checkout / "src/tool/link.py").symlink_to("part/core.py")
    commit_all(checkout)
    shutil.copy(installed / "part/core.py", installed / "link.py")

    assert ["link.py"] == record(installed, checkout)["differs"]


def test_without_a_repository_nothing_is_known(tmp_path: Path, installed: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()

    assert None is record(installed, nowhere)["commit"]
    assert {"commit": None, "dirty": None, "dirty_files": []} == checkout_record(nowhere)


def test_without_git_nothing_is_known(
    checkout: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.prefix) / "no-such-folder"))

    assert None is record(installed, checkout)["commit"]
    assert {"commit": None, "dirty": None, "dirty_files": []} == checkout_record(checkout)


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    change(tmp_path / "a")

    assert {"commit": None, "dirty": True, "dirty_files": ["a"]} == checkout_record(tmp_path)


def test_the_records_own_files_are_no_dirt(checkout: Path) -> None:
    for name in ("_ctx/logs/x/soak_run.log", "docs/reports/x.md", "ignored/x"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        change(checkout / name)
    head = git(checkout, "rev-parse", "HEAD")

    assert {"commit": head, "dirty": False, "dirty_files": []} == checkout_record(checkout)


def test_dirt_is_named_and_at_most_twenty_files_of_it(checkout: Path) -> None:
    git(checkout, "mv", "README.md", "readme — new.md")
    delete(checkout / "schemas/a.json")
    for number in range(30):
        change(checkout / f"z{number:02}")
    files = ("README.md", "readme — new.md", "schemas/a.json", *(f"z{n:02}" for n in range(30)))

    assert files == checkout_state(checkout).dirty_files
    assert list(files[:20]) == checkout_record(checkout)["dirty_files"]


def test_a_project_deep_in_a_repository(checkout: Path) -> None:
    project = checkout / "nested"
    for name in ("_ctx/x", "docs/reports/x"):
        (project / name).parent.mkdir(parents=True)
        change(project / name)
    change(checkout / "README.md")

    assert ("README.md",) == checkout_state(project).dirty_files


def test_the_variables_of_a_git_hook_do_not_lead_astray(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", os.devnull)

    assert False is checkout_state(checkout).dirty


def test_asking_changes_nothing_not_even_the_index(checkout: Path) -> None:
    index = checkout / ".git" / "index"
    os.utime(checkout / "README.md", (0, 0))  # git would like to refresh it
    before = index.read_bytes()
    checkout_state(checkout)

    assert before == index.read_bytes()
