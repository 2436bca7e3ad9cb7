"""Was the answer right? Held against every version that was current while the operation ran.

An answer is right if it is the answer of a version of its input that was current at some moment
between invoke and completion. A right answer that comes late is right; an answer of a version that
was gone before the question was asked is stale; an answer of no version is wrong.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from soakproof.checks.ledger import OpRecord
from soakproof.checks.scope import Scope
from soakproof.checks.versions import Timeline
from soakproof.model import Expected, Outcome, Phase

__all__ = [
    "BAD",
    "JUDGED",
    "Answer",
    "Judge",
    "Judgement",
    "Question",
    "questions",
    "state_name",
    "tally",
]


class Answer(enum.StrEnum):
    """What an operation's answer was worth."""

    RIGHT = "right"
    STALE = "stale"
    WRONG = "wrong"
    MISSING = "missing"
    CRASHED = "crashed"
    HUNG = "hung"
    UNJUDGED = "unjudged"
    """Nobody can say: its input was half-written, or changed under a search."""
    INDETERMINATE = "indeterminate"
    """It was killed by us or interrupted: it may have happened."""


BAD: Final = frozenset({Answer.STALE, Answer.WRONG, Answer.MISSING, Answer.CRASHED, Answer.HUNG})
JUDGED: Final = BAD | {Answer.RIGHT}


@dataclass(frozen=True, slots=True)
class Question:
    """What the oracle is asked: an operation kind, a key, and a version of the input.

    Args:
        kind: operation kind.
        key: what is asked for.
        version: of the key's file, or :func:`state_name` of the segment.
    """

    kind: str
    key: str
    version: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """An operation, judged.

    Args:
        answer: what its answer was worth.
        words: why, for people.
        versions: the versions that were current, as the oracle was asked about them.
    """

    op: str
    answer: Answer
    words: str
    versions: tuple[str, ...]


def state_name(state: Mapping[str, str]) -> str:
    """Return one name (SHA-256) for the versions of all edited files."""
    return hashlib.sha256(json.dumps(sorted(state.items())).encode()).hexdigest()


def questions(
    record: OpRecord, scope: Scope, timeline: Timeline, *, stale_states: bool = False
) -> tuple[list[str], list[str], bool]:
    """Return the versions that were current, those that were outdated, and whether one was torn.

    Args:
        record: an operation that was completed.
        scope: what its answer depends on.
        timeline: of all edits.
        stale_states: whether several files together have outdated versions, too.
    """
    begin_ns, end_ns = record.invoke_ns, record.completion_ns
    path = scope.path(record.key)
    if path is None:
        covers = scope.covers(record.key)
        state = timeline.state(begin_ns, end_ns, covers)
        if state is None:
            return [], [], True
        name = state_name(state)
        before = timeline.states_before(begin_ns, covers) if stale_states else ()
        gone = dict.fromkeys(state_name(one) for one in before)
        return [name], [one for one in gone if one != name], False
    current = [one.version for one in timeline.current(path, begin_ns, end_ns)]
    gone_here = [one.version for one in timeline.outdated(path, begin_ns)]
    outdated = [version for version in gone_here if version not in current]
    return (
        list(dict.fromkeys(current)),
        list(dict.fromkeys(outdated)),
        timeline.torn(path, begin_ns, end_ns),
    )


