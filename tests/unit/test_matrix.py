"""A cell is yes with evidence only, no for its criterion only, and else says what is missing."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soakproof import schema
from soakproof.matrix.cells import NO, NOT_SHOWN, YES, Cell, Edits, Seen, blamed, cell_of, not_asked
from soakproof.matrix.edits import count_edits
from soakproof.matrix.panel import Panel, Promise, Row, choose
from soakproof.matrix.plots import Subject, narrowed
from soakproof.model import Expected, HistoryLine
from soakproof.report.matrix import cell_line, matrix_markdown, row_lines

CHECKOUT = Path(__file__).resolve().parents[2]
PANEL = Panel.of(tomllib.loads((CHECKOUT / "eval" / "matrix.toml").read_text("utf-8")))

PROMISE = Promise(
    promise_id="edit_killed",
    question="Right?",
    proves="It was right.",
    episodes=3,
    faults=("kill",),
    edits=("rewrite",),
    all_kinds=False,
    red=("no_stale_answer", "no_broken_cache"),
    floor_checked=10,
    floor_effects=2,
    floor_edits=2,
)


def seen(edits: Edits | None = None, **changed: Any) -> Seen:
    """Return a soak that shows a yes, but for what is changed in it."""
    verdicts: dict[str, str | None] = {
        "oracle_holds": "PASS",
        "no_stale_answer": "PASS",
        "no_broken_cache": "PASS",
    }
    verdicts |= changed.get("verdicts", {})
    answers = {"checked": 12, "stale": 0, "wrong": 0, "first": None, "broken": 0}
    metrics = {
        "answers": answers | changed.get("answers", {}),
        "ops": {"ops_total": 20},
        "faults": {"by_kind": {"kill": {"took_effect": changed.get("effects", 2)}}},
        "growth": {"max_bytes_by_role": {"entries": changed.get("cache_bytes", 9)}},
        "schedule_sha256": "0" * 64,
    }
    criteria = [
        {"id": name, "verdict": verdict, "reason": f"why {name}"}
        for name, verdict in verdicts.items()
        if verdict is not None
    ]
    return Seen({"criteria": criteria}, metrics, edits or Edits(2, 1, 1), 1.25)


def cell(one: Seen, promise: Promise = PROMISE) -> Cell:
    return cell_of(promise, one, promised=True, seed=7, replay="nox -s x")


def test_a_yes_tells_its_evidence() -> None:
    got = cell(seen())

    assert (YES, []) == (got.shown, got.criteria)
    assert "12 answers checked, 2 faults took effect, 2 edits changed an answer" == got.why


def test_a_red_criterion_is_a_no_whatever_the_evidence() -> None:
    first = {"op": "op-000003", "words": "it is the answer of a version that was gone"}
    one = seen(
        Edits(),
        verdicts={"no_stale_answer": "FAIL"},
        answers={"stale": 3, "first": first},
        effects=0,
    )
    got = cell(one)

    assert (NO, ["no_stale_answer"], 3) == (got.shown, got.criteria, got.bad)
    assert "no_stale_answer: 3 stale of 12 answers" == got.why
    assert "it is the answer of a version that was gone" == got.counter_example
    assert cell_line(got.document()).endswith("; replay: nox -s x")


def test_another_criterion_that_is_red_does_not_concern_the_promise() -> None:
    got = cell(seen(verdicts={"no_leftovers": "FAIL"}))

    assert YES == got.shown


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Seen(None, None, Edits(), 1.0, "it crashed"), "no verdict: it crashed"),
        (seen(verdicts={"oracle_holds": "UNKNOWN"}), "before any fault the tool does not agree"),
        (seen(verdicts={"oracle_holds": None}), "before any fault the tool does not agree"),
        (seen(answers={"checked": 9}), "9 answers could be checked, 10 are needed"),
        (seen(cache_bytes=0), "the cache stayed empty"),
        (seen(effects=1), "1 faults were seen to take effect, 2 are needed"),
        (seen(Edits(1, 4, 2)), "1 edits changed an answer, 4 did not, 2 met no operation under"),
        (seen(verdicts={"no_broken_cache": "UNKNOWN"}), "no_broken_cache: why no_broken_cache"),
        (seen(verdicts={"no_broken_cache": None}), "the target's gate has no criterion no_broken"),
    ],
)
def test_without_evidence_nothing_is_shown_and_the_reason_is_said(one: Seen, why: str) -> None:
    got = cell(one)

    assert NOT_SHOWN == got.shown
    assert got.why.startswith(why)
    assert [] == got.criteria


def test_an_oracle_that_does_not_hold_is_no_finding() -> None:
    got = cell(seen(verdicts={"oracle_holds": "UNKNOWN", "no_stale_answer": "FAIL"}))

    assert NOT_SHOWN == got.shown


def test_no_fault_is_blamed_for_what_an_edit_breaks_alone() -> None:
    edit = replace(PROMISE, promise_id="edit", faults=())
    other = replace(PROMISE, promise_id="other_edit", faults=(), edits=("touch",))
    failing = seen(verdicts={"no_stale_answer": "FAIL"}, answers={"stale": 1})
    whole = [cell(failing, one).document() for one in (PROMISE, edit)]
    killed, alone = blamed(whole, [PROMISE, edit, other])

    assert (NOT_SHOWN, [], None) == tuple(
        killed[name] for name in ("shown", "criteria", "counter_example")
    )
    assert killed["why"].startswith("the edits alone are a no (edit), so no fault can be blamed")
    assert whole[1] == alone
    right = [whole[0], cell(seen(), edit).document()]
    assert right == blamed(right, [PROMISE, edit])
    apart = [whole[0], cell(failing, other).document()]
    assert apart == blamed(apart, [PROMISE, other]), "another edit says nothing of this one"


def line(edit: str, event: str, version: str, **detail: Any) -> HistoryLine:
    return HistoryLine(
        seq=0,
        type="edit",
        mono_ns=0,
        event=event,
        edit=edit,
        kind="after_read",
        key="a.txt",
        path="a.txt",
        version=version,
        detail=detail,
    )


def right(version: str, sha256: str, key: str = "a.txt") -> Expected:
    return Expected(
        kind="ask", key=key, version=version, exit_code=0, answer_sha256=sha256, answer_bytes=1
    )


def test_an_edit_counts_when_the_right_answer_changed_with_it() -> None:
    history = [
        *(line("edit-0", "initial", "one"), line("edit-0", "begin", "two")),
        *(line("edit-0", "end", "two"), line("edit-1", "initial", "two")),
        *(line("edit-1", "end", "same"), line("edit-2", "initial", "same")),
        line("edit-2", "end", "three", stopped_an_operation=False),
        *(line("edit-3", "initial", "three"), line("edit-3", "begin", "one")),
    ]
    expected = [right("one", "x"), right("two", "y"), right("same", "y"), right("three", "z")]

    assert Edits(seen=1, unseen=1, unmet=1) == count_edits(history, expected)


def test_where_answers_depend_on_several_files_any_question_may_show_the_edit() -> None:
    history = [line("edit-0", "initial", "one"), line("edit-0", "end", "two")]

    assert Edits(1, 0, 0) == count_edits(history, [right("s", "x", "b"), right("t", "y", "b")])
    assert Edits(0, 1, 0) == count_edits(history, [right("s", "x", "b"), right("t", "x", "b")])


def subject(**campaign: Any) -> Subject:
    document = {
        "target": "target.toml",
        "gate": "gate.toml",
        "defaults": {"ops": 5, "workers": 1, "seed": 1},
        "segment": {"source": "generated"},
        "workload": {"cold_share": 0.2, "mix": {"ask": 1, "ask_other": 1}},
        "episodes": {"warm_share": 0.05, "asks": 5, "after_keys": 2, "edits": ["touch", "rewrite"]},
        "faults": [{"kind": "stampede"}, {"kind": "kill", "after_ms": [1, 2]}],
        "work_order": "WO-1",
    }
    return Subject(Path("eval/targets/x"), document | campaign, {}, b"")


def test_the_campaign_is_cut_down_to_the_promise() -> None:
    whole = subject()
    made = narrowed(whole, PROMISE)

    assert isinstance(made, dict)
    assert [{"kind": "kill", "after_ms": [1, 2]}] == made["faults"]
    assert ["rewrite"] == made["episodes"]["edits"]
    assert {"ask": 1} == made["workload"]["mix"]
    assert 36 == made["defaults"]["ops"], "three episodes of nine, and a quarter of all is calm"
    assert "work_order" not in made
    assert ["touch", "rewrite"] == whole.campaign["episodes"]["edits"], "the target's own stays"
    assert {"ask": 1, "ask_other": 1} == whole.campaign["workload"]["mix"]


def test_what_a_campaign_has_nothing_for_is_not_asked() -> None:
    assert "its campaign has no fault damage" == narrowed(
        subject(), replace(PROMISE, faults=("damage",))
    )
    assert "its campaign has no edit same_stat or midway" == narrowed(
        subject(), replace(PROMISE, edits=("same_stat", "midway"))
    )
    one = subject(workload={"cold_share": 0.2, "mix": {"ask": 1}})
    assert "its campaign has one set of options" == narrowed(one, replace(PROMISE, all_kinds=True))
    assert "its campaign has no episodes" == narrowed(subject(episodes=None), PROMISE)


def test_names_are_chosen_in_the_panels_order() -> None:
    assert ["a", "c"] == choose(" c, a,", ["a", "b", "c"])
    assert ["a", "b"] == choose("", ["a", "b"])
    with pytest.raises(KeyError, match="nope"):
        choose("a,nope", ["a"])


def rows() -> list[Path]:
    return sorted((CHECKOUT / "eval" / "targets").glob("*/row.toml"))


def test_the_panel_lists_every_target_that_has_a_row() -> None:
    assert sorted(PANEL.targets) == [path.parent.name for path in rows()]
    assert len(PANEL.targets) >= 8


def test_a_promise_read_from_anothers_soak_stands_after_it() -> None:
    before: set[str] = set()
    for one in PANEL.promises:
        assert one.same_soak_as is None or one.same_soak_as in before, one.promise_id
        before.add(one.promise_id)


@pytest.mark.parametrize("path", rows(), ids=lambda path: path.parent.name)
def test_every_target_of_the_matrix_is_whole_pinned_and_speaks_of_the_panel(path: Path) -> None:
    folder, ids = path.parent, {one.promise_id for one in PANEL.promises}
    row = schema.load_toml(path, "matrix-row", hint="")
    campaign = schema.load_toml(folder / "campaign.toml", "campaign", hint="")
    target = schema.load_toml(folder / "target.toml", "target", hint="")
    gate = schema.load_toml(folder / "gate.toml", "gate", hint="")
    pins = [*folder.glob("requirements.txt"), *folder.glob("debian.txt"), *folder.glob("package*")]

    assert folder.name == row["name"] == campaign["name"] == target["name"] == gate["name"]
    assert "contract" in target
    assert {*Row(row).known, *Row(row).not_promised} <= ids
    assert pins, "nothing says which version it is"
    for pin in folder.glob("requirements.txt"):
        assert all("==" in one for one in pin.read_text("utf-8").splitlines())
    needed = {name for one in PANEL.promises for name in one.red}
    assert needed | {"oracle_holds"} <= {one["id"] for one in gate["criteria"]}


def document(cells: list[Cell], **row: Any) -> dict[str, Any]:
    contract = {"trusts": "mtime", "processes": "one", "text": "as its page says"}
    made = {
        "name": "tool-1.2",
        "package": "tool",
        "version": "1.2",
        "origin": "PyPI",
        "family": "linter",
        "documentation": "https://tool.invalid/cache",
        "claimed": "It is right.",
        "found": "It is | not.",
        "not_promised": {},
        "contract": contract,
        "created_at_utc": "2026-03-01T00:00:00Z",
        "soakproof_version": "1",
        "seconds": 1.0,
        "unexpected": [],
        "panel_sha256": "0" * 64,
        "cells": [one.document() for one in cells],
    }
    return {
        "schema_version": 1,
        "panel_sha256": "0" * 64,
        "seed": 7,
        "promises": [{"id": "edit_killed", "question": "Right?", "proves": "It was right."}],
        "yes": 0,
        "no": 0,
        "not_shown": 0,
        "not_run": ["other-1"],
        "rows": [made | row],
    }


def test_the_page_shows_a_no_with_its_replay_and_what_is_not_promised_apart() -> None:
    bad = cell(seen(verdicts={"no_stale_answer": "FAIL"}, answers={"stale": 1}))
    page = matrix_markdown(document([bad]))
    lenient = matrix_markdown(
        document([replace(bad, promised=False)], not_promised={"edit_killed": "its page says so"})
    )

    schema.check(document([bad]), "matrix", "the test")
    assert "| [tool 1.2](#tool-12) | **no** |" in page
    assert "| tool 1.2 | `edit_killed` | no_stale_answer | `nox -s x` |" in page
    assert "It is \\| not." in page
    assert "In the panel, but not run here: `other-1`." in page
    assert "| [tool 1.2](#tool-12) | not promised (no) |" in lenient
    assert "not promised: its page says so" in lenient
    assert "| tool 1.2 | `edit_killed`" not in lenient, "no defect where nothing was promised"


def test_what_could_not_be_asked_says_so_in_the_table_and_on_a_terminal() -> None:
    empty = not_asked(PROMISE, "no such fault", promised=True, seed=7, replay="nox -s x")
    made = document([empty], unexpected=["edit_killed: known to be yes, shown not_shown"])

    schema.check(made, "matrix", "the test")
    assert "| [tool 1.2](#tool-12) | not shown |" in matrix_markdown(made)
    assert [
        "tool-1.2: tool 1.2 (1.0 s)",
        "  edit_killed: not shown: no such fault",
        "  UNEXPECTED edit_killed: known to be yes, shown not_shown",
    ] == row_lines(made["rows"][0])


def test_the_published_page_is_what_its_document_says() -> None:
    published = CHECKOUT / "docs" / "matrix.json"
    made = json.loads(published.read_bytes())

    schema.check(made, "matrix", published)
    assert (CHECKOUT / "docs" / "matrix.md").read_text("utf-8") == matrix_markdown(made)
