"""Entries of the session log."""

from __future__ import annotations

import pytest
from recorded import document

from soakproof.errors import EvidenceBroken
from soakproof.evidence.session_log import MAX_LINES, append_entry
from soakproof.report.session import session_facts

ENTRY = b"\n## Soak run one\n\n- a fact\n- another one\n"


@pytest.mark.parametrize(
    ("log", "front"), [(b"", b""), (b"# Log\n", b"# Log\n"), (b"# Log", b"# Log\n")]
)
def test_an_entry_comes_after_what_is_there(log: bytes, front: bytes) -> None:
    assert front + ENTRY == append_entry(log, "one", ("a fact", "another\none"))


def test_a_run_has_one_entry_and_its_namesake_another() -> None:
    once = append_entry(b"", "one", ("x",))

    assert once == append_entry(once, "one", ("something else",))
    assert once != append_entry(once, "on", ("x",))


def test_an_entry_that_is_too_long_is_refused() -> None:
    with pytest.raises(EvidenceBroken, match="at most 12 lines, got 13"):
        append_entry(b"", "one", ("x",) * (MAX_LINES - 2))


def test_the_facts_of_a_run_fit() -> None:
    facts = session_facts(
        document("pass", "plan"),
        document("pass", "run"),
        document("pass", "metrics"),
        document("pass", "verdict"),
        note="Work order WO-P3.0 is closed at `…`.",
        evidence=("a.log", "b.md"),
    )

    assert (
        "Verdict: PASS, 18 of 18 criteria of gate `ast_cache`",
        "Work order WO-P3.0 is closed at `…`.",
        "Ran 2026-01-31T12:00:00Z to 2026-01-31T12:00:10Z: 16 operations, 3 workers, seed 7",
        "Cache: cold hit rate 0.0%, warm hit rate 100.0%; 3 lock waits, 0 given up; integrity ok",
        "Evidence: `a.log`, `b.md`",
        "Replay: `soakproof all --campaign eval/campaigns/ast_cache.toml --ops 16 --seed 7`",
    ) == facts
    assert MAX_LINES >= append_entry(b"", "one", facts).count(b"\n")
