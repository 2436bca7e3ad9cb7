"""The harness's side of a process that holds a lock (:mod:`soakproof.faults.lock_holder`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

__all__ = ["Holder"]


class Holder:
    """A process that takes a lock and holds it until told, or until we are gone.

    Args:
        path: the lock file.
        max_ms: it lets go by itself after so long.
    """

    def __init__(self, path: Path, max_ms: int) -> None:
        argv = [sys.executable, "-m", "soakproof.faults.lock_holder", str(path), str(max_ms)]
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

    def said(self) -> bytes:
        """Return what it printed since last asked; never waits."""
        return self._said.read() or b""

    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def release(self, patience_s: float) -> bool:
        """Make it let go and reap it; false: it had to be killed."""
        os.close(self._stdin_fd)
        try:
            self._process.wait(timeout=patience_s)
            forced = False
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            forced = True
        self._said.close()
        return not forced
