"""Judge a run's answers by what the oracle said, and explain the first that is not right."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from soakproof.checks.answers import BAD, Judge, Judgement, Question, tally
from soakproof.checks.explain import Shown, active_faults, explain
from soakproof.checks.fault_ledger import FaultLedger
from soakproof.checks.ledger import Ledger, OpRecord
from soakproof.checks.scope import scopes_of
from soakproof.checks.versions import Timeline
from soakproof.lines import BadLine, decode_expected
from soakproof.model import Expected
from soakproof.rotation.reading import stream
from soakproof.rundir import RunDir

__all__ = ["judge_answers"]

_STALE_STATES: Final = 2
"""From this version of what is measured on (``measures`` of the plan)."""

_LINES_AROUND: Final = 5
"""History lines shown before and after the completion of the counter-example."""

_LINE_CHARS: Final = 400


def judge_answers(
    run_dir: RunDir,
    plan: Mapping[str, Any],
    ledger: Ledger,
    faults: FaultLedger,
    timeline: Timeline,
) -> dict[str, Any]:
    """Return the ``answers`` object of the metrics.

    Args:
        run_dir: the run; ``expected.jsonl`` and the kept answers are read.
        plan: its plan.
        ledger: its operations.
        faults: its faults.
        timeline: its edits.
    """
    if "oracle" not in plan["target"]:
        return {"oracle": "none"}
    if not run_dir.expected.exists():
        return {"oracle": "not_asked"}
    expected, unreadable = _expected(run_dir)
    more = plan.get("measures", 1) >= _STALE_STATES
    judge = Judge(timeline, expected, scopes_of(plan["target"]), stale_states=more)
    bad: list[tuple[OpRecord, Judgement]] = []

    def judged() -> Iterator[tuple[OpRecord, Judgement]]:
        for op, record in ledger.operations.items():
            judgement = judge.judge(op, record)
            if judgement.answer in BAD and not bad:
                bad.append((record, judgement))
            yield record, judgement

    counts = tally(judged(), agreed=more)
    told = None
    if bad:
        record, judgement = bad[0]
        asked = (Question(record.kind, record.key, version) for version in judgement.versions)
        right = [expected[question] for question in asked if question in expected]
        told = explain(judgement, record, _shown(run_dir, plan, record, right, faults, timeline))
    return {
        "oracle": "asked",
        "questions": len(expected),
        "unreadable_lines": unreadable,
        **counts,
        "first": told,
    }


def _expected(run_dir: RunDir) -> tuple[dict[Question, Expected], int]:
    expected, unreadable = {}, 0
    for line in decode_expected(run_dir.expected):
        if isinstance(line, BadLine):
            unreadable += 1
        else:
            expected[Question(line.kind, line.key, line.version)] = line
    return expected, unreadable


def _shown(
    run_dir: RunDir,
    plan: Mapping[str, Any],
    record: OpRecord,
    right: list[Expected],
    faults: FaultLedger,
    timeline: Timeline,
) -> Shown:
    begin_ns, end_ns = record.invoke_ns, record.completion_ns
    return Shown(
        got=_answer(run_dir, record.answer_sha256),
        expected=[_answer(run_dir, one.answer_sha256) for one in right],
        faults=active_faults(faults.records.values(), begin_ns, end_ns),
        edits=list(timeline.edits_between(begin_ns, end_ns)),
        history=_around(run_dir, record.seq),
        replay=shlex.join(plan["replay_argv"]),
    )


def _answer(run_dir: RunDir, sha256: str | None) -> bytes:
    if sha256 is None:
        return b""
    path = run_dir.answers / sha256
    return path.read_bytes() if path.exists() else b""


def _around(run_dir: RunDir, seq: int) -> list[str]:
    """Return the lines of the history around the one with a number (line = number + 1)."""
    wanted: deque[str] = deque()
    for number, line, _ in stream(run_dir.history):
        if abs(number - 1 - seq) <= _LINES_AROUND:
            wanted.append(line[:_LINE_CHARS].decode("utf-8", "replace"))
    return list(wanted)
