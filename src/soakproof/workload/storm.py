"""The storm: operations dealt to slots, each a real process, watched by one thread.

One loop over ``epoll``: process ends (pidfds), ticks (sampling, faults, progress), deadlines and
signals. One thread writes the history, so its order is the order in which the harness saw things.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from soakproof.awake import Awake, Lapse
from soakproof.model import Operation
from soakproof.proc import Capture, Child, Ended, cpu_ticks, where_it_waits

__all__ = ["Launch", "Listener", "Running", "Storm"]

_NS_PER_MS: Final = 1_000_000
_POLITE_MS: Final = 2_000
"""After Ctrl-C: how long the operations under way may take to end before they are killed."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How an operation is started: an absolute executable, its arguments, environment, folder."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None = None


@dataclass(slots=True)
class Running:
    """An operation under way in a slot; ``since_ns`` in the time in which the harness ran."""

    operation: Operation
    worker: int
    child: Child
    capture: Capture
    since_ns: int = 0
    killed_for: str | None = None
    findings: dict[str, object] | None = None
    suspect: _Suspect | None = None


@dataclass(slots=True)
class _Suspect:
    """An operation past its deadline: does it still do something when all others have ended?"""

    alone_since_ns: int | None = None
    ticks: int | None = None


class Listener(Protocol):
    """What the storm tells, and asks."""

    def ready(self, operation: Operation) -> bool:
        """Whether an operation may start now; asked again at each tick until it may."""

    def launch(self, operation: Operation) -> Launch:
        """How to start it."""

    def not_started(self, operation: Operation, worker: int, problem: OSError) -> None:
        """No process could be made for it."""

    def invoked(self, running: Running) -> None:
        """It is being started: its process is there."""

    def completed(self, running: Running, ended: Ended) -> None:
        """It ended, by itself or because the storm killed it (``running.killed_for``)."""

    def lapsed(self, lapse: Lapse) -> None:
        """A clock did not go on as it does; deadlines know it already."""

    def tick(self, running: Mapping[int, Running], /) -> int:
        """Time passed (worker → what runs there); returns how many milliseconds until the next."""


