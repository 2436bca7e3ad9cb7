"""Count a library's operations from the history, and check each of them as it is counted.

A fold: feed it line by line, then read it. What is kept is bounded by what is under way, by the
number of keys, and by the operations of which nobody knows whether they happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any, Final

from soakproof.checks.linearizable import Linearizer
from soakproof.model import HistoryLine, Outcome, Phase

__all__ = ["KvLedger"]

_EXPLAINED: Final = ("interrupted", "fault:")
"""Beginnings of reasons of ``info`` that are no finding about the subject."""

_HUNG: Final = frozenset({"hung", "deadline"})

_CALM: Final = frozenset({Phase.COLD, Phase.WARM})


class KvLedger:
    """The fold of the history of a library's soak.

    Args:
        drops: the library is a cache: a miss is always allowed.
        excusing: kinds of faults under which what was stored may be lost.
        bound: see :class:`soakproof.checks.linearizable.Linearizer`.
    """

    def __init__(
        self, *, drops: bool, excusing: AbstractSet[str], bound: int | None = None
    ) -> None:
        limits = {} if bound is None else {"bound": bound}
        self.checker = Linearizer(drops=drops, **limits)
        self.outcomes: dict[str, Counter[str]] = {one.value: Counter() for one in Outcome}
        self.reasons: Counter[str] = Counter()
        self.invoked = 0
        self.unexplained = 0
        self.completions_without_invoke = 0
        self.sequence_gaps = 0
        self.unreadable_lines = 0
        self.contradictions = 0
        self.missing = 0
        self.crashed = 0
        self.hung = 0
        self.calm_checked = 0
        self.hits: Counter[str] = Counter()
        self.misses: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.workers: list[dict[str, Any]] = []
        self.probes: list[dict[str, Any]] = []
        self.leftovers: dict[str, Any] | None = None
        self.first_invoke_ns: int | None = None
        self.last_completion_ns: int | None = None
        self._excusing = excusing
        self._state = "unfinished"
        self._next_seq = 0
        self._phase = Phase.COLD
        self._fault_kind: str | None = None

    def add(self, line: HistoryLine) -> None:
        """Take one line."""
        if line.seq != self._next_seq:
            self.sequence_gaps += 1
        self._next_seq = line.seq + 1
        match line.type:
            case "invoke":
                self._invoke(line)
            case "ok":
                self._ok(line)
            case "fail" | "info":
                self._without_answer(line)
            case "phase":
                self._part(line)
            case "fault" if line.kind != self._fault_kind:
                self.contradictions += 1
            case "probe" if line.detail is not None:
                self._probe(line.kind, line.detail)
            case "run" if line.event in {"end", "interrupted"}:
                self._state = "completed" if line.event == "end" else "interrupted"
            case _:
                return

    def close(self) -> None:
        """What was sent and never ended may have happened."""
        left = self.checker.under_way
        if left:
            self.reasons["never_completed"] += left
            self.outcomes["info"]["?"] += left
            self.unexplained += left if self.state == "completed" else 0
        self.checker.settle()

    @property
    def state(self) -> str:
        """How the run ended, as in :class:`soakproof.checks.ledger.Ledger`."""
        doubts = self.sequence_gaps + self.unreadable_lines + self.contradictions
        doubts += self.completions_without_invoke
        if self._state != "unfinished" and doubts:
            return "broken"
        return self._state

    def total(self, outcome: Outcome) -> int:
        """Return how many operations ended so."""
        return self.outcomes[outcome.value].total()

    def _invoke(self, line: HistoryLine) -> None:
        ops, worker = line.ops or (), line.worker or 0
        if self.first_invoke_ns is None:
            self.first_invoke_ns = line.mono_ns
        self.invoked += len(ops)
        if line.phase is not None and Phase(line.phase) is not self._phase:
            self.contradictions += 1
        invoke = self.checker.invoke
        for op in ops:
            number, kind, key = op[0], op[1], op[2]
            if kind == "set" or kind == "add":  # noqa: PLR1714 - the hottest line there is
                invoke(worker, number, kind, key, number)
            else:
                invoke(worker, number, kind, key, op[3] if len(op) > 3 else 0)  # noqa: PLR2004

    def _ok(self, line: HistoryLine) -> None:
        self.last_completion_ns = line.mono_ns
        counts, ok = self.outcomes["ok"], self.checker.ok
        hits = misses = writes = 0
        for number, answer in line.ops or ():
            kind = ok(number, answer)
            if kind is None:
                self.completions_without_invoke += 1
                continue
            counts[kind] += 1
            if kind != "get":
                writes += 1
            elif answer is None:
                misses += 1
            else:
                hits += 1
        phase = self._phase.value
        self.hits[phase] += hits
        self.misses[phase] += misses
        self.writes[phase] += writes
        if self._phase in _CALM:
            self.calm_checked += hits + misses + writes

    def _without_answer(self, line: HistoryLine) -> None:
        self.last_completion_ns = line.mono_ns
        reason = line.reason or "unknown"
        counts, never = self.outcomes[line.type], reason == "spawn"
        ops = line.ops or ()
        for op in ops:
            kind = self.checker.maybe(op[0], never=never)
            if kind is None:
                self.completions_without_invoke += 1
            else:
                counts[kind] += 1
        self.reasons[reason] += len(ops)
        if line.type == "fail":
            self.missing += 0 if self.checker.excused else len(ops)
            return
        if reason.startswith(_EXPLAINED):
            return
        self.unexplained += max(1, len(ops))
        if reason in _HUNG:
            self.hung += 1
        else:
            self.crashed += 1

    def _part(self, line: HistoryLine) -> None:
        if line.phase is not None:
            self._phase = Phase(line.phase)
        begins = line.event == "begin"
        self._fault_kind = line.kind if begins else None
        excused = line.kind in self._excusing
        self.contradictions += bool(self.checker.under_way)  # a part begins and ends idle
        if begins:
            self.checker.excused = excused
        elif excused:
            self.checker.excused = False
            self.checker.forget()

    def _probe(self, kind: str | None, detail: dict[str, Any]) -> None:
        if kind == "integrity":
            self.probes.append(detail)
        elif kind == "leftovers":
            self.leftovers = detail
        elif kind == "worker":
            self.workers.append(detail)
