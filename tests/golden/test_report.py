"""The report of two golden runs, byte for byte; after a wanted change, read the difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorded import document

from soakproof import schema
from soakproof.report.markdown import markdown_report

FOLDER = Path(__file__).parent / "report"
NOTES = {"pass": "Work order WO-P3.0 is closed.", "fail": ""}


def documents(case: str) -> dict[str, Any]:
    names = ("plan", "run", "metrics", "verdict", "anchors")
    return {
        name: document(case, name) for name in names if (FOLDER / case / f"{name}.json").exists()
    }


def report(case: str) -> str:
    found = documents(case)
    return markdown_report(
        found["plan"],
        found["run"],
        found["metrics"],
        found["verdict"],
        found.get("anchors"),
        plan_sha256="0" * 64,
        note=NOTES[case],
    )


@pytest.mark.parametrize("case", sorted(NOTES))
def test_the_golden_documents_are_what_their_schemas_say(case: str) -> None:
    for name, found in documents(case).items():
        schema.check(found, name, f"{case}/{name}")


@pytest.mark.parametrize("case", sorted(NOTES))
def test_the_report_is_the_golden_one(case: str) -> None:
    assert (FOLDER / case / "report.md").read_text("utf-8") == report(case)


@pytest.mark.parametrize("case", sorted(NOTES))
def test_every_row_of_a_table_has_the_cells_of_its_head(case: str) -> None:
    cells = 0
    for line in report(case).splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        found = line.replace("\\|", "").count("|")
        cells = cells or found

        assert cells == found, line


def test_what_is_not_pass_is_told_with_its_reason() -> None:
    text = report("fail")

    assert "# FAIL: ast_cache, run 20260131T120000Z-ast_cache" == text.splitlines()[0]
    assert "- FAIL `no_failed_operation`: 2 operations failed: `exit`" in text
    assert "## Why it is not PASS" not in report("pass")
