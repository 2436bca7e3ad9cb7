"""Processes: spawned, watched, killed as a group, and always reaped.

``posix_spawn`` and ``wait4`` cost a quarter of a thread pool with ``subprocess`` and give each
child's resource usage. Output goes to files, so a child that prints megabytes neither blocks nor
fills the memory of the harness.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = [
    "Capture",
    "Child",
    "Ended",
    "PipedChild",
    "context_switches",
    "cpu_ticks",
    "family",
    "lock_owners",
    "open_paths",
    "processes_that_name",
    "processes_that_write",
    "run_state",
    "where_it_waits",
]

_NS_PER_MS: Final = 1_000_000

_UTIME: Final = 11
"""Position of utime in /proc/<pid>/stat, counted from after the name (proc_pid_stat(5))."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; CPU and memory include what it reaped itself."""

    exit_code: int | None
    signal: int | None
    ended_ns: int
    user_ms: float
    sys_ms: float
    max_rss_kb: int


class Capture:
    """Two files that take a child's output, used again for the next child.

    Args:
        folder: where the files lie.
        name: their name without suffix.
    """

    def __init__(self, folder: Path, name: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self.out_fd = os.open(folder / f"{name}.out", flags, 0o600)
        self.err_fd = os.open(folder / f"{name}.err", flags, 0o600)

    def clear(self) -> None:
        """Empty both files."""
        os.ftruncate(self.out_fd, 0)
        os.ftruncate(self.err_fd, 0)

    def answer(self) -> bytes:
        """Return all of the standard output."""
        return _read(self.out_fd, 0, os.fstat(self.out_fd).st_size)

    def complaints(self) -> bytes:
        """Return all of the standard error."""
        return _read(self.err_fd, 0, os.fstat(self.err_fd).st_size)

    def complaint(self, limit_bytes: int) -> tuple[bytes, int]:
        """Return the last ``limit_bytes`` of the standard error, and how long it is in all."""
        size = os.fstat(self.err_fd).st_size
        start = max(0, size - limit_bytes)
        return _read(self.err_fd, start, size - start), size

    def close(self) -> None:
        """Close the files."""
        os.close(self.out_fd)
        os.close(self.err_fd)


class Child:
    """One process in a process group of its own, with a pidfd that becomes readable at its end.

    Args:
        argv: the executable's path and its arguments.
        env: its whole environment.
        capture: where its output goes.
        cwd: its working folder; ``None``: ours.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        capture: Capture,
        cwd: Path | None = None,
    ) -> None:
        capture.clear()
        self._spawn(
            argv,
            env,
            [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, capture.out_fd, 1),
                (os.POSIX_SPAWN_DUP2, capture.err_fd, 2),
            ],
            cwd,
        )

    def _spawn(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        actions: list[tuple[Any, ...]],
        cwd: Path | None = None,
    ) -> None:
        self.started_ns = time.monotonic_ns()
        with _standing_in(cwd):
            self.pid = os.posix_spawn(
                argv[0],
                list(argv),
                dict(env),
                file_actions=actions,
                setpgroup=0,
                # Python ignores SIGPIPE, and an ignored signal stays ignored across exec.
                setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],
            )
        self.pidfd = os.pidfd_open(self.pid)

    def kill_group(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process and all that it started in its group; gone is fine."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def send(self, number: signal.Signals) -> bool:
        """Send the process alone a signal; false when it has ended.

        Through the pidfd, which never names another process that got the same number.
        """
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except (ProcessLookupError, OSError):
            return False
        return True

    def reap(self) -> Ended:
        """Wait for the end, take the process away and kill what it left in its group."""
        _, status, usage = os.wait4(self.pid, 0)
        ended_ns = time.monotonic_ns()
        self.kill_group()
        os.close(self.pidfd)
        by_signal = os.WIFSIGNALED(status)
        return Ended(
            exit_code=None if by_signal else os.WEXITSTATUS(status),
            signal=os.WTERMSIG(status) if by_signal else None,
            ended_ns=ended_ns,
            user_ms=round(usage.ru_utime * 1000, 3),
            sys_ms=round(usage.ru_stime * 1000, 3),
            max_rss_kb=usage.ru_maxrss,
        )


class PipedChild(Child):
    """One process that is talked to: its standard input and output are pipes that do not block.

    Args:
        argv: the executable's path and its arguments.
        env: its whole environment.
        capture: takes its standard error.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], capture: Capture) -> None:
        capture.clear()
        child_in, self.to_fd = os.pipe2(os.O_CLOEXEC)
        self.from_fd, child_out = os.pipe2(os.O_CLOEXEC)
        try:
            self._spawn(
                argv,
                env,
                [
                    (os.POSIX_SPAWN_DUP2, child_in, 0),
                    (os.POSIX_SPAWN_DUP2, child_out, 1),
                    (os.POSIX_SPAWN_DUP2, capture.err_fd, 2),
                ],
            )
        except BaseException:
            os.close(self.to_fd)
            os.close(self.from_fd)
            raise
        finally:
            os.close(child_in)
            os.close(child_out)
        for fd in (self.to_fd, self.from_fd):
            os.set_blocking(fd, False)

    def close_input(self) -> None:
        """Let it read the end of its input; safe to call twice."""
        if self.to_fd >= 0:
            os.close(self.to_fd)
            self.to_fd = -1

    def reap(self) -> Ended:
        """Wait for the end, close the pipes, and kill what it left in its group."""
        ended = super().reap()
        self.close_input()
        os.close(self.from_fd)
        return ended


