"""The stage `follow`: watch a run while it lasts, and warn of anomalies as they come."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from soakproof import schema
from soakproof.bulk.stream_tail import StreamTail
from soakproof.bulk.tail import Line, Moved, Tail
from soakproof.checks.anomalies import Anomalies, Anomaly
from soakproof.lines import BadLine, LineDecoder, line_decoder
from soakproof.model import HistoryLine, TelemetryEvent
from soakproof.proc import processes_that_write
from soakproof.rotation.reading import is_there
from soakproof.rundir import RunDir

__all__ = ["Followed", "follow"]

T = TypeVar("T")

_LOOK_S: Final = 0.2
_IDLE_LOOKS: Final = 10
"""So many looks without a new line, and it is asked whether the run is still there."""

_FAIL: Final = 10


@dataclass(slots=True)
class Followed:
    """What was seen of a run.

    Args:
        state: how it ended; ``gone``: nobody writes its history any more, and it has no end.
        history_lines: of the history.
        events: of the subject's telemetry.
        anomalies: how many were told.
    """

    state: Literal["running", "end", "interrupted", "gone"] = "running"
    history_lines: int = 0
    events: int = 0
    anomalies: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state != "running"

    @property
    def exit_code(self) -> int:
        """0 where nothing was told, else 10."""
        return _FAIL if self.anomalies else 0

    def line(self) -> str:
        """Return it as a line of text."""
        return (
            f"{self.state}: {self.history_lines:,} lines of history, {self.events:,} events, "
            f"{self.anomalies:,} anomalies"
        )


def follow(run_dir: RunDir, tell: Callable[[Anomaly], None], seen: Followed) -> None:
    """Read a run's history and telemetry as they grow, until it ends.

    Args:
        run_dir: the run; it may have ended, or not begun yet. It is only read.
        tell: is told of each anomaly.
        seen: is kept up to date, so that Ctrl-C loses nothing.

    Raises:
        MissingInput: it was not planned.
    """
    plan = schema.load_json(run_dir.plan, "plan", hint="make it with `soakproof clean`")
    watch = _Watch(run_dir, plan["target"].get("telemetry"), seen)
    pause, idle = threading.Event(), 0
    try:
        while True:
            for anomaly in watch.look():
                seen.anomalies += 1
                tell(anomaly)
            if seen.over:
                break
            idle = 0 if watch.moved else idle + 1
            if not _still_there(run_dir.history, idle):
                seen.state = "gone"
                break
            if not watch.moved:
                pause.wait(_LOOK_S)
        for anomaly in watch.last_look():
            seen.anomalies += 1
            tell(anomaly)
    finally:
        watch.close()


def _still_there(history: Path, idle: int) -> bool:
    """Whether a history may still grow; asked when it has not for a while."""
    if not idle or idle % _IDLE_LOOKS:
        return True
    try:
        owner = history.stat().st_uid
    except FileNotFoundError:
        return not is_there(history)  # the run has not begun; or it was killed between two parts
    if os.geteuid() not in {0, owner}:
        return True  # the kernel does not tell us of other users' files
    return bool(processes_that_write(history))


class _Watch:
    """The files of a run, as they grow."""

    def __init__(self, run_dir: RunDir, names: Mapping[str, Any] | None, seen: Followed) -> None:
        self._seen = seen
        self._anomalies = Anomalies(names)
        self._history = StreamTail(run_dir.history)
        self._decode_history: LineDecoder[HistoryLine] = line_decoder(HistoryLine)
        self._decode_event: LineDecoder[TelemetryEvent] = line_decoder(TelemetryEvent)
        self._folder = run_dir.telemetry
        self._glob: str | None = None if names is None else names["glob"]
        self._telemetry: dict[Path, Tail] = {}
        self.moved = False

    def look(self) -> Iterator[Anomaly]:
        """Yield what is anomalous in what came since the last look."""
        self.moved = False
        for line in self._history.new():
            yield from self._of_history(line)
        if self._glob is not None:
            for path in sorted(self._folder.glob(self._glob)):
                self._telemetry.setdefault(path, Tail(path))
        for tail in self._telemetry.values():
            for line in tail.new():
                yield from self._of_telemetry(tail.path, line)

    def last_look(self) -> Iterator[Anomaly]:
        """Yield what is anomalous in what came last, and in lines that never ended."""
        yield from self.look()
        if (rest := self._history.rest()) is not None:
            yield from self._of_history(rest)
        for tail in self._telemetry.values():
            if (rest := tail.rest()) is not None:
                yield from self._of_telemetry(tail.path, rest)
        if self._seen.state == "gone":
            yield Anomaly("hung", None, "nobody writes the history any more, and it has no end")

    def close(self) -> None:
        """Close the files."""
        for tail in (self._history, *self._telemetry.values()):
            tail.close()

    def _of_history(self, line: Line | Moved) -> Iterator[Anomaly]:
        self.moved = True
        read = _read(self._history.path, line, self._decode_history)
        if isinstance(read, Anomaly):
            yield read
            return
        self._seen.history_lines += 1
        yield from self._anomalies.history(read)
        if read.type == "run" and read.event in {"end", "interrupted"}:
            self._seen.state = "end" if read.event == "end" else "interrupted"

    def _of_telemetry(self, path: Path, line: Line | Moved) -> Iterator[Anomaly]:
        self.moved = True
        read = _read(path, line, self._decode_event)
        if isinstance(read, Anomaly):
            yield read
            return
        self._seen.events += 1
        yield from self._anomalies.telemetry(read)


def _read(path: Path, line: Line | Moved, decode: LineDecoder[T]) -> T | Anomaly:
    if isinstance(line, Moved):
        return Anomaly("file", None, f"{path.name} was {line.how}; its lines count from 1 again")
    if not line.body:
        text = f"{path.name}:{line.number}: longer than a line may be ({line.size_bytes} bytes)"
        return Anomaly("damaged_line", None, text)
    read = decode(line.number, line.body, line.whole)
    if isinstance(read, BadLine):
        return Anomaly("damaged_line", None, f"{path.name}:{read.line}: {read.reason}")
    return read
