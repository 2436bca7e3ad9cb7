"""Soak points, each in a process of its own that is forked from one with everything loaded.

To start Python and load soakproof costs as much as a small soak. ``soakproof points`` pays it once;
every point after that is a child of it, killed alone, with a process group and a log of its own.

Both sides of the pipe are here. Down go lines ``{"spec": …, "out": …, "log": …}``, one at a time,
or ``{"end": true}``; up come ``{"pid": …}`` as a point begins and ``{"code": …}`` when it has
ended. A point keeps the pipe open, so who reads its end knows that no point runs any more.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

__all__ = ["PointServer", "serve_points"]

_POLITE_S: Final = 10
"""A soak that is told to stop reaps what it started, heals its faults, and ends."""

_KILLED: Final = -int(signal.SIGKILL)
_CRASHED: Final = 1


class PointServer:
    """Asks a process for points, one after another; started when the first is asked for.

    Args:
        environ: the environment of all points.
        cwd: the folder in which they run.
        log: takes what the server itself complains of.
        hand_down: descriptors that each point inherits.
    """

    def __init__(
        self, environ: Mapping[str, str], cwd: Path, log: Path, hand_down: Sequence[int]
    ) -> None:
        self._environ = dict(environ)
        self._cwd = cwd
        self._log = log
        self._hand_down = tuple(hand_down)
        self._process: subprocess.Popen[bytes] | None = None
        self._point: int | None = None
        self._left = False
        self._starting = threading.Lock()

    def run(self, spec: Path, out: Path, log: Path) -> int | None:
        """Soak one point to its end.

        Args:
            spec: what to soak.
            out: takes its result.
            log: takes all that it prints.

        Returns:
            Its exit code, negative if a signal ended it or the server; ``None``: it was ended.
        """
        process = self._started()
        if process is None:
            return None
        asked = {"spec": str(spec), "out": str(out), "log": str(log)}
        try:
            _send(process, asked)
            self._point = _said(process, "pid")
            code = _said(process, "code")
        except (BrokenPipeError, EOFError):
            code = self._gone(process, log)
        finally:
            self._point = None
        return None if self._left else code

    def leave(self) -> None:
        """Tell the server, and the point that it soaks, to end; callable at any time."""
        with self._starting:
            self._left = True
        process = self._process
        if process is None:
            return
        point = self._point
        if process.poll() is not None and point is not None:
            with suppress(ProcessLookupError):  # it has lost its parent, and so nobody else can
                os.kill(point, signal.SIGTERM)
        with suppress(BrokenPipeError):
            _send(process, {"end": True})

    def wait(self) -> None:
        """Wait for the end of a server that was told to leave; what hangs is killed."""
        process = self._process
        if process is not None:
            try:
                process.wait(2 * _POLITE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.unlink(missing_ok=True)

    def _started(self) -> subprocess.Popen[bytes] | None:
        with self._starting:
            if self._left:
                return None
            if self._process is None:
                with self._log.open("wb") as log:
                    self._process = subprocess.Popen(
                        [sys.executable, "-m", "soakproof", "points"],
                        cwd=self._cwd,
                        env=self._environ,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        process_group=0,
                        pass_fds=self._hand_down,
                    )
            return self._process

    def _gone(self, process: subprocess.Popen[bytes], log: Path) -> int:
        """Return the exit code of a server that is gone; the next point starts another."""
        self._process = None
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        with log.open("ab") as file:
            file.write(self._log.read_bytes())
        return code if code < 0 else _CRASHED


def _send(process: subprocess.Popen[bytes], document: Mapping[str, Any]) -> None:
    if process.stdin is None:
        raise AssertionError  # it was started with a pipe
    process.stdin.write(json.dumps(document).encode() + b"\n")
    process.stdin.flush()


def _said(process: subprocess.Popen[bytes], name: str) -> int:
    if process.stdout is None:
        raise AssertionError  # as above
    line = process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return int(json.loads(line)[name])


# The other end of the pipe.


def serve_points(soak: Callable[[str, str], int]) -> int:
    """Soak the points that standard input asks for, each in a child; return the exit code.

    Must be called before any thread is started: children are forked.

    Args:
        soak: soaks one point, of a spec's path and that of its result; returns the exit code.
    """
    answers = os.dup(1)
    os.dup2(2, 1)  # what anybody prints is no answer
    gc.collect()
    gc.freeze()  # so that collecting does not copy what all points share
    rest = b""
    while True:
        line, rest = _line(rest)
        asked = json.loads(line or b'{"end": true}')
        if "end" in asked:
            return 0
        pid = os.fork()
        if pid == 0:
            _be_a_point(soak, asked)
        with suppress(ProcessLookupError, PermissionError):  # it may have done so itself, and more
            os.setpgid(pid, pid)
        if not _tell(answers, {"pid": pid}):
            os.waitpid(pid, 0)  # nobody asks any more; the campaign's lock is ours as long
            return 0
        rest, ended = _watch(pid, rest)
        if not _tell(answers, {"code": os.waitstatus_to_exitcode(ended)}):
            return 0


def _line(rest: bytes) -> tuple[bytes, bytes]:
    """Return the next line, empty at the end of the input, and what was read behind it."""
    while b"\n" not in rest:
        chunk = os.read(0, 1 << 16)
        if not chunk:
            return b"", b""
        rest += chunk
    line, _, rest = rest.partition(b"\n")
    return line, rest


def _watch(pid: int, rest: bytes) -> tuple[bytes, int]:
    """Wait for a point's end, and end it when told to; returns what was read, and its status."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(0, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if pidfd in ready:
                break
            chunk = os.read(0, 1 << 16)
            rest += chunk
            poll.unregister(0)  # one word is all that can come now: to end, or that nobody is there
            if chunk:
                _end(pid, pidfd)
    finally:
        os.close(pidfd)
    return rest, os.waitpid(pid, 0)[1]


def _end(pid: int, pidfd: int) -> None:
    """Let a point end in order; after a while, kill all of its group."""
    os.kill(pid, signal.SIGTERM)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if not poll.poll(_POLITE_S * 1000):
        os.killpg(pid, signal.SIGKILL)


def _tell(answers: int, document: Mapping[str, int]) -> bool:
    """Answer; false: nobody is there."""
    try:
        os.write(answers, json.dumps(document).encode() + b"\n")
    except BrokenPipeError:
        return False
    return True


def _be_a_point(soak: Callable[[str, str], int], asked: Mapping[str, str]) -> NoReturn:
    """Be the child: soak, and end without what the parent has set up for its own end."""
    code = _CRASHED
    try:
        os.setpgid(0, 0)
        log = os.open(asked["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, place in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(fd, place)
        os.close(log)
        os.close(nothing)
        code = soak(asked["spec"], asked["out"])
    except BaseException:  # noqa: BLE001 - the end of a process: it is told, and is the exit code
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
