from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

CHECKOUT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
PYTHONS = [
    classifier.rpartition(" ")[2]
    for classifier in PYPROJECT["project"]["classifiers"]
    if re.search(r":: 3\.\d+$", classifier)
]


def tracked() -> list[Path]:
    """Return the files that git tracks, or would: without git, there is nothing to look at."""
    ask = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        done = subprocess.run(ask, cwd=CHECKOUT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        pytest.skip(f"no git checkout: {problem}")
    return [CHECKOUT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def workflow(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(path)
    return document


def test_both_distributions_promise_the_same_pythons() -> None:
    subject = tomllib.loads((CHECKOUT / "packages/trifecta/pyproject.toml").read_text("utf-8"))

    assert f">={PYTHONS[0]}" == PYPROJECT["project"]["requires-python"]
    assert f">={PYTHONS[0]}" == subject["project"]["requires-python"]
    assert [True] * len(PYTHONS) == [
        f"Programming Language :: Python :: {version}" in subject["project"]["classifiers"]
        for version in PYTHONS
    ]
    assert f"py{PYTHONS[0].replace('.', '')}" == PYPROJECT["tool"]["ruff"]["target-version"]


def test_the_matrix_of_ci_comes_from_nox() -> None:
    jobs = workflow(CHECKOUT / ".github" / "workflows" / "ci.yml")["jobs"]
    asked = [step for step in jobs["matrix"]["steps"] if "nox --list --json" in step.get("run", "")]

    assert 1 == len(asked)
    assert {"python": "${{ fromJSON(needs.matrix.outputs.pythons) }}"} == jobs["tests"]["strategy"][
        "matrix"
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_python_that_a_workflow_names_is_one_that_we_promise(path: Path) -> None:
    named = re.findall(r"""python(?:-version)?: ["']?(3\.\d+)""", path.read_text("utf-8"))

    assert set(named) <= set(PYTHONS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit_with_the_version_beside_it(path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    pinned = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$")

    assert [] == [line for line in lines if not pinned.search(line)]


@pytest.mark.parametrize("name", [".ci/run", "eval/scripts/run_ast_cache_soak.sh"])
def test_scripts_can_be_started(name: str) -> None:
    path = CHECKOUT / name

    assert os.access(path, os.X_OK)
    assert path.read_text("utf-8").startswith("#!")


def test_every_linter_exception_says_why() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text("utf-8").partition("[tool.ruff.lint]")[2]
    rules = re.compile(r"""^\s+"[A-Z]+[0-9]*",(?P<why>.*)$""", re.MULTILINE)

    assert [] == [match[0] for match in rules.finditer(text) if "# " not in match["why"]]


def test_no_file_names_a_package_registry_or_a_machine_path() -> None:
    # Put together from parts, or this file would be the first to be found.
    needles = [
        re.compile(
            rf"\b{'py' + 'pi'}\.org\b|\b{'python' + 'hosted'}\.org\b|\bfiles\.{'python' + 'hosted'}"
        ),
        re.compile(rf"(?<![\w.~-])/(?:{'wo' + 'rk'}|{'ro' + 'ot'}|{'ho' + 'me'})/[\w.-]"),
    ]
    found = []
    for path in tracked():
        if not path.is_file() or path.is_symlink():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        found += [
            f"{path.relative_to(CHECKOUT)}: {match[0]}"
            for needle in needles
            for match in needle.finditer(text)
        ]

    assert [] == found
