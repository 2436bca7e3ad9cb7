"""Laws of the record: the log only grows, closing is idempotent, comments stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.evidence.closing import Closing
from soakproof.evidence.session_log import MAX_LINES, append_entry
from soakproof.evidence.work_order import close_work_order
from soakproof.evidence.yaml_text import read_mapping
from soakproof.report.cells import code, plain

pytestmark = pytest.mark.property

RUN_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
COMMITS = st.text("0123456789abcdef", min_size=40, max_size=40)
COMMENTS = st.lists(st.from_regex(r"# [a-z:\-'\" ]{0,20}", fullmatch=True), max_size=3)
VALUES = st.sampled_from(
    ["null", "~", "1", "'q'", '"d"', "[a,  b]", "{c:   1}", "|\n  text\n   more", "\n- x\n-   y"]
)
CLOSINGS = st.builds(
    Closing,
    work_order=st.just("WO-1"),
    campaign=st.just("c"),
    run_id=RUN_IDS,
    commit=COMMITS,
    dirty=st.booleans(),
    closed_at=st.just("2026-01-31T12:00:00Z"),
    evidence=st.lists(st.sampled_from(["a.log", "b.json", "c.md"]), unique=True).map(tuple),
)


@st.composite
def work_orders(draw: st.DrawFn) -> str:
    """A work order with comments, odd spacing and keys of its own anywhere."""
    keys = draw(st.permutations(["id: WO-1", "title: 't'", "status:  pending"]))
    own = draw(st.lists(VALUES, max_size=3))
    lines = [*keys, *(f"own{at}: {value}" for at, value in enumerate(own))]
    head = draw(st.sampled_from([[], ["---"], ["# before", "---"]]))
    body = [part for line in draw(st.permutations(lines)) for part in (*draw(COMMENTS), line)]
    return "\n".join([*head, *body, *draw(COMMENTS), ""])


@given(st.binary(), st.lists(st.tuples(RUN_IDS, st.lists(st.text(), max_size=9).map(tuple))))
def test_the_session_log_only_grows_and_names_a_run_once(
    log: bytes, entries: list[tuple[str, tuple[str, ...]]]
) -> None:
    for run_id, facts in entries:
        grown = append_entry(log, run_id, facts)

        assert grown.startswith(log)
        assert grown == append_entry(grown, run_id, facts)
        assert MAX_LINES + 1 >= grown[len(log) :].count(b"\n")
        log = grown


@given(work_orders(), st.lists(CLOSINGS, min_size=1, max_size=4))
def test_closing_twice_is_closing_once(text: str, closings: list[Closing]) -> None:
    for closing in closings:
        closed = close_work_order("wo", text, closing)
        found = read_mapping("wo", closed)

        assert closed == close_work_order("wo", closed, closing)
        assert (closing.run_id, closing.commit) == (found["run_ids"][-1], found["verified_at_sha"])
        assert len(set(found["run_ids"])) == len(found["run_ids"])
        assert set(closing.evidence) <= set(found["evidence_logs"])
        text = closed


@given(work_orders(), CLOSINGS)
def test_every_line_but_the_status_stays_in_its_order(text: str, closing: Closing) -> None:
    closed = iter(close_work_order("wo", text, closing).splitlines())

    for line in text.splitlines():
        if not line.startswith("status:"):
            assert line in closed, line  # an iterator: found after the one before


@given(st.text())
def test_no_text_breaks_out_of_its_cell(text: str) -> None:
    for cell in (plain(text), code(text)):
        assert 1 >= len(cell.splitlines())
        assert "|" not in cell.replace("\\|", "")
