"""A project that is thrown away, and soakproof's commands in it, measured."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.rundir import Project, RunDir
from soakproof.workload.settings import ENVIRONMENT
from speed.process import MeasurementError

__all__ = ["Place", "Took", "command"]

EVAL: Final = Path(__file__).resolve().parents[2]
OURS: Final = EVAL / "bench" / "project"
LEFT_OUT: Final = frozenset({*ENVIRONMENT.values(), "GITHUB_STEP_SUMMARY"})
"""Variables that say how a soak is to be: here only the command line does."""
PREFIXES: Final = ("TRIFECTA_", "PYTHON")
"""Nor does the bench's own path make every start of Python look in two folders more."""
_TAIL_CHARS: Final = 600


@dataclass(frozen=True, slots=True)
class Took:
    """What a command took, with all that it started and waited for."""

    wall_s: float
    cpu_s: float
    exit_code: int


def command(
    argv: Sequence[str],
    env: Mapping[str, str],
    log: Path,
    *,
    given: bytes = b"",
    codes: Sequence[int] = (0,),
) -> Took:
    """Run a command; its output goes to a file.

    Args:
        argv: an absolute executable and its arguments.
        env: its whole environment.
        log: takes what it prints.
        given: what it reads.
        codes: exit codes with which the measurement counts.

    Raises:
        MeasurementError: it ended otherwise.
    """
    read = log.with_suffix(".given")
    read.write_bytes(given)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.fspath(read), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.fspath(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    began_s = time.monotonic()
    pid = os.posix_spawn(argv[0], list(argv), dict(env), file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.monotonic() - began_s
    code = os.waitstatus_to_exitcode(status)
    if code not in codes:
        tail = log.read_text("utf-8", "replace")[-_TAIL_CHARS:]
        shown = " ".join(argv[:6])
        raise MeasurementError(f"expected exit code {codes}, found {code}: {shown} …\n{tail}")
    return Took(wall_s, usage.ru_utime + usage.ru_stime, code)


class Place:
    """A project with this checkout's campaigns, gates and targets, and those of the bench.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {
            name: text
            for name, text in os.environ.items()
            if name not in LEFT_OUT and not name.startswith(PREFIXES)
        }
        shutil.copytree(OURS, root / "eval")
        for name in ("campaigns", "gates", "targets"):  # of two with one name the checkout's wins
            shutil.copytree(EVAL / name, root / "eval" / name, dirs_exist_ok=True)
        self._log = root / "soakproof.log"

    def soakproof(self, *arguments: str, codes: Sequence[int] = (0,)) -> Took:
        """Run one of soakproof's commands in the project."""
        here = Path.cwd()
        os.chdir(self.root)  # posix_spawn knows no other way to say where
        try:
            argv = [sys.executable, "-m", "soakproof", *arguments]
            return command(argv, self.env, self._log, codes=codes)
        finally:
            os.chdir(here)

    def planned(self, run_id: str, campaign: str, ops: int) -> RunDir:
        """Plan a run."""
        self.soakproof("clean", "--campaign", campaign, "--ops", str(ops), "--run-id", run_id)
        return Project(self.root).open_run(run_id)

    @staticmethod
    def read(path: Path) -> Any:  # noqa: ANN401 - any document
        """Return a JSON document."""
        return json.loads(path.read_bytes())
