"""Hold the subject's telemetry against the ledger: telemetry is a claim, the ledger counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof.checks.ledger import OpRecord
from soakproof.model import Outcome, Phase, TelemetryEvent

__all__ = ["LockWait", "PhaseTally", "TelemetryTally", "hits_seen"]

_NS_PER_MS: Final = 1_000_000
_LOW_NUMBERS: Final = 60
"""Numbers that are kept as bits of one integer; a subject may write any number it likes."""


@dataclass(slots=True)
class PhaseTally:
    """Hits, misses and writes of one phase, and how many operations they came from."""

    hits: int = 0
    misses: int = 0
    writes: int = 0
    operations: int = 0


@dataclass(frozen=True, slots=True)
class LockWait:
    """A wait that the subject reported: which operation, for what, from when to when (mono ns)."""

    op: str
    cause: str
    begin_ns: int
    end_ns: int


class _Heard:
    """What a process told of an operation: the numbers of its events, most of them a handful.

    Args:
        pid: the process.
        before: what another process told of the same operation.
    """

    __slots__ = ("_beyond", "_low", "before", "own", "pid", "total")

    def __init__(self, pid: int, before: _Heard | None) -> None:
        self.pid = pid
        self.before = before
        self.own = False
        self.total: int | None = None
        self._low = 0
        self._beyond: set[int] | None = None

    def add(self, number: int) -> bool:
        """Take a number; false: it was told before."""
        if 0 <= number < _LOW_NUMBERS:
            new = not self._low >> number & 1
            self._low |= 1 << number
            return new
        if self._beyond is None:
            self._beyond = set()
        new = number not in self._beyond
        self._beyond.add(number)
        return new

    def missing(self) -> int:
        """Return how many numbers, from 1, were not told."""
        beyond = self._beyond or set()
        total = self.total
        if total is None:
            # Without the last event nobody knows how many there were; it is itself one that is
            # lost.
            total = max(beyond, default=0)
            total = max(total, self._low.bit_length() - 1) + 1
        low = (self._low & ((1 << min(total + 1, _LOW_NUMBERS)) - 1)) >> 1 if total > 0 else 0
        told = low.bit_count() + sum(1 <= number <= total for number in beyond)
        return max(0, total) - told


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
    _heard: dict[str, _Heard] = field(default_factory=dict)
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
        heard = self._of(str(op), pid)
        if not heard.add(number):
            self.duplicates += 1
            return
        if isinstance(total := event.x.get("events"), int):
            heard.total = total
        if event.cmd == self.own_cmd.get(record.kind):
            heard.own = True
        self._tally(str(op), record, event)

    def _of(self, op: str, pid: int) -> _Heard:
        """Return what a process told of an operation; most operations have one process."""
        first = heard = self._heard.get(op)
        while heard is not None:
            if heard.pid == pid:
                return heard
            heard = heard.before
        made = self._heard[op] = _Heard(pid, first)
        return made

    def _all(self, op: str) -> Iterator[_Heard]:
        heard = self._heard.get(op)
        while heard is not None:
            yield heard
            heard = heard.before

    def close(self) -> None:
        """Look for operations without events and for gaps in what each process counted.

        Only operations that ended ``ok`` are held to it: a killed one may have died before its
        last event.
        """
        for phase in {record.phase for record in self.operations.values()}:
            self.phases.setdefault(phase, PhaseTally())
        self.contradictions = self._hits_of_nothing()
        for op, record in self.operations.items():
            if record.outcome is not Outcome.OK:
                continue
            self.checked += 1
            heard = list(self._all(op))
            if any(one.own for one in heard):
                self.phases[record.phase].operations += 1
            else:
                self.without_events += 1
            self.lost += sum(one.missing() for one in heard)

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
                # One that came after a write stays so: writes that are read later are only earlier.
                if self._writes.get(record.key, at_ns + 1) > at_ns:
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
    for record in operations:
        tally = phases.setdefault(record.phase, PhaseTally())
        if record.hit is None:
            continue
        tally.hits += record.hit
        tally.misses += not record.hit
        tally.operations += 1
    return phases
