"""A disk that is full: one line says so, and what was begun goes on when there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from soaker import VARIABLES, Soaker
from toy_project import make_project

pytestmark = pytest.mark.process

GATE = Path(__file__).resolve().parents[2] / "eval" / "gates" / "ast_cache.toml"
ROOM = dict.fromkeys(VARIABLES, "")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of a hundred kilobytes: a tenth of what the toy's segment needs."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(folder)]
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"mounting is not permitted here: {tried.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def grow(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=100m", str(folder)], check=True)


def test_a_soak_says_so_in_one_line_and_another_passes_when_there_is_room(small: Path) -> None:
    soaks = Soaker(make_project(small, GATE))
    try:
        full = soaks("all", "--campaign", "toy", "--ops", "16", "--run-id", "full", **ROOM)
        grow(small)
        fine = soaks("all", "--campaign", "toy", "--ops", "16", "--run-id", "fine", **ROOM)
    finally:
        soaks.close()

    assert 1 == full.returncode
    last = full.stderr.strip().splitlines()[-1]
    assert last.startswith(f"soakproof: {small}/_ctx/runs/full/"), full.stderr
    assert last.endswith(": No space left on device; free some space, and begin again")
    assert "Traceback" not in full.stderr
    assert 0 == fine.returncode, fine.stderr


def test_a_campaign_stops_and_goes_on_and_no_point_is_called_unknown_for_it(small: Path) -> None:
    soaks = Soaker(make_project(small, GATE))
    asked = ("campaign", "--campaign", "toy", "--seeds", "1..2", "--ops", "16", "--jobs", "1")
    try:
        full = soaks(*asked, **ROOM)
        grow(small)
        fine = soaks(*asked, **ROOM)
    finally:
        soaks.close()

    assert 1 == full.returncode
    assert "No space left on device; free some space, and begin again" in full.stderr
    assert "Traceback" not in full.stderr
    assert 0 == fine.returncode, fine.stdout + fine.stderr
    assert "2 of 2 points: 2 PASS, 0 FAIL, 0 UNKNOWN" in fine.stdout
