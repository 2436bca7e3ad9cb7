"""The pipeline and the verifier judge answers by code of their own: whatever happened, alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.checks.answers import Judge, Question, tally
from soakproof.checks.ledger import Ledger
from soakproof.checks.scope import scopes_of
from soakproof.checks.versions import Timeline
from soakproof.model import Expected, HistoryLine
from soakproof.verifier.answers import count_answers, judge_answers
from soakproof.verifier.files import BundleFiles
from soakproof.verifier.history import History, take
from soakproof.verifier.raw import Oracle, Raw
from soakproof.verifier.scope import Reach, reach_of
from soakproof.verifier.telemetry import Telemetry
from soakproof.verifier.versions import seen, steps_of, steps_within

pytestmark = pytest.mark.property

KEYS, VERSIONS, ANSWERS = ("m0", "m1"), ("a" * 64, "b" * 64, "absent"), ("1" * 64, "2" * 64)
KINDS: dict[str, dict[str, Any]] = {
    "get": {"keys": "modules", "depends": "key"},
    "read": {"keys": "files", "depends": {"files": ["{key}.py", "m1*"]}},
    "search": {"keys": "queries", "depends": "segment"},
}
REASONS = ("hung", "deadline", "signal", "interrupted", "fault:kill-0")

times = st.integers(0, 30)
edits: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "type": st.just("edit"),
        "mono_ns": times,
        "edit": st.sampled_from(["edit-0", "edit-1"]),
        "path": st.sampled_from([f"{key}.py" for key in KEYS]),
        "version": st.sampled_from(VERSIONS),
        "event": st.sampled_from(["initial", "begin", "begin", "end", "end"]),
        "detail": st.fixed_dictionaries({"atomic": st.sampled_from([True, True, False])}),
    }
)
operations: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(list(KINDS)),
        "key": st.sampled_from(KEYS),
        "phase": st.sampled_from(["cold", "warm", "storm", "after"]),
        "again": st.sampled_from([None, 1, 2]),
        "begin": times,
        "lasts": st.integers(0, 10),
        "ends": st.sampled_from(["ok", "ok", "ok", "fail", "info", ""]),
        "answer": st.sampled_from([*ANSWERS, None]),
        "reason": st.sampled_from(REASONS),
        "traceback": st.booleans(),
    }
)


def lines_of(number: int, asked: dict[str, Any]) -> list[dict[str, Any]]:
    where = {"op": f"op-{number:06d}", "kind": asked["kind"], "key": asked["key"]}
    invoke = {"type": "invoke", "mono_ns": asked["begin"], "phase": asked["phase"], **where}
    if asked["phase"] == "after" and asked["again"]:
        invoke |= {"episode": 0, "again": asked["again"]}
    if not asked["ends"]:
        return [invoke]
    done = {"type": asked["ends"], "mono_ns": asked["begin"] + asked["lasts"], **where}
    if asked["ends"] == "info":
        done["reason"] = asked["reason"]
    else:
        done |= {"exit_code": int(asked["ends"] == "fail"), "wall_ms": 1.0}
        done |= {"detail": {"traceback": True}} if asked["traceback"] else {}
        done |= {"answer_sha256": asked["answer"]} if asked["answer"] else {}
    return [invoke, done]


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    told = sorted(draw(st.lists(edits, max_size=8)), key=lambda line: line["mono_ns"])
    asked = draw(st.lists(operations, min_size=1, max_size=8))
    lines = told + [line for one in enumerate(asked) for line in lines_of(*one)]
    return [{"seq": number, **line} for number, line in enumerate(lines)]


def first_reading(lines: list[dict[str, Any]]) -> tuple[Ledger, Timeline]:
    ledger, timeline = Ledger(), Timeline()
    for line in lines:
        ledger.add(HistoryLine(**line))
        timeline.add(HistoryLine(**line))
    ledger.close()
    return ledger, timeline


def second_reading(lines: list[dict[str, Any]]) -> History:
    history = History()
    for line in lines:
        take(history, line)
    return history


@given(histories(), st.data())
def test_every_answer_is_judged_alike(lines: list[dict[str, Any]], data: st.DataObject) -> None:
    (ledger, timeline), history = first_reading(lines), second_reading(lines)
    steps = steps_of(history.edits)
    plan: dict[str, Any] = {"target": {"operations": KINDS}}
    plan["measures"] = data.draw(st.sampled_from([1, 2]))
    states = {
        version
        for one in history.calls.values()
        for version in seen(steps, reach_of(plan, one.kind, one.key), one.span).current
    }
    said = data.draw(
        st.dictionaries(
            st.tuples(
                st.sampled_from(list(KINDS)),
                st.sampled_from(KEYS),
                st.sampled_from([*VERSIONS, "original", *sorted(states)]),
            ),
            st.tuples(st.sampled_from([0, 0, 1]), st.sampled_from([*ANSWERS, None])),
            max_size=16,
        )
    )
    expected = {
        Question(*asked): Expected(
            kind=asked[0], key=asked[1], version=asked[2], exit_code=code, answer_sha256=sha256
        )
        for asked, (code, sha256) in said.items()
    }
    more = plan["measures"] == 2
    judge = Judge(timeline, expected, scopes_of(plan["target"]), stale_states=more)
    mine = [(record, judge.judge(op, record)) for op, record in ledger.operations.items()]
    oracle = Oracle(asked=True, answers=dict(said))
    raw = Raw(BundleFiles(Path()), plan, history, Telemetry(), [], oracle)
    theirs = judge_answers(raw)

    assert [(one.answer.value, one.versions) for _, one in mine] == [
        (one.worth, one.seen.current) for one in theirs
    ]
    assert tally(mine, agreed=more) == count_answers(theirs, agreed=more)


@given(histories(), times, times)
def test_every_moment_is_read_alike(lines: list[dict[str, Any]], begin: int, lasts: int) -> None:
    (_, timeline), span = first_reading(lines), (begin, begin + lasts)
    steps = steps_of(second_reading(lines).edits)

    for path in timeline.windows:
        found = seen(steps, Reach(path), span)
        current = dict.fromkeys(one.version for one in timeline.current(path, *span))
        gone = dict.fromkeys(one.version for one in timeline.outdated(path, begin))
        assert list(current) == list(found.current)
        assert [one for one in gone if one not in current] == list(found.gone)
        assert timeline.torn(path, *span) == found.torn
    assert list(timeline.edits_between(*span)) == list(steps_within(steps, span))
