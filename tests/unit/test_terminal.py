"""The gate's table on a terminal and in a pipe."""

from __future__ import annotations

import re

import pytest
from recorded import document

from soakproof.report.terminal import gate_table, summary_lines, verdict_line, verdict_lines

VERDICT = document("fail", "verdict")


@pytest.mark.parametrize("width", [20, 60, 80, 120, 400])
def test_nothing_is_cut_off_at_any_width(width: int) -> None:
    table = gate_table(VERDICT, width=width, colour=False)
    shown = re.sub(r"\s", "", table)

    assert "…" not in table
    assert max(map(len, table.partition("\n\n")[0].splitlines())) <= max(width, 60)
    for each in VERDICT["criteria"]:
        assert each["verdict"] in table
        if width >= 120:
            assert re.sub(r"\s", "", f"{each['verdict']}{each['id']}{each['rule']}") in shown


def test_a_wide_table_has_a_line_for_each_criterion_and_reasons_below() -> None:
    table, reasons = gate_table(VERDICT, width=400, colour=False).split("\n\n")

    assert 1 + len(VERDICT["criteria"]) == len(table.splitlines())
    assert [
        "UNKNOWN run_completed: the run was interrupted",
        "UNKNOWN integrity: 0 samples | floor 1 integrity.integrity_check is absent",
        "FAIL no_failed_operation: 2 operations failed: `exit`",
    ] == reasons.splitlines()


@pytest.mark.parametrize("colour", [False, True])
def test_colour_only_on_request(colour: bool) -> None:
    assert colour == ("\x1b[" in verdict_lines(VERDICT, width=120, colour=colour))


def test_the_last_line_is_the_verdict() -> None:
    run = "run 20260131T120000Z-ast_cache"
    passed = document("pass", "verdict")
    text = summary_lines(passed, {"metrics": "a.json", "log": "b.log"}, width=120, colour=False)

    assert f"PASS  ast_cache  {run}  (18 criteria)" == text.splitlines()[-1]
    assert "metrics  a.json\nlog      b.log\n" in text
    assert f"FAIL  ast_cache  {run}  (3 of 18 criteria not met)" == verdict_line(
        VERDICT, colour=False
    )


def test_brackets_in_a_rule_are_no_markup() -> None:
    odd = document("pass", "verdict")
    odd["criteria"][0]["rule"] = "x[red] == [/]"

    assert "x[red] == [/]" in gate_table(odd, width=200, colour=False)
