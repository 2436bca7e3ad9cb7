"""The source documents' script names: thin, and never silent about what they lack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "eval" / "scripts"
HANG_GUARD_S = 120

pytestmark = pytest.mark.process


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a checkout that has the scripts, and nothing that they could start."""
    shutil.copytree(SCRIPTS, tmp_path / "eval" / "scripts")
    (tmp_path / "bin").mkdir()
    return tmp_path


def start(argv: Sequence[str | Path], path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )


def program(folder: Path, name: str) -> Path:
    """Make a program that says how it was called and ends with exit code 10."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*"\nexit 10\n', "utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "stage"),
    [("gate_ast_soak.py", "gate"), ("extract_ast_soak_metrics.py", "extract")],
)
def test_the_installed_soakproof_is_used(script: str, stage: str, tmp_path: Path) -> None:
    done = start([sys.executable, SCRIPTS / script, "--help"], path=str(tmp_path))

    assert 0 == done.returncode
    assert f"soakproof {stage}" in done.stdout


def test_a_missing_metrics_file_ends_with_usage(tmp_path: Path) -> None:
    script = SCRIPTS / "gate_ast_soak.py"
    done = start([sys.executable, script, "--in", tmp_path / "none.json"], path=str(tmp_path))

    assert 2 == done.returncode
    assert 1 == done.stderr.count("\n")
    assert "none.json" in done.stderr


@pytest.mark.parametrize("script", ["gate_ast_soak.py", "extract_ast_soak_metrics.py"])
def test_without_soakproof_one_line_says_what_to_do(script: str, bare: Path) -> None:
    # -S: without the environment's packages, as the Python of a machine where nothing is installed.
    done = start([sys.executable, "-S", bare / "eval/scripts" / script], path=str(bare / "bin"))

    assert 2 == done.returncode
    assert 1 == done.stderr.count("\n")
    assert "pip install nox && nox -s soak" in done.stderr


def test_the_newest_environment_that_a_soak_left_is_used(bare: Path) -> None:
    program(bare / ".nox" / "soak" / "bin", "soakproof")
    newest = program(bare / ".nox-2" / "soak" / "bin", "soakproof")
    newest.write_text(newest.read_text("utf-8").replace("echo", "echo newest"), "utf-8")
    script = bare / "eval/scripts/gate_ast_soak.py"
    done = start([sys.executable, "-S", script, "--in", "m.json"], path=str(bare / "bin"))

    assert (10, "newest soakproof gate --in m.json\n") == (done.returncode, done.stdout)


def test_a_whole_soak_falls_back_to_nox(bare: Path) -> None:
    program(bare / "bin", "nox")
    stage = bare / "eval/scripts/stage.py"
    done = start([sys.executable, "-S", stage, "all", "--ops", "5"], path=str(bare / "bin"))

    assert (
        10,
        f"nox -f {bare / 'noxfile.py'} -s soak -- --ops 5\n",
    ) == (done.returncode, done.stdout)


def test_the_shell_script_passes_everything_on(bare: Path) -> None:
    python = bare / "bin" / "python3"
    python.write_text('#!/bin/sh\nshift\necho "$PWD: $*"\n', "utf-8")
    python.chmod(0o755)
    script = bare / "eval/scripts/run_ast_cache_soak.sh"
    done = start(["/bin/bash", script, "--ops", "5"], path=f"{bare / 'bin'}:/usr/bin:/bin")

    assert (0, f"{bare}: all --ops 5\n") == (done.returncode, done.stdout)
