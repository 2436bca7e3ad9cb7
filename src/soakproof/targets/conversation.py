"""Talk to one worker and wait for it, with a deadline: for conformance, not for a soak."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from soakproof.proc import Capture, Ended, PipedChild
from soakproof.targets.worker import Hello, LineBuffer, Reply, decode_hello, decode_reply, request

__all__ = ["Conversation", "NoAnswer"]

_READ_BYTES: Final = 1 << 18
_TAIL_BYTES: Final = 400
_SHOWN: Final = 120


class NoAnswer(Exception):
    """The worker did not do what it was waited for; says what."""


class Conversation:
    """One worker, from its start to its end.

    Args:
        argv: how it is started.
        env: its whole environment.
        scratch: an existing folder for what it writes on its standard error.
        name: of that file.
        deadline_s: a hang guard for every wait.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        scratch: Path,
        *,
        name: str,
        deadline_s: float,
    ) -> None:
        self._deadline_s = deadline_s
        self._capture = Capture(scratch, name)
        self._child: PipedChild | None = PipedChild(argv, env, self._capture)
        self._buffer = LineBuffer()
        self._lines: list[bytes] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill and reap it, if it is still there."""
        if self._child is not None:
            self._child.kill_group()
            self._child.reap()
            self._child = None
        self._capture.close()

    def hello(self) -> Hello:
        """Read its first line; raises ``BadHello`` where it is none."""
        return decode_hello(self.line())

    def ask(self, number: int, op: str, key: str, value: object = None) -> Reply:
        """Send one line and read its answer."""
        self.send(request(number, op, key, value))
        return self.reply()

    def reply(self) -> Reply:
        """Read one answer."""
        line = self.line()
        try:
            return decode_reply(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            shown = line[:_SHOWN].decode("utf-8", "replace")
            raise NoAnswer(f"expected an answer ({problem}), found {shown!r}") from None

    def send(self, data: bytes) -> None:
        """Send bytes, reading what comes meanwhile, so that neither waits for the other."""
        child, until_s = self._running(), time.monotonic() + self._deadline_s
        while data:
            poll = select.poll()
            poll.register(child.to_fd, select.POLLOUT)
            poll.register(child.from_fd, select.POLLIN)
            ready = dict(poll.poll(self._left_ms(until_s, "to take its lines")))
            if child.to_fd in ready:
                try:
                    data = data[os.write(child.to_fd, data) :]
                except BrokenPipeError:
                    raise NoAnswer(f"it ended while it was sent lines{self._tail()}") from None
            if child.from_fd in ready:
                self._take(child)

    def line(self) -> bytes:
        """Read one line."""
        child, until_s = self._running(), time.monotonic() + self._deadline_s
        while not self._lines:
            poll = select.poll()
            poll.register(child.from_fd, select.POLLIN)
            if poll.poll(self._left_ms(until_s, "to answer")):
                self._take(child)
        return self._lines.pop(0)

    def leave(self) -> tuple[Ended, list[bytes]]:
        """Let it read the end of its input; return how it ended, and lines that nobody read."""
        child, until_s = self._running(), time.monotonic() + self._deadline_s
        child.close_input()
        poll = select.poll()
        poll.register(child.pidfd, select.POLLIN)
        if not poll.poll(self._left_ms(until_s, "to end")):
            raise NoAnswer("it did not end when its input did")
        try:
            while data := os.read(child.from_fd, _READ_BYTES):
                self._lines += self._buffer.feed(data)
        except BlockingIOError:
            pass
        self._child = None
        return child.reap(), self._lines

    def kill(self) -> None:
        """End it as a power cut would."""
        child = self._running()
        child.kill_group()
        self._child = None
        child.reap()

    def _running(self) -> PipedChild:
        if self._child is None:
            raise NoAnswer("it has ended already")
        return self._child

    def _take(self, child: PipedChild) -> None:
        data = os.read(child.from_fd, _READ_BYTES)
        if not data:
            raise NoAnswer(f"it closed its standard output{self._tail()}")
        self._lines += self._buffer.feed(data)

    def _left_ms(self, until_s: float, what: str) -> float:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise NoAnswer(f"waited {self._deadline_s:g} s for it {what}{self._tail()}")
        return left_s * 1000

    def _tail(self) -> str:
        tail, _ = self._capture.complaint(_TAIL_BYTES)
        last: Any = tail.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"; it said: {last[:_SHOWN]}" if last else ""
