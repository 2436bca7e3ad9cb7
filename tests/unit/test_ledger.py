"""The ledger: operations counted from the history, whatever shape it is in."""

from __future__ import annotations

from typing import Any

from soakproof.checks.ledger import Ledger
from soakproof.model import HistoryLine, Outcome


def fold(*lines: dict[str, Any]) -> Ledger:
    ledger = Ledger()
    for seq, fields in enumerate(lines):
        ledger.add(HistoryLine(**{"seq": seq, "mono_ns": seq * 10, **fields}))
    ledger.close()
    return ledger


def invoke(op: str, key: str = "k", phase: str = "cold") -> dict[str, Any]:
    return {"type": "invoke", "op": op, "kind": "get", "key": key, "phase": phase}


def ok(op: str, answer: str = "a" * 64) -> dict[str, Any]:
    return {"type": "ok", "op": op, "answer_sha256": answer, "wall_ms": 2.0}


END = {"type": "run", "event": "end"}


def test_each_operation_counts_once() -> None:
    ledger = fold(invoke("op-0"), ok("op-0"), invoke("op-1"), {"type": "fail", "op": "op-1"}, END)

    assert {("get", Outcome.OK): 1, ("get", Outcome.FAIL): 1} == dict(ledger.outcomes())
    assert "completed" == ledger.state


def test_an_invoke_without_completion_may_have_happened() -> None:
    ledger = fold(invoke("op-0"))

    assert {("get", Outcome.INFO): 1} == dict(ledger.outcomes())
    assert (1, 0) == (ledger.reasons["never_completed"], ledger.unexplained)
    assert "unfinished" == ledger.state


def test_an_invoke_that_a_finished_run_never_completed_is_a_finding() -> None:
    assert 1 == fold(invoke("op-0"), END).unexplained


def test_an_operation_completed_twice_is_counted_once_and_told() -> None:
    ledger = fold(invoke("op-0"), ok("op-0"), ok("op-0"), END)

    assert (1, 1) == (ledger.outcomes().total(), ledger.duplicate_completions)


def test_a_completion_that_nobody_invoked_is_told() -> None:
    ledger = fold(ok("op-0"), END)

    assert (0, 1) == (ledger.outcomes().total(), ledger.completions_without_invoke)


def test_what_the_user_interrupted_is_no_finding_and_a_deadline_is_one() -> None:
    ledger = fold(
        invoke("op-0"),
        {"type": "info", "op": "op-0", "reason": "interrupted"},
        invoke("op-1"),
        {"type": "info", "op": "op-1", "reason": "deadline"},
    )

    assert 1 == ledger.unexplained


def test_answers_to_the_same_question_are_compared() -> None:
    same = fold(invoke("op-0"), ok("op-0"), invoke("op-1"), ok("op-1"), END)
    other = fold(invoke("op-0"), ok("op-0"), invoke("op-1"), ok("op-1", "b" * 64), END)
    once = fold(invoke("op-0"), ok("op-0"), invoke("op-1", "other"), ok("op-1", "b" * 64), END)

    assert (1, 0) == (same.answers_compared(), same.keys_contradicted())
    assert (1, 1) == (other.answers_compared(), other.keys_contradicted())
    assert (0, 0) == (once.answers_compared(), once.keys_contradicted())


def test_a_hole_in_the_numbering_is_seen() -> None:
    ledger = fold(invoke("op-0"), {**ok("op-0"), "seq": 7}, {**END, "seq": 8})

    assert (1, "broken", False) == (ledger.sequence_gaps, ledger.state, ledger.whole)