@contextmanager
def _standing_in(folder: Path | None) -> Iterator[None]:
    """Stand in a folder for as long as a process is made: posix_spawn has no other way to say it.

    Only the thread of the storm makes processes, and no other one of ours uses relative paths.
    """
    if folder is None:
        yield
        return
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def family(pid: int) -> list[int]:
    """Return a process and those that descend from it, as far as they are still there.

    An operation may be a launcher that waits for the real tool; what the tool does is its doing.
    """
    found = [pid]
    for one in found:
        try:
            children = Path(f"/proc/{one}/task/{one}/children").read_text("ascii")
        except OSError:  # it is gone, or this kernel does not tell
            continue
        found += map(int, children.split())
    return found


def open_paths(pid: int) -> frozenset[str]:
    """Return the paths that a process has open; empty where it is gone or may not be looked at."""
    folder = f"/proc/{pid}/fd"
    paths = set()
    try:
        for name in os.listdir(folder):
            paths.add(os.readlink(f"{folder}/{name}"))
    except OSError:  # it ended, or closed the file, while we looked: what was seen is true
        return frozenset(paths)
    return frozenset(paths)


def cpu_ticks(pid: int) -> int | None:
    """Return user and system CPU of a process in clock ticks; ``None``: it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    return int(fields[_UTIME]) + int(fields[_UTIME + 1])


def where_it_waits(pid: int) -> dict[str, str]:
    """Return what the kernel tells of a process that does not go on: state, wait channel, stack."""
    told = {}
    for name in ("wchan", "syscall", "stack"):
        try:
            told[name] = Path(f"/proc/{pid}/{name}").read_text("ascii", "replace").strip()
        except OSError:
            continue  # not for everybody to see
    return told


def context_switches(pid: int) -> int | None:
    """Return how often a process has gone to sleep of its own accord; ``None``: it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    return None


def processes_that_name(text: str) -> list[int]:
    """Return the processes, other than this one, whose command line holds a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if text.encode() in line:
            found.append(int(entry.name))
    return sorted(found)


def processes_that_write(path: Path) -> list[int]:
    """Return the processes, other than this one, that have a file open for writing."""
    wanted = str(path.resolve())
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sorted(pid for pid in pids if pid != os.getpid() and _writes(pid, wanted))


def _writes(pid: int, path: str) -> bool:
    folder = Path(f"/proc/{pid}")
    try:
        for fd in os.listdir(folder / "fd"):
            if os.readlink(folder / "fd" / fd) == path:
                told = (folder / "fdinfo" / fd).read_text("ascii")
                flags = next(line for line in told.splitlines() if line.startswith("flags:"))
                if int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY:
                    return True
    except OSError:  # it ended, or closed the file, while we looked; or it is not for us to see
        return False
    return False


def run_state(pid: int) -> str | None:
    """Return the state letter of a process (``T`` stopped, ``Z`` ended); ``None``: it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[0]  # the name before it may hold anything


def lock_owners(path: Path) -> frozenset[int]:
    """Return the processes that hold a lock on a file, by the kernel's table (proc_locks(5))."""
    try:
        inode = path.stat().st_ino
        rows = Path("/proc/locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return frozenset()
    # "1: FLOCK  ADVISORY  WRITE 708 08:01:2097546 0 EOF"; a waiter's row has "->" after the number.
    fields = [row.split() for row in rows if "->" not in row]
    return frozenset(int(row[4]) for row in fields if row[5].rpartition(":")[2] == str(inode))


def _read(fd: int, start: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.pread(fd, size, start)):
        parts.append(part)
        start += len(part)
        size -= len(part)
    return b"".join(parts)
