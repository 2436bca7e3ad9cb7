"""The workers of a library's soak: started, sent lines, read, watched, ended and started again.

Whatever a worker does (dies between two lines, answers garbage, answers another question, says
nothing for too long, writes megabytes of complaints) is an outcome of the operations it had, never
an error of the harness.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from soakproof.awake import Awake, Lapse
from soakproof.proc import Capture, Ended, PipedChild, cpu_ticks, where_it_waits
from soakproof.targets.worker import (
    MOST_LINE_BYTES,
    BadHello,
    Hello,
    LineBuffer,
    Reply,
    decode_hello,
    decode_reply,
)
from soakproof.workload.kv import KvOp

__all__ = ["Crew", "CrewListener", "Member"]

_NS_PER_MS: Final = 1_000_000
_READ_BYTES: Final = 1 << 18
_READS_AT_ONCE: Final = 64
"""Reads of what one worker wrote before its end; a pipe holds less."""
_STDERR_KEPT_BYTES: Final = 16 << 20
_STDERR_TAIL_BYTES: Final = 2048


@dataclass(slots=True)
class Member:
    """One slot and the process that fills it.

    Args:
        slot: its number.
        capture: takes the standard error of its processes.
        waiting: operations that were sent and not answered, in their order.
        killed_for: why we ended it; ``None``: we did not.
        quiet_since_ns: when it last got on, on the clock of deadlines: an answer, or lines sent
            while it had none to answer.
        suspect_ticks: CPU ticks when it was found past its deadline.
    """

    slot: int
    capture: Capture
    child: PipedChild | None = None
    hello: Hello | None = None
    lines: LineBuffer = field(default_factory=LineBuffer)
    waiting: deque[KvOp] = field(default_factory=deque)
    unsent: bytes = b""
    killed_for: str | None = None
    said: str | None = None
    findings: dict[str, Any] | None = None
    quiet_since_ns: int = 0
    sent_ns: int = 0
    suspect_ticks: int | None = None
    suspect_ns: int = 0
    stderr_dropped: int = 0
    leaving: bool = False
    answered: int = 0
    last: KvOp | None = None

    @property
    def pid(self) -> int | None:
        """Its process."""
        return None if self.child is None else self.child.pid

    @property
    def ready(self) -> bool:
        """Whether it has said hello and is not being ended."""
        return self.hello is not None and self.killed_for is None and not self.leaving


class CrewListener(Protocol):
    """What a crew tells."""

    def greeted(self, member: Member) -> None:
        """A worker has said hello."""

    def answered(
        self, member: Member, replies: Sequence[tuple[KvOp, Reply]], mono_ns: int, /
    ) -> None:
        """Answers came, each to the operation that it is about."""

    def lapsed(self, lapse: Lapse) -> None:
        """A clock did not go on as it does; deadlines know it already."""

    def gone(self, member: Member, pid: int, ended: Ended, reason: str, error: str) -> None:
        """A worker has ended; what it had not answered still waits in it."""


class Crew:
    """Workers over one cache folder.

    Args:
        argv: how one is started.
        env: its whole environment.
        slots: how many at once.
        deadline_ms: one that is silent for longer is watched for as long again, and killed.
        scratch: folder for what they write on their standard error.
        listener: is told.
        awake: the clock of deadlines.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        slots: int,
        deadline_ms: int,
        scratch: Path,
        listener: CrewListener,
        awake: Awake,
    ) -> None:
        self._awake = awake
        self._argv = argv
        self._env = env
        self._deadline_ns = deadline_ms * _NS_PER_MS
        self._listener = listener
        self._epoll = select.epoll()
        self._by_fd: dict[int, Member] = {}
        self.members = [Member(slot, Capture(scratch, f"worker-{slot}")) for slot in range(slots)]

    @property
    def running(self) -> bool:
        """Whether any process is there."""
        return any(member.child is not None for member in self.members)

    def start(self, member: Member) -> str | None:
        """Start a slot's process; returns why it cannot be started, or nothing."""
        try:
            child = PipedChild(self._argv, self._env, member.capture)
        except OSError as problem:
            return str(problem)
        member.child, member.hello, member.lines = child, None, LineBuffer()
        member.killed_for = member.said = member.findings = member.suspect_ticks = None
        member.unsent, member.leaving, member.answered = b"", False, 0
        member.stderr_dropped, member.quiet_since_ns = 0, self._awake.now_ns()
        for fd in (child.from_fd, child.pidfd):
            self._by_fd[fd] = member
            self._epoll.register(fd, select.EPOLLIN)
        return None

    def send(self, member: Member, ops: Sequence[KvOp], lines: bytes) -> None:
        """Send lines; what the pipe does not take goes later."""
        now_ns = self._awake.now_ns()
        if not member.waiting:
            member.quiet_since_ns = now_ns
        member.sent_ns = now_ns
        member.waiting.extend(ops)
        waited = bool(member.unsent)
        member.unsent += lines
        if not waited:
            self._push(member)

    def kill(self, member: Member, why: str) -> None:
        """End a worker and all that it started; the first reason stays."""
        if member.child is not None:
            member.killed_for = member.killed_for or why
            member.child.kill_group()

    def dismiss(self) -> None:
        """Let every worker read the end of its input."""
        for member in self.members:
            if member.child is not None and not member.leaving:
                member.leaving = True
                member.quiet_since_ns = self._awake.now_ns()
                self._forget_fd(member.child.to_fd)
                member.child.close_input()

    def begin(self) -> None:
        """Begin to look at the clock: since the last wait nothing was under way."""
        for lapse in self._awake.look(0):
            self._listener.lapsed(lapse)

    def wait(self, timeout_ms: float) -> None:
        """Take what comes within a time."""
        ready = self._epoll.poll(timeout_ms / 1000)
        for lapse in self._awake.look(int(timeout_ms * _NS_PER_MS)):
            self._listener.lapsed(lapse)
        for fd, event in ready:
            member = self._by_fd.get(fd)
            if member is None or member.child is None:
                continue
            if fd == member.child.to_fd:
                self._push(member)
            elif fd == member.child.pidfd:
                self._finish(member)
            else:
                self._read(member, event)

    def watch(self) -> None:
        """Look for workers that are silent for too long, and for floods of complaints."""
        now_ns = self._awake.seen_ns()
        for member in self.members:
            child = member.child
            if child is None:
                continue
            self._bound_stderr(member)
            busy = member.waiting or member.hello is None or member.leaving
            if not busy or now_ns - member.quiet_since_ns < self._deadline_ns:
                member.suspect_ticks = None
                continue
            if member.suspect_ticks is None:
                member.suspect_ticks, member.suspect_ns = cpu_ticks(child.pid) or 0, now_ns
            elif now_ns - member.suspect_ns >= self._deadline_ns and member.killed_for is None:
                idle = cpu_ticks(child.pid) == member.suspect_ticks
                member.findings = {"waits": where_it_waits(child.pid)}
                self.kill(member, "hung" if idle else "deadline")

    def close(self) -> None:
        """Kill and reap whatever still runs, then close files; safe to call twice."""
        for member in self.members:
            if member.child is not None:
                self.kill(member, "interrupted")
                self._finish(member)
        if not self._epoll.closed:
            self._epoll.close()
            for member in self.members:
                member.capture.close()

    def _push(self, member: Member) -> None:
        child = member.child
        if child is None or child.to_fd < 0:
            return
        try:
            while member.unsent:
                member.unsent = member.unsent[os.write(child.to_fd, member.unsent) :]
        except BlockingIOError:
            if child.to_fd not in self._by_fd:
                self._by_fd[child.to_fd] = member
                self._epoll.register(child.to_fd, select.EPOLLOUT)
            return
        except BrokenPipeError:  # it is gone, or has closed its input: its end says the rest
            member.unsent = b""
        self._forget_fd(child.to_fd)

    def _read(self, member: Member, event: int) -> None:
        child = member.child
        if child is None:
            return
        if not event & select.EPOLLIN:  # the other end is closed; perhaps it still runs
            self._forget_fd(child.from_fd)
            self._misbehaved(member, "closed", "it closed its standard output")
            return
        data = os.read(child.from_fd, _READ_BYTES)
        if not data:
            self._forget_fd(child.from_fd)
            self._misbehaved(member, "closed", "it closed its standard output")
            return
        self._take(member, data, time.monotonic_ns())

    def _take(self, member: Member, data: bytes, now_ns: int) -> None:
        lines = member.lines.feed(data)
        if member.said is not None:
            return  # it has lost our trust: nothing after its first foul line is an answer
        if member.lines.waiting_bytes > MOST_LINE_BYTES:
            self._misbehaved(member, "garbage", "a line without an end")
        if not lines:
            return
        if member.hello is None and not self._greet(member, lines.pop(0)):
            return
        self._answers(member, lines, now_ns)

    def _greet(self, member: Member, line: bytes) -> bool:
        try:
            member.hello = decode_hello(line)
        except BadHello as problem:
            self._misbehaved(member, "garbage", str(problem))
            return False
        member.quiet_since_ns = self._awake.now_ns()
        self._listener.greeted(member)
        return True

    def _answers(self, member: Member, lines: Sequence[bytes], now_ns: int) -> None:
        replies: list[tuple[KvOp, Reply]] = []
        waiting, foul = member.waiting, None
        for line in lines:
            try:
                reply = decode_reply(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as problem:
                foul = ("garbage", f"expected an answer ({problem}), found {line[:80]!r}")
                break
            if not waiting or reply.id != waiting[0][0]:
                wanted = waiting[0][0] if waiting else "nothing"
                foul = ("wrong_id", f"expected an answer to {wanted}, found one to {reply.id}")
                break
            replies.append((waiting.popleft(), reply))
        if replies:
            member.quiet_since_ns = self._awake.now_ns()
            member.last = replies[-1][0]
            member.answered += len(replies)
            self._listener.answered(member, replies, now_ns)
        if foul is not None:
            self._misbehaved(member, *foul)

    def _misbehaved(self, member: Member, reason: str, words: str) -> None:
        """End a worker that does not keep to the protocol; not one that is ending anyway."""
        if member.killed_for is None and not (reason == "closed" and member.leaving):
            # Closing its output is what a process does that ends: its end says how, if it comes.
            if reason == "closed" and self._ends_by_itself(member):
                return
            member.said = words
            self.kill(member, reason)

    def _ends_by_itself(self, member: Member) -> bool:
        if member.child is None:
            return True
        poll = select.poll()
        poll.register(member.child.pidfd, select.POLLIN)
        return bool(poll.poll(_ENDING_MS))

    def _finish(self, member: Member) -> None:
        child = member.child
        if child is None:
            return
        for _ in range(_READS_AT_ONCE):  # answers that it wrote before its end are answers
            try:
                data = os.read(child.from_fd, _READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                break
            self._take(member, data, time.monotonic_ns())
        tail, _ = member.capture.complaint(_STDERR_TAIL_BYTES)
        for fd in (child.from_fd, child.pidfd, child.to_fd):
            self._forget_fd(fd)
        ended = child.reap()
        member.child, member.hello, member.unsent = None, None, b""
        reason = member.killed_for or ("signal" if ended.exit_code is None else "exit")
        last = tail.decode("utf-8", "replace").strip().rpartition("\n")[2]
        self._listener.gone(member, child.pid, ended, reason, member.said or last)

    def _forget_fd(self, fd: int) -> None:
        if self._by_fd.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def stderr_bytes(self, member: Member) -> int:
        """Return how much the last process of a slot has written on its standard error."""
        return member.stderr_dropped + os.fstat(member.capture.err_fd).st_size

    def _bound_stderr(self, member: Member) -> None:
        size = os.fstat(member.capture.err_fd).st_size
        if size > _STDERR_KEPT_BYTES:
            os.ftruncate(member.capture.err_fd, 0)
            member.stderr_dropped += size


_ENDING_MS: Final = 1000
"""Between the closing of its output and the end of a process."""
