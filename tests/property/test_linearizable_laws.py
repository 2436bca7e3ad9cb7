"""The checker against a judge that tries every order, on small histories."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kv_histories import Event, by_trying_all, feed

from soakproof.checks.kv_findings import FindingsFold
from soakproof.checks.kv_ledger import KvLedger
from soakproof.model import HistoryLine
from soakproof.verifier.library import LibraryHistory, Reader, worth_of

pytestmark = pytest.mark.property

KINDS = ("get", "set", "delete", "incr", "add", "expire", "evict", "get", "set")
MOST_OPS = 6


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of up to three workers, each of which answers in the order in which it was asked.

    Answers are drawn from what could be meant, right or wrong; so both verdicts are common.
    """
    events: list[Event] = []
    waiting: dict[int, list[Event]] = {0: [], 1: [], 2: []}
    writes: list[int] = []
    counters = draw(st.booleans())
    held = 0
    for number in range(1, draw(st.integers(1, MOST_OPS)) + 1):
        worker = draw(st.integers(0, 2))
        kinds = ("get", "incr", "incr", "delete") if counters else KINDS
        kind = draw(st.sampled_from(kinds))
        if not counters and kind == "incr":
            kind = "get"
        arg = number if kind in {"set", "add"} else 1 if kind == "incr" else 0
        if kind in {"set", "add"}:
            writes.append(number)
        asked = Event("invoke", number, worker, kind, arg)
        events.append(asked)
        waiting[worker].append(asked)
        while draw(st.booleans()) and any(waiting.values()):
            at = draw(st.sampled_from([one for one, ops in waiting.items() if ops]))
            held = _end(draw, events, waiting[at].pop(0), writes, held, counters=counters)
    for ops in waiting.values():
        for asked in ops:
            held = _end(draw, events, asked, writes, held, counters=counters)
    return events


def _end(
    draw: st.DrawFn,
    events: list[Event],
    asked: Event,
    writes: list[int],
    held: int,
    *,
    counters: bool,
) -> int:
    if draw(st.integers(0, 5)) == 0:
        events.append(Event("maybe", asked.number))
        return held
    answer: Any
    match asked.kind:
        case "set" | "evict":
            answer = True
        case "incr":
            answer = held = max(1, held + draw(st.sampled_from([1, 1, 1, 2, 0, -1])))
        case "get" if counters:
            answer = draw(st.sampled_from([held or None, None, held + 1]))
        case "get":
            answer = draw(st.sampled_from([None, *writes, *writes]))
        case _:
            answer = draw(st.sampled_from([True, False, None]))
    events.append(Event("ok", asked.number, answer=answer))
    return held


@settings(max_examples=1500, deadline=None)
@given(histories(), st.booleans())
def test_it_finds_the_same_first_violation_as_trying_every_order(
    events: list[Event], drops: bool
) -> None:
    expected = by_trying_all(events, drops=drops)
    found = [one.number for one in feed(events, drops=drops).violations]

    assert ([] if expected is None else [expected]) == found


def as_lines(events: list[Event], key: str) -> list[dict[str, Any]]:
    """Return the lines of a history, one operation a line."""
    lines: list[dict[str, Any]] = []
    worker: dict[int, int] = {}
    for seq, event in enumerate(events):
        line: dict[str, Any] = {"seq": seq, "type": event.type, "mono_ns": seq}
        if event.type == "invoke":
            worker[event.number] = event.worker
            size = event.arg if event.kind == "incr" else 8
            line |= {"phase": "cold", "ops": [[event.number, event.kind, key, size]]}
        elif event.type == "ok":
            line |= {"ops": [[event.number, event.answer]]}
        else:
            line |= {"type": "info", "reason": "fault:kill-0", "ops": [[event.number]]}
        lines.append(line | {"worker": worker[event.number]})
    return lines


@settings(max_examples=1500, deadline=None)
@given(histories(), st.booleans())
def test_the_verifier_finds_and_names_the_same(events: list[Event], drops: bool) -> None:
    key = "c0" if any(event.kind == "incr" for event in events) else "k0"
    lines = as_lines(events, key)
    ledger = KvLedger(drops=drops, excusing=frozenset())
    for line in lines:
        ledger.add(HistoryLine(**line))
    ledger.close()
    fold = FindingsFold(ledger.checker.violations, {}, drops=drops, excusing=frozenset())
    for line in lines:
        fold.add(HistoryLine(**line))
    history = LibraryHistory()
    reader = Reader(history, {}, cache=drops)
    for line in lines:
        reader.take(line)
    reader.finish()

    assert [
        (name, judge.bad.number, worth_of(name, judge.bad, history.stories[name]))
        for name, judge in history.keys.items()
        if judge.bad is not None
    ] == [(one.violation.key, one.violation.number, one.worth) for one in fold.findings()]
