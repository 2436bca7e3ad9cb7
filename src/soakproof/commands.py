"""What each command does, once, for the command line and for the Invoke tasks.

A command takes text as it was given, prints results on standard output and returns an exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from soakproof.errors import Interrupted, SoakError
from soakproof.rundir import Project, RunDir

__all__ = ["COMMANDS", "guarded"]

Flags = Mapping[str, str | None]


def guarded(command: Callable[[], int]) -> int:
    """Run a command; turn what it raises on purpose into one line and an exit code."""
    try:
        return command()
    except SoakError as problem:
        print(f"soakproof: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print("soakproof: interrupted", file=sys.stderr)
        return Interrupted.exit_code
    except BrokenPipeError:  # the reader of our output went away; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def clean(flags: Flags) -> int:
    """Plan a new run and prepare its segment; the cache starts empty."""
    from soakproof.stages.clean import clean as stage

    project = Project.find()
    run_dir = stage(project, flags, os.environ)
    print(f"plan: {project.relative(run_dir.plan)}")
    return 0


def anchors(flags: Flags) -> int:
    """Find the lines of the subject's source that the soak relies on."""
    from soakproof.stages.anchors import anchors as stage

    project, run_dir = _opened(flags)
    print(f"anchors: {project.relative(stage(project, run_dir))}")
    return 0


def run(flags: Flags) -> int:
    """Run the plan: real processes, real faults, every step in the history."""
    from soakproof.stages.run import run as stage

    project, run_dir = _opened(flags)
    stage(project, run_dir)
    print(f"history: {project.relative(run_dir.history)}")
    return 0


def extract(flags: Flags) -> int:
    """Count history and telemetry into metrics.json."""
    from soakproof.stages.extract import extract as stage

    project, run_dir = _opened(flags)
    out = Path(given) if (given := flags.get("out")) else None
    path = stage(project, run_dir, out)
    print(f"metrics: {project.relative(path)}")
    return 0


def gate(flags: Flags) -> int:
    """Judge the metrics; ends with the verdict's exit code (0 PASS, 10 FAIL, 11 UNKNOWN)."""
    from soakproof.stages.gate import gate as stage
    from soakproof.stages.gate import judge_file

    project = Project.find()
    other = Path(given) if (given := flags.get("gate")) else None
    if metrics := flags.get("in"):
        default = project.root / "eval" / "gates" / "ast_cache.toml"
        verdict = judge_file(Path(metrics), other or default)
    else:
        verdict = stage(_opened(flags)[1], other)
    _show(verdict)
    return int(verdict["exit_code"])


def record(flags: Flags) -> int:
    """Put log, metrics and report into the record, and close the work order of a PASS."""
    from soakproof.stages.record import record as stage

    project, run_dir = _opened(flags)
    result = stage(project, run_dir, allow_dirty=bool(flags.get("allow_dirty")))
    _show_record(project, run_dir, result)
    return 0


def everything(flags: Flags) -> int:
    """Run all stages: clean, anchors, run, extract, gate, record."""
    from soakproof.pipeline import soak

    project = Project.find()
    soaked = soak(project, flags, os.environ, allow_dirty=bool(flags.get("allow_dirty")))
    _show_record(project, soaked.run_dir, soaked.recorded)
    _show(soaked.verdict)
    return int(soaked.verdict["exit_code"])


COMMANDS: Mapping[str, Callable[[Flags], int]] = {
    "all": everything,
    "clean": clean,
    "anchors": anchors,
    "run": run,
    "extract": extract,
    "gate": gate,
    "record": record,
}
"""Command → what it does."""


def _opened(flags: Flags) -> tuple[Project, RunDir]:
    """Return the run of ``--run-id`` or ``RUN_ID``, else the latest."""
    project = Project.find()
    return project, project.open_run(flags.get("run_id") or os.environ.get("RUN_ID") or None)


def _show(verdict: dict[str, Any]) -> None:
    from soakproof.report.terminal import verdict_lines

    print(verdict_lines(verdict), flush=True)


def _show_record(project: Project, run_dir: RunDir, result: Any) -> None:  # noqa: ANN401
    from soakproof.report.terminal import summary_lines

    print(summary_lines(result))

