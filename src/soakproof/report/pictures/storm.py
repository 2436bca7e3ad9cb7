"""What the pictures are drawn from: a fold over history, telemetry and samples; pure.

Per operation five numbers are kept, in arrays: a million operations cost some 40 MB here, and the
pictures are bounded by their pixels.
Whatever cannot be placed (an event of no operation, a line without its fields) is left to the
metrics, which count it.
"""

from __future__ import annotations

import enum
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof.model import HistoryLine, Outcome, Sample, TelemetryEvent
from soakproof.report.pictures.failures import FailureLog

__all__ = ["Mark", "PhaseBegin", "Storm", "Wait"]

_NS_PER_MS: Final = 1e6
_NS_PER_S: Final = 1e9
_UNENDED: Final = -1.0
_COMPLETIONS: Final = frozenset(Outcome)


class Mark(enum.IntEnum):
    """What an operation is drawn as: its outcome, and whether the cache had the answer."""

    PLAIN = 0
    """It ended ok and told neither a hit nor a miss."""
    HIT = 1
    MISS = 2
    INFO = 3
    FAIL = 4
    WRONG = 5
    """It ended ok, and its answer was not right (stale, wrong, another key's)."""


@dataclass(frozen=True, slots=True)
class PhaseBegin:
    """A phase and when it began, in seconds of the run."""

    phase: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that the subject reported: for what, from when to when; given up or not."""

    row: int
    cause: str
    begin_s: float
    end_s: float
    given_up: bool


@dataclass(slots=True)
class Storm:
    """The fold; feed it with ``add_*`` in the order of the files, then read it.

    Args:
        names: the target's ``telemetry`` table (which ``cmd`` means what).
        wrong: operations whose answer was found not to be right.
    """

    names: Mapping[str, Any]
    wrong: frozenset[str] = frozenset()
    zero_ns: int | None = None
    end_s: float = 0.0
    kinds: list[str] = field(default_factory=list)
    phases: list[PhaseBegin] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    sizes: list[tuple[float, Mapping[str, int]]] = field(default_factory=list)
    failures: FailureLog = field(default_factory=FailureLog)
    begin_s: array[float] = field(default_factory=lambda: array("d"))
    done_s: array[float] = field(default_factory=lambda: array("d"))
    worker: array[int] = field(default_factory=lambda: array("i"))
    kind: array[int] = field(default_factory=lambda: array("i"))
    mark: array[int] = field(default_factory=lambda: array("b"))
    _rows: dict[str, int] = field(default_factory=dict)

    def add_line(self, line: HistoryLine) -> None:
        """Take one line of the history."""
        at_s = self._at(line.mono_ns)
        if line.type == "invoke":
            self._invoke(line, at_s)
        elif line.type == "phase" and line.event == "begin":
            self.phases.append(PhaseBegin(str(line.phase), at_s))
        elif line.type in _COMPLETIONS:
            self._complete(line, at_s)

    def add_event(self, event: TelemetryEvent) -> None:
        """Take one event of the subject; call it after the history's lines."""
        row = self._rows.get(str(event.x.get("op")))
        if row is None:
            return
        cmd, names = event.cmd, self.names
        if cmd in {names["hit"], names["miss"]}:
            if self.mark[row] == Mark.PLAIN:
                self.mark[row] = Mark.HIT if cmd == names["hit"] else Mark.MISS
        elif cmd in names["lock_wait"] or cmd in names["lock_timeout"]:
            self._wait(row, event, given_up=cmd in names["lock_timeout"])

    def add_sample(self, sample: Sample) -> None:
        """Take one look at the cache's files."""
        self.sizes.append((self._at(sample.mono_ns), sample.bytes_by_role))

    @property
    def ops(self) -> int:
        """How many operations were invoked."""
        return len(self.begin_s)

    @property
    def workers(self) -> int:
        """How many worker slots were used."""
        return max(self.worker, default=0) + 1

    def finished_s(self, row: int) -> float:
        """Return when an operation ended; one that never did lasts to the end of the run."""
        done_s = self.done_s[row]
        return self.end_s if done_s == _UNENDED else done_s

    def row_of(self, op: str) -> int | None:
        """Return where an operation stands in the arrays."""
        return self._rows.get(op)

    def op_of(self, row: int) -> str:
        """Return the id of the operation at ``row``; costs a walk, for one operation."""
        return next(op for op, at in self._rows.items() if at == row)

    def seconds(self, mono_ns: int | None) -> float | None:
        """Return a time of the run in seconds from its first line."""
        if mono_ns is None or self.zero_ns is None:
            return None
        return (mono_ns - self.zero_ns) / _NS_PER_S

    def _at(self, mono_ns: int) -> float:
        if self.zero_ns is None:
            self.zero_ns = mono_ns
        at_s = max(0.0, (mono_ns - self.zero_ns) / _NS_PER_S)
        self.end_s = max(self.end_s, at_s)
        return at_s

    def _invoke(self, line: HistoryLine, at_s: float) -> None:
        if line.op is None or line.op in self._rows:
            return
        self._rows[line.op] = len(self.begin_s)
        kind = line.kind or "?"
        if kind not in self.kinds:
            self.kinds.append(kind)
        self.begin_s.append(at_s)
        self.done_s.append(_UNENDED)
        self.worker.append(line.worker or 0)
        self.kind.append(self.kinds.index(kind))
        self.mark.append(Mark.INFO)  # it may have happened, until its completion says more

    def _complete(self, line: HistoryLine, at_s: float) -> None:
        row = self._rows.get(line.op or "")
        if row is None or self.done_s[row] != _UNENDED:
            return
        self.done_s[row] = at_s
        if line.type == "ok":
            hit = (line.detail or {}).get("hit")
            seen = Mark.PLAIN if hit is None else Mark.HIT if hit else Mark.MISS
            self.mark[row] = Mark.WRONG if line.op in self.wrong else seen
            return
        self.mark[row] = Mark.FAIL if line.type == "fail" else Mark.INFO
        self.failures.add(line, at_s, self.begin_s[row])

    def _wait(self, row: int, event: TelemetryEvent, *, given_up: bool) -> None:
        waited_ms, end_ns = event.result.get("waited_ms"), event.x.get("mono_ns")
        if not isinstance(waited_ms, int | float) or not isinstance(end_ns, int):
            return
        end_s = self._at(end_ns)
        begin_s = max(0.0, end_s - waited_ms * _NS_PER_MS / _NS_PER_S)
        self.waits.append(Wait(row, str(event.result.get("for", "?")), begin_s, end_s, given_up))
