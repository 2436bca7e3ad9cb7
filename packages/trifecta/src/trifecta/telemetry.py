"""Telemetry: one JSON object a line, one append-mode write an event, nothing ever read back.

A write begins with a line feed as well as ending with one, so that a line torn by a kill is
never glued onto the next event.  Nothing here may harm an answer: what cannot be written is lost
and said so once on standard error; the number of events in the last one lets a reader find out.
"""

import os
import time

from trifecta.jsontext import dumps, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE_NAME = "events.jsonl"
LEVELS = ("off", "lite", "full")
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class Telemetry:
    """The events of one operation."""

    __slots__ = ("_fd", "_path", "events", "level", "op", "run_id", "segment_id", "trouble")

    def __init__(self, folder: str, segment_id: str, level: str = "lite") -> None:
        """Prepare; the file is opened (and its folder made) by the first event."""
        environ = os.environ
        self.level = "off" if environ.get("TRIFECTA_NO_TELEMETRY") == "1" or not folder else level
        self.op = environ.get("TRIFECTA_OP_ID") or os.urandom(8).hex()
        self.run_id = environ.get("TRIFECTA_RUN_ID") or "unnamed"
        self.segment_id = segment_id
        self.events = 0
        self.trouble = ""
        self._path = f"{folder}/{FILE_NAME}"
        self._fd = -1

    @property
    def full(self) -> bool:
        """Whether sizes and times of the parts are wanted."""
        return self.level == "full"

    def emit(
        self,
        cmd: str,
        args: "Mapping[str, object]",
        result: "Mapping[str, object]",
        timing_ms: float = 0.0,
        *,
        warnings: "Sequence[str]" = (),
        last: bool = False,
    ) -> None:
        """Append one event; with *last*, the operation's own, which carries their number."""
        if self.level == "off":
            return
        self.events += 1
        if self.trouble:
            return
        now = time.time_ns()
        second, rest = divmod(now, 1_000_000_000)
        stamp = "%04d-%02d-%02dT%02d:%02d:%02d" % time.gmtime(second)[:6]  # noqa: UP031 - fastest
        total = f',"events":{self.events}' if last else ""
        line = (
            f'\n{{"ts":"{stamp}.{rest // 1000:06d}Z","run_id":{quote(self.run_id)},'
            f'"segment_id":{quote(self.segment_id)},"cmd":"{cmd}","args":{dumps(args)},'
            f'"result":{dumps(result)},"timing_ms":{timing_ms:.3f},"warnings":{dumps(warnings)},'
            f'"x":{{"op":{quote(self.op)},"seq":{self.events},"pid":{os.getpid()},'
            f'"mono_ns":{time.monotonic_ns()}{total}}}}}\n'
        )
        self._append(line.encode("ascii"))

    def _append(self, line: bytes) -> None:
        try:
            if self._fd < 0:
                self._fd = _open(self._path)
            written = os.write(self._fd, line)
        except OSError as problem:
            self.trouble = problem.strerror or type(problem).__name__
            return
        if written != len(line):
            self.trouble = "only a part of an event could be written"

    def reserve(self) -> None:
        """Open the log before much else is: later there may be no descriptor left to tell so.

        Makes no folder and complains of nothing; the first event does both.
        """
        if self.level == "off" or self._fd >= 0:
            return
        try:
            self._fd = os.open(self._path, _FLAGS, 0o644)
        except OSError:
            return

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: str) -> int:
    """Open the log for appending; make its folder when it is not there yet."""
    try:
        return os.open(path, _FLAGS, 0o644)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, _FLAGS, 0o644)


def for_segment(root: str, segment_id: str, level: str = "") -> Telemetry:
    """Give the telemetry of a segment, as the environment and *level* have it."""
    folder = os.environ.get("TRIFECTA_TELEMETRY_DIR")
    if not folder:
        folder = f"{root.rstrip('/')}/_ctx/telemetry" if root else ""
    chosen = level or os.environ.get("TRIFECTA_TELEMETRY_LEVEL") or "lite"
    return Telemetry(folder, segment_id, chosen if chosen in LEVELS else "lite")
