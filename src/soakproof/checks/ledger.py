"""Count operations from the harness's own history: the authoritative record."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof.model import HistoryLine, Outcome, Phase

__all__ = ["Ledger", "OpRecord"]

_COMPLETIONS: Final = frozenset(Outcome)
_EXPLAINED: Final = ("interrupted", "fault:")
"""Beginnings of reasons of ``info`` that are no finding about the subject."""


@dataclass(slots=True)
class OpRecord:
    """What is known of one operation."""

    kind: str
    key: str
    phase: Phase
    outcome: Outcome | None = None
    pid: int | None = None
    episode: int | None = None
    again: int = 0
    invoke_ns: int = 0
    completion_ns: int = 0
    seq: int = 0
    exit_code: int | None = None
    answer_sha256: str | None = None
    reason: str | None = None
    error: str | None = None
    crashed: bool = False
    hit: bool | None = None


@dataclass(slots=True)
class Ledger:
    """The fold of a history; feed it line by line with :meth:`add`, then read it.

    An operation that was invoked and never completed (the harness was killed) counts as ``info``
    once :meth:`close` was called: it may have happened.
    """

    operations: dict[str, OpRecord] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    unexplained: int = 0
    duplicate_completions: int = 0
    completions_without_invoke: int = 0
    sequence_gaps: int = 0
    unreadable_lines: int = 0
    clock_jumps: int = 0
    probes: list[dict[str, Any]] = field(default_factory=list)
    leftovers: dict[str, Any] | None = None
    inputs_changed: int | None = None
    alarming: Counter[str] = field(default_factory=Counter)
    answer_bytes: int = 0
    wall_ms: dict[tuple[str, str], array[float]] = field(default_factory=dict)
    first_invoke_ns: int | None = None
    last_completion_ns: int | None = None
    _state: str = "unfinished"
    _next_seq: int = 0
    _distinct: set[str] = field(default_factory=set)
    _texts: dict[str, str] = field(default_factory=dict)
    _answers: dict[tuple[str, str], tuple[str, int, bool]] = field(default_factory=dict)

    def add(self, line: HistoryLine) -> None:
        """Take one line."""
        if line.seq != self._next_seq:
            self.sequence_gaps += 1
        self._next_seq = line.seq + 1
        if line.type == "invoke":
            self._invoke(line)
        elif line.type in _COMPLETIONS:
            self._complete(line)
        elif line.type == "probe" and line.kind == "integrity" and line.detail is not None:
            self.probes.append(line.detail)
        elif line.type == "probe" and line.kind == "leftovers" and line.detail is not None:
            self.leftovers = line.detail
        elif line.type == "probe" and line.kind == "inputs" and line.detail is not None:
            self.inputs_changed = (self.inputs_changed or 0) + len(line.detail["changed"])
        elif line.type == "run" and line.event in {"end", "interrupted"}:
            self._state = "completed" if line.event == "end" else "interrupted"

    def close(self) -> None:
        """Count what was invoked and never completed as indeterminate."""
        for record in self.operations.values():
            if record.outcome is None:
                record.outcome = Outcome.INFO
                self.reasons["never_completed"] += 1
                self.unexplained += self.state == "completed"

    @property
    def state(self) -> str:
        """How the run ended.

        ``completed``; ``interrupted``; ``unfinished``: it left no end; ``broken``: the history
        contradicts itself (holes in its numbering, lines that cannot be read, a completion before
        its invoke or without one, or twice), so what it does not say may still have happened.
        """
        doubts = self.sequence_gaps + self.unreadable_lines + self.clock_jumps
        doubts += self.duplicate_completions + self.completions_without_invoke
        if self._state != "unfinished" and doubts:
            return "broken"
        return self._state

    @property
    def whole(self) -> bool:
        """Whether what is not in the history did not happen."""
        return self.state in {"completed", "interrupted"}

    def outcomes(self) -> Counter[tuple[str, Outcome]]:
        """Return (kind, outcome) → operations."""
        return Counter((op.kind, op.outcome) for op in self.operations.values() if op.outcome)

    def answers_compared(self) -> int:
        """Return how many answers went to keys that were answered before."""
        return sum(count - 1 for _, count, _ in self._answers.values())

    def keys_contradicted(self) -> int:
        """Return how many keys had differing answers (nobody edits in this campaign)."""
        return sum(contradicted for _, _, contradicted in self._answers.values())

    def _invoke(self, line: HistoryLine) -> None:
        if line.op is None or line.kind is None or line.key is None or line.phase is None:
            return
        self.operations[line.op] = OpRecord(
            self._once(line.kind),
            self._once(line.key),
            Phase(line.phase),
            episode=line.episode,
            again=line.again or 0,
            invoke_ns=line.mono_ns,
        )
        if self.first_invoke_ns is None:
            self.first_invoke_ns = line.mono_ns

    def _complete(self, line: HistoryLine) -> None:
        record = self.operations.get(line.op or "")
        if record is None:
            self.completions_without_invoke += 1
            return
        if record.outcome is not None:
            self.duplicate_completions += 1
            return
        record.outcome, record.pid = Outcome(line.type), line.pid
        record.completion_ns, record.seq = line.mono_ns, line.seq
        self.clock_jumps += line.mono_ns < record.invoke_ns
        record.exit_code = line.exit_code
        if line.answer_sha256 is not None:
            record.answer_sha256 = self._once(line.answer_sha256)
        if line.reason is not None:
            record.reason = self._once(line.reason)
        record.error = line.error
        record.crashed = bool((line.detail or {}).get("traceback"))
        record.hit = (line.detail or {}).get("hit")
        self.last_completion_ns = line.mono_ns
        if record.outcome is Outcome.OK:
            self._answered(record, line)
            return
        reason = line.reason or "unknown"
        self.reasons[reason] += 1
        if record.outcome is Outcome.INFO and not reason.startswith(_EXPLAINED):
            self.unexplained += 1

    def _once(self, text: str) -> str:
        """Return the one copy of a text that is kept: each line brings a copy of its own."""
        return self._texts.setdefault(text, text)

    def _answered(self, record: OpRecord, line: HistoryLine) -> None:
        if line.wall_ms is not None:
            self.wall_ms.setdefault((record.kind, record.phase), array("d")).append(line.wall_ms)
        self.alarming.update((line.detail or {}).get("patterns", ()))
        answer = record.answer_sha256 or ""
        if answer not in self._distinct:
            self._distinct.add(answer)
            self.answer_bytes += line.answer_bytes or 0
        asked = (record.kind, record.key)
        first, count, contradicted = self._answers.get(asked, (answer, 0, False))
        self._answers[asked] = (first, count + 1, contradicted or first != answer)
