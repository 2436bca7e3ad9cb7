"""soakproof's own commands as processes of their own: several soaks at once, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["OwnCommands", "last_words"]

_POLITE_S: Final = 10
"""A soak that is told to stop reaps what it started, heals its faults, and ends."""


class OwnCommands:
    """Runs ``soakproof …`` as a user would; what still runs when it is left is ended.

    Args:
        environ: the environment of all.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._left = False

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        patience_s: float | None = None,
    ) -> int | None:
        """Run one command to its end; callable from several threads.

        Args:
            arguments: what stands after ``soakproof``.
            cwd: the folder in which it runs.
            log: takes all that it prints.
            patience_s: it is ended after so long.

        Returns:
            Its exit code; ``None``: it was ended.
        """
        if self._left:
            return None
        argv = [sys.executable, "-m", "soakproof", *arguments]
        with log.open("ab") as file:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                process_group=0,
            )
        self._running.add(process)
        try:
            return process.wait(patience_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return None
        finally:
            self._running.discard(process)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still runs: Ctrl-C, or a reader that went away."""
        self._left = True
        for process in list(self._running):
            _end(process)


def last_words(log: Path) -> str:
    """Return the last line that a command printed."""
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_POLITE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
