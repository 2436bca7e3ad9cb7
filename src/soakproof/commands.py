"""What each command does, once, for the command line and for the Invoke tasks.

A command takes text as it was given, prints results on standard output and returns an exit code.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from soakproof.errors import Interrupted, MissingInput, SoakError
from soakproof.rundir import Project, RunDir

if TYPE_CHECKING:
    from soakproof.stages.record import RecordResult

__all__ = ["COMMANDS", "guarded"]

Flags = Mapping[str, str | None]

_PLAIN_COLUMNS: Final = 120
"""Width of tables in logs and pipes: the same whoever asks."""


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
    _tell(flags, {"plan": project.relative(run_dir.plan)})
    return 0


def anchors(flags: Flags) -> int:
    """Find the lines of the subject's source that the soak relies on."""
    from soakproof.stages.anchors import anchors as stage

    project, run_dir = _opened(flags)
    _tell(flags, {"anchors": project.relative(stage(project, run_dir))})
    return 0


def run(flags: Flags) -> int:
    """Run the plan: real processes, real faults, every step in the history."""
    from soakproof.stages.run import run as stage

    project, run_dir = _opened(flags)
    stage(project, run_dir)
    _tell(flags, {"history": project.relative(run_dir.history)})
    return 0


def extract(flags: Flags) -> int:
    """Count history and telemetry into metrics.json."""
    from soakproof.stages.extract import extract as stage

    project, run_dir = _opened(flags)
    out = Path(given) if (given := flags.get("out")) else None
    path = stage(project, run_dir, out)
    _tell(flags, {"metrics": project.relative(path)})
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
    if flags.get("json"):
        print(json.dumps(verdict, ensure_ascii=False, indent=2))
    else:
        _show(verdict)
    return int(verdict["exit_code"])


def report(flags: Flags) -> int:
    """Draw the report: one HTML file, Markdown, pictures, JUnit XML."""
    from soakproof.stages.report import report as stage

    project, run_dir = _opened(flags)
    written = stage(run_dir, os.environ)
    _tell(flags, {name: project.relative(path) for name, path in written.items()})
    return 0


def record(flags: Flags) -> int:
    """Put log, metrics and report into the record, and close the work order of a PASS."""
    from soakproof.stages.record import record as stage

    project, run_dir = _opened(flags)
    result = stage(project, run_dir, allow_dirty=bool(flags.get("allow_dirty")))
    _tell(flags, _places(project, run_dir, result))
    return 0


def everything(flags: Flags) -> int:
    """Run all stages: clean, anchors, run, extract, gate, report, record."""
    from soakproof.pipeline import soak
    from soakproof.report.terminal import summary_lines

    project = Project.find()
    soaked = soak(project, flags, os.environ, allow_dirty=bool(flags.get("allow_dirty")))
    places = _places(project, soaked.run_dir, soaked.recorded)
    if flags.get("json"):
        print(json.dumps({"verdict": soaked.verdict, "places": places}, ensure_ascii=False))
    else:
        print(summary_lines(soaked.verdict, places, **_screen()), flush=True)
    return int(soaked.verdict["exit_code"])


def runs(flags: Flags) -> int:
    """List the stored runs: time, campaign, seed, operations, verdict."""
    from soakproof.report.terminal import runs_table
    from soakproof.stages.runs import stored_runs

    rows = stored_runs(Project.find())
    if flags.get("json"):
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        print(runs_table(rows, **_screen()), end="", flush=True)
    return 0


def open_report(flags: Flags) -> int:
    """Open a run's report in the browser; without one, say where the report is."""
    import webbrowser

    project, run_dir = _opened(flags)
    if not run_dir.report.exists():
        hint = f"make it with `soakproof report --run-id {run_dir.run_id}`"
        raise MissingInput(run_dir.report, hint)
    _tell(flags, {"report": project.relative(run_dir.report)})
    try:
        webbrowser.get()
    except webbrowser.Error:
        print("soakproof: no browser found here: open the file yourself", file=sys.stderr)
        return 0
    webbrowser.open(run_dir.report.as_uri())
    return 0


COMMANDS: Mapping[str, Callable[[Flags], int]] = {
    "all": everything,
    "clean": clean,
    "anchors": anchors,
    "run": run,
    "extract": extract,
    "gate": gate,
    "report": report,
    "record": record,
    "runs": runs,
    "open": open_report,
}
"""Command → what it does."""


def _opened(flags: Flags) -> tuple[Project, RunDir]:
    """Return the run of ``--run-id`` or ``RUN_ID``, else the latest."""
    project = Project.find()
    return project, project.open_run(flags.get("run_id") or os.environ.get("RUN_ID") or None)


def _tell(flags: Flags, places: Mapping[str, str]) -> None:
    """Print what is where: a line each, or one JSON object."""
    if flags.get("json"):
        print(json.dumps(places, ensure_ascii=False))
        return
    for name, place in places.items():
        print(f"{name}: {place}")


def _show(verdict: dict[str, Any]) -> None:
    from soakproof.report.terminal import verdict_lines

    print(verdict_lines(verdict, **_screen()), flush=True)


class _Screen(TypedDict):
    width: int
    colour: bool


def _screen() -> _Screen:
    """Return how wide the table may be, and whether in colour: only on a terminal."""
    if sys.stdout.isatty():
        return {"width": shutil.get_terminal_size().columns, "colour": "NO_COLOR" not in os.environ}
    return {"width": _PLAIN_COLUMNS, "colour": False}


def _places(project: Project, run_dir: RunDir, result: RecordResult) -> dict[str, str]:
    places = {
        "run": project.relative(run_dir.path),
        "metrics": project.relative(result.metrics_path),
        "log": project.relative(result.log_path),
        "report": project.relative(result.report_path),
    }
    if run_dir.report.exists():
        places["page"] = project.relative(run_dir.report)
    if result.work_order is not None:
        state = "closed" if result.closed else f"not closed: {result.why_not_closed}"
        places["work order"] = f"{result.work_order} {state}"
    return places
