"""The oracle's judgement: right, stale, wrong, missing, crashed, hung, or nobody can say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soakproof.checks.answers import Answer, Judge, Judgement, Question, state_name, tally
from soakproof.checks.explain import Shown, difference, explain
from soakproof.checks.ledger import OpRecord
from soakproof.checks.scope import Scope
from soakproof.checks.versions import Timeline
from soakproof.model import Expected, HistoryLine, Outcome, Phase

SCOPES = {"get": Scope("modules", None), "find": Scope("queries", ())}
OK = OpRecord(
    "get",
    "mod",
    Phase.STORM,
    outcome=Outcome.OK,
    invoke_ns=100,
    completion_ns=200,
    exit_code=0,
    answer_sha256="B",
)


def timeline(begin_ns: int, end_ns: int, *, atomic: bool = True) -> Timeline:
    """Version a, and version b from a step that took ``begin_ns`` to ``end_ns``."""
    made = Timeline()
    for at_ns, event, version in (
        (1, "initial", "a"),
        (begin_ns, "begin", "b"),
        (end_ns, "end", "b"),
    ):
        made.add(
            HistoryLine(
                seq=0,
                type="edit",
                mono_ns=at_ns,
                event=event,
                path="mod.py",
                version=version,
                edit="e",
                detail={"atomic": atomic},
            )
        )
    return made


def expected(*known: tuple[str, str, int, str | None]) -> dict[Question, Expected]:
    return {
        Question(kind, "mod", version): Expected(
            kind=kind, key="mod", version=version, exit_code=code, answer_sha256=sha
        )
        for kind, version, code, sha in known
    }


BOTH = expected(("get", "a", 0, "A"), ("get", "b", 0, "B"))
BEFORE, DURING, AFTER = (10, 20), (120, 130), (300, 310)


def judge(record: OpRecord, when: tuple[int, int], *, atomic: bool = True) -> Answer:
    judged = Judge(timeline(*when, atomic=atomic), BOTH, SCOPES)
    return judged.judge("op-000001", record).answer


@pytest.mark.parametrize(
    ("when", "given", "answer"),
    [
        (BEFORE, "B", Answer.RIGHT),
        (BEFORE, "A", Answer.STALE),
        (BEFORE, "X", Answer.WRONG),
        (DURING, "A", Answer.RIGHT),
        (DURING, "B", Answer.RIGHT),
        (DURING, "X", Answer.WRONG),
        (AFTER, "A", Answer.RIGHT),
        (AFTER, "B", Answer.WRONG),
    ],
)
def test_an_answer_is_right_if_a_version_was_current_meanwhile(
    when: tuple[int, int], given: str, answer: Answer
) -> None:
    assert answer == judge(replace(OK, answer_sha256=given), when)


def test_what_was_read_half_written_is_not_judged_unless_it_is_right() -> None:
    assert Answer.UNJUDGED == judge(replace(OK, answer_sha256="X"), DURING, atomic=False)
    assert Answer.RIGHT == judge(replace(OK, answer_sha256="A"), DURING, atomic=False)
    assert Answer.WRONG == judge(replace(OK, answer_sha256="X"), BEFORE, atomic=False)


@pytest.mark.parametrize(
    ("outcome", "reason", "crashed", "answer"),
    [
        (Outcome.FAIL, "exit", False, Answer.MISSING),
        (Outcome.FAIL, "exit", True, Answer.CRASHED),
        (Outcome.FAIL, "no_answer", False, Answer.MISSING),
        (Outcome.FAIL, "spawn", False, Answer.MISSING),
        (Outcome.INFO, "hung", False, Answer.HUNG),
        (Outcome.INFO, "deadline", False, Answer.MISSING),
        (Outcome.INFO, "signal", False, Answer.CRASHED),
        (Outcome.INFO, "fault:kill-0", False, Answer.INDETERMINATE),
        (Outcome.INFO, "interrupted", False, Answer.INDETERMINATE),
    ],
)
def test_no_answer(outcome: Outcome, reason: str, crashed: bool, answer: Answer) -> None:
    record = replace(
        OK, outcome=outcome, reason=reason, crashed=crashed, exit_code=1, answer_sha256=None
    )

    assert answer == judge(record, BEFORE)


def test_a_refusal_is_right_where_the_oracle_refuses_too() -> None:
    refused = expected(("get", "b", 2, "E"))
    record = replace(OK, outcome=Outcome.FAIL, reason="exit", exit_code=2, answer_sha256="E")

    assert Answer.RIGHT is Judge(timeline(*BEFORE), refused, SCOPES).judge("o", record).answer


def test_without_the_oracles_word_nobody_can_say() -> None:
    judged = Judge(timeline(*BEFORE), {}, SCOPES).judge("op", OK)

    assert Answer.UNJUDGED is judged.answer


def test_a_search_is_judged_only_while_the_segment_stood_still() -> None:
    name = state_name({"mod.py": "b"})
    known = expected(("find", name, 0, "B"))
    record = replace(OK, kind="find")
    answers = [
        Judge(timeline(*when), known, SCOPES).judge("op", record).answer
        for when in (BEFORE, DURING)
    ]

    assert [Answer.RIGHT, Answer.UNJUDGED] == answers


def of(answer: Answer, **fields: object) -> tuple[OpRecord, Judgement]:
    return replace(OK, **fields), Judgement("op", answer, "", ())  # type: ignore[arg-type]


CALM = {"phase": Phase.COLD}


def test_an_oracle_that_mostly_disagrees_when_all_is_calm_judges_nothing() -> None:
    few = tally([of(Answer.RIGHT, **CALM), of(Answer.WRONG, **CALM), of(Answer.WRONG)])
    most = tally([of(Answer.WRONG, **CALM), of(Answer.WRONG, **CALM), of(Answer.RIGHT, **CALM)])
    none = tally([of(Answer.WRONG)])

    assert (True, 2) == (few["holds"], few["wrong"])
    assert (False, None) == (most["holds"], most["wrong"])
    assert (None, 1) == (none["holds"], none["wrong"])


def test_wrong_once_is_healed_and_wrong_twice_is_broken() -> None:
    after = {"phase": Phase.AFTER, "episode": 0}
    told = tally(
        [
            of(Answer.RIGHT, **CALM),
            of(Answer.STALE, key="healed", again=1, **after),
            of(Answer.RIGHT, key="healed", again=2, **after),
            of(Answer.STALE, key="broken", again=1, **after),
            of(Answer.STALE, key="broken", again=2, **after),
            of(Answer.RIGHT, key="sound", again=1, **after),
            of(Answer.RIGHT, key="sound", again=2, **after),
        ]
    )

    assert (3, 1, 1) == (told["after_checked"], told["healed"], told["broken"])


def test_the_first_difference_is_shown_with_what_stands_around_it() -> None:
    got, right = difference(b"x" * 100 + b"old" + b"y" * 100, b"x" * 100 + b"new" + b"y" * 100)

    assert ("…" + "x" * 60 + "old" + "y" * 57 + "…", "…" + "x" * 60 + "new" + "y" * 57 + "…") == (
        got,
        right,
    )


def test_a_counter_example_is_told_in_words() -> None:
    shown = Shown(b"old", [b"new"], ["kill-0"], ["edit-3"], ["{}"], "soakproof all --seed 1")
    told = explain(
        Judgement(
            "op-000007", Answer.STALE, "it is the answer of version a, which was gone", ("b",)
        ),
        replace(OK, phase=Phase.AFTER, episode=4, again=2),
        shown,
    )

    assert (
        "op-000007 (get mod), asked in the phase after the second time after healing, answered "
        "with what was true before: it is the answer of version a, which was gone. While it ran 1 "
        "version was of its input current (b). Edited meanwhile: edit-3. Active faults: kill-0."
    ) == told["words"]
    assert ("old", "new", "soakproof all --seed 1") == (
        told["got"],
        told["expected"],
        told["replay"],
    )
