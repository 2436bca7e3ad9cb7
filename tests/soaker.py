"""A soak of the toy as a user would type it: commands as real processes, always reaped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["HANG_GUARD_S", "Soaker"]

VARIABLES = {"OPS", "WORKERS", "SEED", "DURATION", "RUN_ID", "PART_BYTES"}

HANG_GUARD_S = 120
"""No claim about speed: a command that is not back by then hangs."""


@dataclass
class Soaker:
    """A project, and the commands a user would type in it."""

    root: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command; it is killed at the end of the test if it still runs."""
        clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        process = subprocess.Popen(
            [sys.executable, "-m", "soakproof", *arguments],
            cwd=self.root,
            env=clean | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=HANG_GUARD_S)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def soak(self, *arguments: str) -> int:
        """Run clean, run, extract and gate; the gate's exit code."""
        for stage in (
            ("clean", "--campaign", "toy", *arguments),
            ("run",),
            ("expect",),
            ("extract",),
        ):
            done = self(*stage)
            assert done.returncode == 0, done.stderr
        return self("gate").returncode

    @property
    def run_dir(self) -> Path:
        """The latest run."""
        runs = self.root / "_ctx" / "runs"
        return runs / (runs / "latest").read_text("utf-8").strip()

    def document(self, name: str) -> dict[str, Any]:
        """A document of the latest run."""
        document: dict[str, Any] = json.loads((self.run_dir / name).read_bytes())
        return document

    def history(self) -> list[dict[str, Any]]:
        """The latest run's history."""
        lines = (self.run_dir / "history.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def failed(self) -> set[str]:
        """Criteria of the latest verdict that are FAIL."""
        criteria = self.document("verdict.json")["criteria"]
        return {one["id"] for one in criteria if one["verdict"] == "FAIL"}

    def close(self) -> None:
        """Kill and reap what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
