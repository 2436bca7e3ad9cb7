"""Work orders and backlogs that cannot be closed, or need nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soakproof.errors import ConfigError, InvalidDocument
from soakproof.evidence.backlog import close_item
from soakproof.evidence.closing import Closing
from soakproof.evidence.work_order import close_work_order
from soakproof.evidence.yaml_text import read_mapping

ORDER = "id: WO-P3.0\ntitle: t\nstatus: pending\n"
BACKLOG = """\
items:
  # first
  - id: WO-P2.2
    title: file locks
    status: done
  - id: WO-P3.0   # ours
    title: soak
    status: pending
    owner: null

  - id: WO-P4.0
    title: later
    status: pending
"""
CLOSING = Closing(
    work_order="WO-P3.0",
    campaign="ast_cache",
    run_id="first",
    commit="1" * 40,
    dirty=False,
    closed_at="2026-01-31T12:00:00Z",
    evidence=("log",),
)
SECOND = replace(CLOSING, run_id="second", commit="2" * 40, closed_at="2026-02-01T12:00:00Z")


def closed(text: str, *closings: Closing) -> str:
    for closing in closings:
        text = close_work_order("wo.yaml", text, closing)
    return text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "wo.yaml:1: expected one YAML document: "),
        (ORDER + "id: WO-P3.0\n", "wo.yaml:4: expected one YAML document: found duplicate key"),
        ("a: 1\n---\nb: 2\n", "wo.yaml:2: expected one YAML document: but found another"),
        ("- a\n", "wo.yaml: expected a YAML mapping, found list"),
        ("", "wo.yaml: expected a YAML mapping, found NoneType"),
        (ORDER.replace("P3", "P4"), "wo.yaml: id: expected 'WO-P3.0', found 'WO-P4.0'"),
        (ORDER + "campaign: x\n", "wo.yaml: campaign: expected 'ast_cache', found 'x'"),
    ],
)
def test_what_is_no_such_work_order_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        closed(text, CLOSING)

    assert str(caught.value).startswith(message)
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("line", "json_path"),
    [
        ("verified_at_sha: 1234567", "$.verified_at_sha"),
        ("closed_at: 2026-01-01T00:00:00Z", "$.closed_at"),
        ("run_ids: null", "$.run_ids"),
    ],
)
def test_the_schema_is_asked_before(line: str, json_path: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        closed(f"{ORDER}{line}\n", CLOSING)

    assert json_path == caught.value.json_path


def test_a_comment_before_the_last_key_stays() -> None:
    text = "id: WO-P3.0\ntitle: t\nflow: [a]\n# before\nstatus: pending\n# after\n"
    lines = closed(text, CLOSING).splitlines()

    assert ["flow: [a]", "# before", "status: done"] == lines[2:5]
    assert "# after" == lines[-1]


def test_a_new_run_is_appended_and_its_commit_named() -> None:
    found = read_mapping("wo.yaml", closed(ORDER, CLOSING, SECOND))

    assert {
        "id": "WO-P3.0",
        "title": "t",
        "status": "done",
        "verified_at_sha": "2" * 40,
        "closed_at": "2026-02-01T12:00:00Z",
        "run_ids": ["first", "second"],
        "evidence_logs": ["log"],
    } == found


def test_the_last_run_is_the_one_whose_evidence_lies_there() -> None:
    found = read_mapping("wo.yaml", closed(ORDER, CLOSING, SECOND, CLOSING))

    assert ("1" * 40, ["second", "first"]) == (found["verified_at_sha"], found["run_ids"])


def test_the_same_run_again_keeps_the_time_of_the_first() -> None:
    later = replace(CLOSING, closed_at="2027-01-01T00:00:00Z")

    assert closed(ORDER, CLOSING) == closed(ORDER, CLOSING, later)


def test_dirt_is_said_and_taken_back() -> None:
    dirty = replace(CLOSING, dirty=True)

    assert "dirty" not in read_mapping("wo.yaml", closed(ORDER, CLOSING))
    assert read_mapping("wo.yaml", closed(ORDER, dirty))["dirty"] is True
    assert read_mapping("wo.yaml", closed(ORDER, dirty, SECOND))["dirty"] is False


def test_only_its_own_item_of_the_backlog_is_done() -> None:
    wanted = BACKLOG.replace(
        "    status: pending\n    owner: null\n",
        "    status: done\n    owner: null\n"
        f'    verified_at_sha: "{"1" * 40}"\n    verified_by_run: "first"\n',
    )

    assert wanted == close_item("backlog.yaml", BACKLOG, CLOSING)
    assert wanted == close_item("backlog.yaml", wanted, CLOSING)


def test_a_backlog_without_the_item_stays_as_it_is() -> None:
    other = replace(CLOSING, work_order="WO-X")

    assert BACKLOG == close_item("backlog.yaml", BACKLOG, other)


def test_a_backlog_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidDocument, match=r"\$\.items\[0\]"):
        close_item("backlog.yaml", "items:\n  - id: nonsense\n", CLOSING)