class Storm:
    """Slots that work through operations.

    Args:
        slots: processes at once.
        deadline_ms: an operation that takes longer is suspect. No others are started until it has
            ended; if it still runs when all others have ended, it gets a second period of the same
            length and is killed with its group: ``hung`` if it used no CPU in that period,
            ``deadline`` if it did.
        listener: who is told.
        scratch: folder for the output of operations under way.
        awake: the clock of deadlines.
    """

    def __init__(
        self, *, slots: int, deadline_ms: int, listener: Listener, scratch: Path, awake: Awake
    ) -> None:
        self._awake = awake
        self._deadline_ns = deadline_ms * _NS_PER_MS
        self._listener = listener
        self._captures = [Capture(scratch, f"worker-{slot}") for slot in range(slots)]
        self._running: dict[int, Running] = {}
        self._parked: dict[int, Operation] = {}
        self._epoll = select.epoll()
        self._worker_of_fd: dict[int, int] = {}
        self._next_tick_ns = 0
        self._wake_fd: int | None = None
        self.stopping: str | None = None

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into an orderly stop while the body runs."""
        self._wake_fd, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        old_fd = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        numbers = (signal.SIGINT, signal.SIGTERM)
        old = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_fd)
            os.close(self._wake_fd)  # a closed descriptor leaves epoll by itself
            os.close(wake_write)
            self._wake_fd = None

    def run(self, operations: Iterator[Operation], *, enough: Callable[[], bool]) -> None:
        """Work through operations until they, or the time, are used up and every slot is idle.

        Args:
            operations: what to do, taken one by one as slots become free.
            enough: asked before an operation is taken; true ends a soak by time.
        """
        source: Iterator[Operation] | None = operations
        self._look(0)  # since the last run nothing was under way: who waited, stood still
        while True:
            for slot in range(len(self._captures)):
                if self.stopping or slot in self._running or self._suspects():
                    continue
                if slot not in self._parked and source is not None:
                    operation = None if enough() else next(source, None)
                    if operation is None:
                        source = None
                        continue
                    self._parked[slot] = operation
                if slot in self._parked and self._listener.ready(self._parked[slot]):
                    self._start(slot, self._parked.pop(slot))
            if self.stopping:
                self._parked.clear()
                self._wind_down()
                return
            if source is None and not self._running and not self._parked:
                return
            self._wait()  # also where none could be started: the next attempt may find room

    def close(self) -> None:
        """Kill and reap whatever still runs, then close files; safe to call twice."""
        for running in list(self._running.values()):
            running.killed_for = running.killed_for or "interrupted"
            running.child.kill_group()
            self._finish(running)
        if not self._epoll.closed:
            self._epoll.close()
            for capture in self._captures:
                capture.close()

    def _on_signal(self, number: int, _frame: object) -> None:
        if self.stopping:  # asked twice: no longer in order, but children are still reaped
            raise KeyboardInterrupt
        self.stopping = signal.Signals(number).name

    def _start(self, slot: int, operation: Operation) -> None:
        how = self._listener.launch(operation)
        try:
            child = Child(how.argv, how.env, self._captures[slot], how.cwd)
        except OSError as problem:  # the command is gone, or no process can be had
            self._listener.not_started(operation, slot, problem)
            return
        running = Running(operation, slot, child, self._captures[slot], self._awake.now_ns())
        self._running[slot] = running
        self._worker_of_fd[child.pidfd] = slot
        self._epoll.register(child.pidfd, select.EPOLLIN)
        self._listener.invoked(running)

    def _wait(self) -> None:
        now_ns = time.monotonic_ns()
        if now_ns >= self._next_tick_ns:
            pause_ms = self._listener.tick(self._running)
            self._next_tick_ns = time.monotonic_ns() + pause_ms * _NS_PER_MS
            return  # a tick may have made a parked operation ready
        wait_ns = self._next_tick_ns - now_ns + _NS_PER_MS
        ready = self._epoll.poll(wait_ns / 1e9)
        self._look(wait_ns)
        for fd, _ in ready:
            if fd in self._worker_of_fd:
                self._finish(self._running[self._worker_of_fd[fd]])
        self._watch(self._awake.seen_ns())

    def _look(self, waited_ns: int) -> None:
        for lapse in self._awake.look(waited_ns):
            self._listener.lapsed(lapse)

    def _suspects(self) -> bool:
        return any(running.suspect for running in self._running.values())

    def _watch(self, now_ns: int) -> None:
        """Look at operations past their deadline; kill those that had their second period."""
        for running in self._running.values():
            if running.since_ns + self._deadline_ns <= now_ns and not running.suspect:
                running.suspect = _Suspect()
        if not all(running.suspect for running in self._running.values()):
            return
        for running in self._running.values():
            suspect, pid = running.suspect, running.child.pid
            if suspect is None or running.killed_for:
                continue
            if suspect.alone_since_ns is None:
                suspect.alone_since_ns, suspect.ticks = now_ns, cpu_ticks(pid)
            elif now_ns - suspect.alone_since_ns >= self._deadline_ns:
                idle = cpu_ticks(pid) == suspect.ticks
                running.findings = {"waits": where_it_waits(pid)}
                running.killed_for = "hung" if idle else "deadline"
                running.child.kill_group()

    def _wind_down(self) -> None:
        if self._wake_fd is not None:
            self._epoll.unregister(self._wake_fd)  # it stays readable: nobody drains it
        for running in self._running.values():
            running.child.kill_group(signal.SIGTERM)
        until_ns = time.monotonic_ns() + _POLITE_MS * _NS_PER_MS
        while self._running and (left_ns := until_ns - time.monotonic_ns()) > 0:
            for fd, _ in self._epoll.poll(left_ns / 1e9):
                if fd in self._worker_of_fd:
                    running = self._running[self._worker_of_fd[fd]]
                    running.killed_for = "interrupted"
                    self._finish(running)
        for running in list(self._running.values()):
            running.killed_for = "interrupted"
            running.child.kill_group()
            self._finish(running)

    def _finish(self, running: Running) -> None:
        # Out of epoll before the pidfd is closed: a stale event would name the next child's fd.
        self._epoll.unregister(running.child.pidfd)
        del self._worker_of_fd[running.child.pidfd]
        ended = running.child.reap()
        del self._running[running.worker]
        self._listener.completed(running, ended)
