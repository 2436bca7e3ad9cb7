"""Hold the subject's telemetry against the ledger: telemetry is a claim, the ledger counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof.checks.ledger import OpRecord
from soakproof.model import Outcome, Phase, TelemetryEvent

__all__ = ["LockWait", "PhaseTally", "TelemetryTally", "hits_seen"]

_NS_PER_MS: Final = 1_000_000


@dataclass(slots=True)
class PhaseTally:
    """Hits, misses and writes of one phase, and the operations they came from."""

    hits: int = 0
    misses: int = 0
    writes: int = 0
    operations: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class LockWait:
    """A wait that the subject reported: which operation, for what, from when to when (mono ns)."""

    op: str
    cause: str
    begin_ns: int
    end_ns: int


@dataclass(slots=True)
class TelemetryTally:
    """The fold of a telemetry log; :meth:`add` each event, then :meth:`close`.

    Args:
        names: the target's ``telemetry`` table (which ``cmd`` means what).
        own_cmd: operation kind → the ``cmd`` by which the subject says it did one.
        operations: the ledger's operations.
        run_id: the run that every event must name.
    """

    names: Mapping[str, Any]
    own_cmd: Mapping[str, str]
    operations: Mapping[str, OpRecord]
    run_id: str
    events: int = 0
    by_cmd: Counter[str] = field(default_factory=Counter)
    orphans: int = 0
    foreign: int = 0
    duplicates: int = 0
    lost: int = 0
    without_events: int = 0
    checked: int = 0
    phases: dict[Phase, PhaseTally] = field(default_factory=dict)
    waits: list[LockWait] = field(default_factory=list)
    waited_ms: float = 0.0
    contradictions: int = 0
    _numbers: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    _claimed: dict[tuple[str, int], int] = field(default_factory=dict)
    _own: set[str] = field(default_factory=set)
    _hits: list[tuple[str, int]] = field(default_factory=list)
    _writes: dict[str, int] = field(default_factory=dict)

    def add(self, event: TelemetryEvent) -> None:
        """Take one event."""
        self.events += 1
        self.by_cmd[event.cmd] += 1
        op, pid, number = event.x.get("op"), event.x.get("pid"), event.x.get("seq")
        if event.run_id != self.run_id:
            self.foreign += 1
            return
        record = self.operations.get(op) if isinstance(op, str) else None
        if record is None or not isinstance(pid, int) or not isinstance(number, int):
            self.orphans += 1
            return
        if number in (seen := self._numbers.setdefault((str(op), pid), set())):
            self.duplicates += 1
            return
        seen.add(number)
        if isinstance(total := event.x.get("events"), int):
            self._claimed[str(op), pid] = total
        if event.cmd == self.own_cmd.get(record.kind):
            self._own.add(str(op))
        self._tally(str(op), record, event)

    def close(self) -> None:
        """Look for operations without events and for gaps in what each process counted.

        Only operations that ended ``ok`` are held to it: a killed one may have died before its
        last event.
        """
        for phase in {record.phase for record in self.operations.values()}:
            self.phases.setdefault(phase, PhaseTally())
        self.contradictions = self._hits_of_nothing()
        by_op: dict[str, list[int]] = {}
        for op, pid in self._numbers:
            by_op.setdefault(op, []).append(pid)
        for op, record in self.operations.items():
            if record.outcome is not Outcome.OK:
                continue
            self.checked += 1
            if op not in self._own:
                self.without_events += 1
            else:
                self.phases[record.phase].operations.add(op)
            self.lost += sum(self._missing(op, pid) for pid in by_op.get(op, ()))

    def _missing(self, op: str, pid: int) -> int:
        seen = self._numbers[op, pid]
        # Without the last event nobody knows how many there were; it is itself one that is lost.
        total = self._claimed.get((op, pid), max(seen) + 1)
        return len(set(range(1, total + 1)) - seen)

    def _hits_of_nothing(self) -> int:
        """Count hits on keys that nobody had written, as far as anybody told or may have died."""
        silent = {one.key for one in self.operations.values() if one.outcome is not Outcome.OK}
        return sum(
            key not in silent and self._writes.get(key, at_ns + 1) > at_ns
            for key, at_ns in self._hits
        )

    def _tally(self, op: str, record: OpRecord, event: TelemetryEvent) -> None:
        tally = self.phases.setdefault(record.phase, PhaseTally())
        cmd = event.cmd
        tally.hits += cmd == self.names["hit"]
        tally.misses += cmd == self.names["miss"]
        tally.writes += cmd == self.names["write"]
        if isinstance(at_ns := event.x.get("mono_ns"), int):
            if cmd == self.names["hit"]:
                self._hits.append((record.key, at_ns))
            elif cmd == self.names["write"]:
                # Others may find it before its writer gets to tell; not before that was started.
                began_ns = record.invoke_ns
                self._writes[record.key] = min(began_ns, self._writes.get(record.key, began_ns))
        if cmd in self.names["lock_wait"]:
            waited_ms = event.result.get("waited_ms")
            end_ns = event.x.get("mono_ns")
            waited_ms = float(waited_ms) if isinstance(waited_ms, int | float) else 0.0
            self.waited_ms += waited_ms
            end_ns = end_ns if isinstance(end_ns, int) else 0
            begin_ns = end_ns - int(waited_ms * _NS_PER_MS)
            self.waits.append(LockWait(op, str(event.result.get("for", "?")), begin_ns, end_ns))

    def count(self, *cmds: str) -> int:
        """Return how many events have one of these ``cmd``s."""
        return sum(self.by_cmd[cmd] for cmd in cmds)


def hits_seen(operations: Iterable[OpRecord]) -> dict[Phase, PhaseTally]:
    """Count what operations were seen to be, where the subject itself tells nothing."""
    phases: dict[Phase, PhaseTally] = {}
    for number, record in enumerate(operations):
        tally = phases.setdefault(record.phase, PhaseTally())
        if record.hit is None:
            continue
        tally.hits += record.hit
        tally.misses += not record.hit
        tally.operations.add(str(number))
    return phases
