"""Measure a library's soak: operations a second, run and check together, and memory over time.

``python eval/scripts/library_speed.py CAMPAIGN OPS [FOLDER]`` soaks in a new folder (a copy of
``eval/``), each stage a process of its own, and prints what each stage cost and how large it was.
Nothing is asserted: it is for people.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EVAL: Final = Path(__file__).resolve().parents[1]
EVERY_S: Final = 0.25
PARTS: Final = 4


@dataclass(frozen=True)
class Cost:
    """What one stage took."""

    stage: str
    exit_code: int
    wall_s: float
    cpu_s: float
    rss_mib: list[float]

    def line(self) -> str:
        """Return it as a row: resident memory is the most in each quarter of the stage."""
        size = max(1, len(self.rss_mib) // PARTS)
        parts = [self.rss_mib[at : at + size] for at in range(0, size * PARTS, size)]
        shown = " ".join(f"{max(part):7.1f}" for part in parts if part)
        cost = f"{self.wall_s:8.2f} s  {self.cpu_s:8.2f} s"
        return f"{self.stage:8} exit {self.exit_code:2}  {cost}  {shown}"


def measured(stage: str, *arguments: str, cwd: Path) -> Cost:
    """Run one stage and look at its memory while it runs."""
    began_s = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "soakproof", stage, *arguments],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        seen: list[float] = []
        done = threading.Event()
        watcher = threading.Thread(target=watch, args=(process.pid, seen, done))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watcher.join()
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(stage, process.returncode, time.monotonic() - began_s, cpu_s, seen)


def watch(pid: int, seen: list[float], done: threading.Event) -> None:
    """Note the resident memory of a process, in MiB, until it is done."""
    while not done.wait(EVERY_S):
        try:
            status = Path(f"/proc/{pid}/status").read_text("ascii")
        except OSError:
            return
        rows = (row.split() for row in status.splitlines() if row.startswith("VmRSS"))
        seen.extend(int(row[1]) / 1024 for row in rows)


def main(campaign: str, ops: str, folder: str | None = None) -> int:
    """Soak, and print what it cost."""
    root = Path(folder or tempfile.mkdtemp(prefix="library-speed-"))
    shutil.copytree(EVAL, root / "eval", dirs_exist_ok=True)
    costs = [measured("clean", "--campaign", campaign, "--ops", ops, cwd=root)]
    costs += [measured(stage, cwd=root) for stage in ("run", "extract", "gate")]
    print("stage               wall       CPU        resident MiB, the most in each quarter")
    print(*(cost.line() for cost in costs), sep="\n")
    run_id = (root / "_ctx" / "runs" / "latest").read_text().strip()
    metrics = json.loads((root / "_ctx" / "runs" / run_id / "metrics.json").read_text())
    checked, total_s = metrics["answers"]["checked"], costs[1].wall_s + costs[2].wall_s
    print(f"{checked} operations checked in {total_s:.1f} s: {checked / total_s:,.0f} a second")
    print(f"run: {root / '_ctx' / 'runs' / run_id}")
    return costs[-1].exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