class Judge:
    """Judges the operations of one run.

    Args:
        timeline: of all edits.
        expected: what the oracle said.
        scopes: operation kind → what its answer depends on.
        stale_states: whether an answer of an earlier state of several files is stale, not wrong.
    """

    def __init__(
        self,
        timeline: Timeline,
        expected: Mapping[Question, Expected],
        scopes: Mapping[str, Scope],
        *,
        stale_states: bool = False,
    ) -> None:
        self._timeline = timeline
        self._expected = expected
        self._scopes = scopes
        self._stale_states = stale_states

    def judge(self, op: str, record: OpRecord) -> Judgement:
        """Judge one operation."""
        scope = self._scopes.get(record.kind, _ANY)
        current, outdated, torn = questions(
            record, scope, self._timeline, stale_states=self._stale_states
        )
        answer, words = self._compare(record, current, outdated, torn=torn)
        return Judgement(op, answer, words, tuple(current))

    def _compare(
        self, record: OpRecord, current: list[str], outdated: list[str], *, torn: bool
    ) -> tuple[Answer, str]:
        if record.outcome is Outcome.INFO:
            return _of_info(record.reason or "")
        given = (record.exit_code, record.answer_sha256)
        known = [self._ask(record, version) for version in current]
        if any(one is not None and given == (one.exit_code, one.answer_sha256) for one in known):
            return Answer.RIGHT, ""
        if torn:
            return Answer.UNJUDGED, "its input was being written, or changed, while it ran"
        if not known or any(one is None for one in known):
            return Answer.UNJUDGED, "the oracle has no answer for a version that was current"
        for version in outdated:
            one = self._ask(record, version)
            if one is not None and given == (one.exit_code, one.answer_sha256):
                return Answer.STALE, f"it is the answer of version {version[:12]}, which was gone"
        return _of_nothing(record)

    def _ask(self, record: OpRecord, version: str) -> Expected | None:
        return self._expected.get(Question(record.kind, record.key, version))


_ANY: Final = Scope("queries", ())
"""Of a kind that the target does not know: every file."""


def _of_info(reason: str) -> tuple[Answer, str]:
    if reason == "hung":
        return Answer.HUNG, "it was still idle after a second period with all others ended"
    if reason == "deadline":
        return Answer.MISSING, "it was busy past its deadline and was killed"
    if reason == "signal":
        return Answer.CRASHED, "a signal that nobody here sent ended it"
    return Answer.INDETERMINATE, reason


def _of_nothing(record: OpRecord) -> tuple[Answer, str]:
    if record.outcome is Outcome.OK:
        return Answer.WRONG, "it is the answer of no version of its input"
    if record.crashed:
        return Answer.CRASHED, f"it crashed with exit code {record.exit_code}: {record.error or ''}"
    words = f"it ended with exit code {record.exit_code} and no answer: {record.error or ''}"
    return Answer.MISSING, words


def tally(
    judgements: Iterable[tuple[OpRecord, Judgement]], *, agreed: bool = False
) -> dict[str, int | bool | None]:
    """Count judgements, the calm ones (before any fault) apart, and what was asked after each.

    ``agreed`` also counts where tool and oracle alike gave no answer: that is right, and it is
    evidence of nothing.

    The oracle *holds* when at least half of the calm answers agree with it. A tool whose answers
    mostly differ without any fault (a time in its output, stale by design) cannot be judged by it:
    then the counts of bad answers are ``None``, not findings.
    """
    counts: Counter[str] = Counter()
    after: dict[tuple[int, str, str], dict[int, Answer]] = {}
    for record, judgement in judgements:
        counts[judgement.answer] += 1
        judged = judgement.answer in JUDGED
        counts["checked"] += judged
        silent = record.outcome is not Outcome.OK
        counts["agreed_without_answer"] += silent and judgement.answer is Answer.RIGHT
        if record.phase in {Phase.COLD, Phase.WARM}:
            counts["calm_checked"] += judged
            counts["calm_bad"] += judgement.answer in BAD
        elif record.phase is Phase.AFTER and record.episode is not None:
            asked = (record.episode, record.kind, record.key)
            after.setdefault(asked, {})[record.again] = judgement.answer
    counts["after_checked"] = sum(asks.get(2) in JUDGED for asks in after.values())
    counts["broken"] = sum(asks.get(2) in BAD for asks in after.values())
    counts["healed"] = sum(
        asks.get(1) in BAD and asks.get(2) is Answer.RIGHT for asks in after.values()
    )
    names = [*Answer, "checked", "calm_checked", "calm_bad", "after_checked", "broken", "healed"]
    names += ["agreed_without_answer"] if agreed else []
    told: dict[str, int | bool | None] = {str(name): counts[name] for name in names}
    holds = counts["calm_bad"] * 2 <= counts["calm_checked"] if counts["calm_checked"] else None
    if holds is False:
        told |= dict.fromkeys((*map(str, BAD), "broken", "healed"), None)
    return told | {"holds": holds}
