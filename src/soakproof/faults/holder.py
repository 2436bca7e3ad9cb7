"""The harness's side of a process that holds something: a lock, a transaction, a mount."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import IO, Final

__all__ = ["Holder"]

_START_MS: Final = 10_000
"""A hang guard for its own start and for a lock that others do not let go."""

_NS_PER_MS: Final = 1_000_000


class Holder:
    """A process that takes something and holds it until told, or until we are gone.

    It prints ``held`` once it has it, and lets go when its standard input ends: so what it holds
    never outlives the harness, whatever kills that. It has a process group of its own, so Ctrl-C
    does not reach it.

    Args:
        module: its name in this package; it is run with ``python -m``.
        arguments: what it is told.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        argv = [sys.executable, "-m", f"soakproof.faults.{module}", *arguments]
        self._started_ns = time.monotonic_ns()
        self._words = b""
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_fd, False)
        self._said: IO[bytes] = os.fdopen(read_fd, "rb", buffering=0)
        stdin_fd, self._stdin_fd = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                argv, stdin=stdin_fd, stdout=write_fd, stderr=subprocess.DEVNULL, process_group=0
            )
        except OSError:
            os.close(self._stdin_fd)
            self._said.close()
            raise
        finally:
            os.close(stdin_fd)
            os.close(write_fd)

    def holds(self) -> bool:
        """Whether it has said that it holds; never waits."""
        self._words += self._said.read() or b""
        return self._words.startswith(b"held")

    def refusal(self) -> str | None:
        """Why it will not come to hold, or nothing while it still may; ask :meth:`holds` first."""
        said = self._words.decode("utf-8", "replace").strip()
        if "\n" in self._words.decode("utf-8", "replace") or self._process.poll() is not None:
            return f"the holder said {said!r}"
        if time.monotonic_ns() - self._started_ns > _START_MS * _NS_PER_MS:
            return f"the holder did not come to hold within {_START_MS} ms"
        return None

    def let_go(self) -> None:
        """Tell it to let go, without waiting for it."""
        if self._stdin_fd >= 0:
            os.close(self._stdin_fd)
            self._stdin_fd = -1

    def release(self) -> bool:
        """Make it let go and reap it; false: it had to be killed. Safe to call twice."""
        self.let_go()
        try:
            self._process.wait(timeout=_START_MS / 1000)
            forced = False
        except subprocess.TimeoutExpired:
            self.kill()
            forced = True
        self._said.close()
        return not forced

    def kill(self) -> None:
        """End it as if the power had been cut, and reap it."""
        self.let_go()
        self._process.kill()
        self._process.wait()
        self._said.close()
