"""Commands that a target's file names beside its operations: prepare, clean, check the cache."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from soakproof.errors import ConfigError

__all__ = ["run_once", "sound_by_command"]

_CHECK_S: Final = 600
"""A hang guard for one look at the whole cache."""

_SHOWN_CHARS: Final = 200


def run_once(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path | None,
    *,
    deadline_s: int,
    where: tuple[Path, str],
) -> None:
    """Run a command of the target's file to its end.

    Args:
        argv: the command line, its executable as an absolute path.
        env: the whole environment.
        cwd: working folder; ``None``: ours.
        deadline_s: after so long it is killed with all that it started.
        where: the target's file and the key that names the command, for the message.

    Raises:
        ConfigError: it ended with an error, took too long, or could not be started.
    """
    path, key = where
    code, last = _run(argv, env, cwd, deadline_s)
    if code == "ok":
        return
    problem = f"expected `{' '.join(argv)}` to end with exit code 0, found {code}: {last}"
    raise ConfigError(path, problem, key=key)


def sound_by_command(argv: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> str:
    """Return ``ok`` where a command ends with 0, else how it ended and its last line."""
    code, last = _run(argv, env, cwd, _CHECK_S)
    return code if code == "ok" else f"{code}: {last}"


def _run(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path | None, deadline_s: int
) -> tuple[str, str]:
    """Return ``ok`` or how it ended, and the last line of what it said."""
    try:
        child = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except OSError as problem:
        return "no process", str(problem)
    with child:
        try:
            said, _ = child.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return f"no end after {deadline_s} s", ""
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:_SHOWN_CHARS]
    return ("ok" if child.returncode == 0 else f"exit code {child.returncode}"), last
