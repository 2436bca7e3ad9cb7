"""Work orders as people write them, closed: only what was to be changed is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from soakproof.evidence.closing import Closing
from soakproof.evidence.work_order import close_work_order

FOLDER = Path(__file__).parent / "work_orders"
OPEN = sorted(path for path in FOLDER.glob("*.yaml") if not path.stem.endswith(".closed"))
CLOSING = Closing(
    work_order="WO-P3.0",
    campaign="ast_cache",
    run_id="20260131T120000Z-ast_cache",
    commit="7" * 39 + "e",
    dirty=False,
    closed_at="2026-01-31T12:01:00Z",
    evidence=("_ctx/logs/wo_p3_0/soak_run.log", "docs/reports/ast_soak_run.md"),
)


@pytest.mark.parametrize("path", OPEN, ids=lambda path: path.stem)
def test_closing_gives_the_golden_bytes(path: Path) -> None:
    closed = close_work_order(path.name, path.read_bytes().decode(), CLOSING)

    assert path.with_suffix(".closed.yaml").read_bytes().decode() == closed


@pytest.mark.parametrize("path", OPEN, ids=lambda path: path.stem)
def test_closing_again_with_the_same_run_changes_nothing(path: Path) -> None:
    closed = path.with_suffix(".closed.yaml").read_bytes().decode()

    assert closed == close_work_order(path.name, closed, CLOSING)
