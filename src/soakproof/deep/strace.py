"""Find strace, see whether it may trace here, and put it before a command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soakproof.deep.effects import RECORDED
from soakproof.deep.points import CHANGING, Point

__all__ = ["Strace", "find_strace"]

_DEADLINE_S: Final = 60
"""A hang guard: the trial takes a few milliseconds."""

_WHOLE: Final = "33554432"
"""No text in a trace is cut off below 32 MiB."""


@dataclass(frozen=True, slots=True)
class Strace:
    """A strace, or why there is none.

    Args:
        path: of the program; ``None``: it cannot be used here.
        version: what it says of itself.
        reason: why it cannot be used.
    """

    path: str | None
    version: str | None
    reason: str | None

    def record(self, argv: Sequence[str], trace: Path) -> list[str]:
        """Return the command that records all that a command does to files."""
        return [*self._before(trace, RECORDED), "-s", _WHOLE, "-e", "abbrev=none", "--", *argv]

    def watch(self, argv: Sequence[str], trace: Path) -> list[str]:
        """Return the command that lists the calls by which a command changes a disk."""
        return [*self._before(trace, ",".join(CHANGING)), "-s", _WHOLE, "--", *argv]

    def kill_at(self, argv: Sequence[str], trace: Path, point: Point) -> list[str]:
        """Return the command that is killed before the point's call is done."""
        return self._inject(argv, trace, point, "signal=SIGKILL")

    def stop_at(self, argv: Sequence[str], trace: Path, point: Point) -> list[str]:
        """Return the command that is stopped at the point's call."""
        return self._inject(argv, trace, point, "signal=SIGSTOP")

    def fail_at(self, argv: Sequence[str], trace: Path, point: Point) -> list[str]:
        """Return the command in which the point's call gives the point's error."""
        return self._inject(argv, trace, point, f"error={point.error}")

    def _inject(self, argv: Sequence[str], trace: Path, point: Point, what: str) -> list[str]:
        touch = point.touch
        when = f"{touch.nth}{'+' if point.persists else ''}"
        rule = f"inject={touch.name}:{what}:when={when}"
        # A signal for a call is lost where only a filter of the kernel (seccomp) stops the process.
        filtered = not what.startswith("signal")
        before = self._before(trace, ",".join(CHANGING), filtered=filtered)
        return [*before, "-e", rule, "--", *argv]

    def _before(self, trace: Path, calls: str, *, filtered: bool = True) -> list[str]:
        # "?": a call that this machine's kernel does not have (open on arm64) is no mistake.
        traced = ",".join(f"?{name}" for name in calls.split(","))
        flags = ["-f", "-q", "-y", "-xx", *(["--seccomp-bpf"] if filtered else [])]
        return [str(self.path), *flags, "-o", str(trace), "-e", f"trace={traced}"]


def find_strace(environ: Mapping[str, str]) -> Strace:
    """Return the strace on PATH, tried out: a container may forbid ptrace(2)."""
    path = shutil.which("strace", path=environ.get("PATH", os.defpath))
    if path is None:
        return Strace(None, None, "strace is not on PATH (Debian: apt-get install strace)")
    true = shutil.which("true", path=environ.get("PATH", os.defpath)) or "/bin/true"
    with tempfile.TemporaryDirectory(prefix="soakproof-strace-") as folder:
        trace = Path(folder) / "trace"
        found = Strace(path, None, None)
        try:
            told = subprocess.run(
                [path, "-V"], capture_output=True, timeout=_DEADLINE_S, check=True
            )
            tried = subprocess.run(
                found.watch([true], trace), capture_output=True, timeout=_DEADLINE_S, check=False
            )
        except (OSError, subprocess.SubprocessError) as problem:
            return Strace(None, None, f"{path} cannot be run: {problem}")
        version = re.search(rb"version (\S+)", told.stdout)
        shown = version[1].decode() if version else "unknown"
        if (
            tried.returncode != 0
            or not trace.exists()
            or b"exited with 0" not in trace.read_bytes()
        ):
            said = " ".join(tried.stderr.decode("utf-8", "replace").split())[:200]
            return Strace(None, shown, f"strace {shown} may not trace here: {said or 'no trace'}")
    return Strace(path, shown, None)
