"""Fixtures: a project for the toy, in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from soaker import Soaker
from toy_project import make_project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def soaker(tmp_path: Path) -> Iterator[Callable[..., Soaker]]:
    """Make a soaker whose toy has a defect, or none."""
    made: list[Soaker] = []

    def make(defect: str = "", deadline_ms: int = 120_000) -> Soaker:
        root = tmp_path / (defect or "sound")
        gate = ROOT / "eval" / "gates" / "ast_cache.toml"
        made.append(Soaker(make_project(root, gate, defect=defect, deadline_ms=deadline_ms)))
        return made[-1]

    yield make
    for one in made:
        one.close()
