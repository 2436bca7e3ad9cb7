"""What each command does, once, for the command line and for the Invoke tasks.

A command takes text as it was given, prints results on standard output and returns an exit code.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from soakproof.errors import Interrupted, MissingInput, SoakError, UsageError
from soakproof.rundir import Project, RunDir, as_json

if TYPE_CHECKING:
    from soakproof.pipeline import Soaked
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


def expect(flags: Flags) -> int:
    """Ask the oracle (the same command without its cache) what the right answers were."""
    from soakproof.stages.expect import expect as stage

    project, run_dir = _opened(flags)
    asked = stage(project, run_dir)
    if asked.path is None:
        print("expected: the target has no oracle")
    else:
        print(f"expected: {project.relative(asked.path)} ({asked.questions} questions)")
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
    for name, place in _places(project, run_dir, result).items():
        print(f"{name}: {place}")
    return 0


def everything(flags: Flags) -> int:
    """Run all stages: clean, anchors, run, expect, extract, gate, record."""
    from soakproof.pipeline import soak, trial
    from soakproof.report.terminal import summary_lines

    project = Project.find()
    if flags.get("no_record"):
        run_dir, verdict = trial(project, flags, os.environ)
        places = {"run": project.relative(run_dir.path)}
        print(summary_lines(verdict, places, **_screen()), flush=True)
        return int(verdict["exit_code"])
    return _soaked(
        project, soak(project, flags, os.environ, allow_dirty=bool(flags.get("allow_dirty")))
    )


def replay(flags: Flags) -> int:
    """Repeat an earlier run: the same plan, in a run of its own, with all stages."""
    from soakproof.pipeline import soak
    from soakproof.stages.replay import find_run

    project = Project.find()
    like = find_run(project, str(flags["run"]))
    dirty = bool(flags.get("allow_dirty"))
    return _soaked(project, soak(project, flags, os.environ, allow_dirty=dirty, like=like))


def repeat(flags: Flags) -> int:
    """Soak with many seeds; ends with the composed verdict, or 12 if a verdict is not stable."""
    from soakproof.stages.repeat import repeat as stage

    done = stage(Project.find(), flags, os.environ, lambda one: print(one.line(), flush=True))
    print(done.line())
    return done.exit_code


def history(flags: Flags) -> int:
    """Print a run's history for a person, whole or in part."""
    from soakproof.lines import BadLine, decode_history
    from soakproof.report.history_text import Choice, choose, tell

    _, run_dir = _opened(flags)
    if not run_dir.history.exists():
        raise MissingInput(run_dir.history, "make it with `soakproof run`")
    decoded = list(decode_history(run_dir.history))
    known = [line for line in decoded if not isinstance(line, BadLine)]
    around = flags.get("around")
    try:
        around_s = None if around is None else float(around.removesuffix("s"))
    except ValueError:
        message = f"--around: expected seconds since the run began, such as 12.5, found {around!r}"
        raise UsageError(message) from None
    choice = Choice(flags.get("key"), flags.get("op"), around_s, flags.get("fault"))
    for text in tell(choose(known, choice), known[0].mono_ns if known else 0):
        print(text)
    for one in decoded:
        if isinstance(one, BadLine):
            print(f"line {one.line} cannot be read: {one.reason}", file=sys.stderr)
    return 0


def selftest(flags: Flags) -> int:
    """Soak planted defects; ends with 10 unless each is caught, for its reason."""
    import json

    from soakproof.report.panel import panel_lines, row_line
    from soakproof.stages.selftest import selftest as stage

    project = Project.find()
    told = stage(
        project, flags, os.environ, lambda score: print(row_line(score.document()), file=sys.stderr)
    )
    if flags.get("json"):
        print(json.dumps(told.document, ensure_ascii=False, indent=2))
    else:
        print(panel_lines(told.document, **_screen()))
        if told.path is not None:
            print(f"score: {project.relative(told.path)}")
    return int(told.document["exit_code"])


def verify(flags: Flags) -> int:
    """Check an evidence bundle independently, from its raw lines to its verdict and signature."""
    from soakproof.stages.verify import find_bundle, verified_document, verified_lines
    from soakproof.stages.verify import verify as stage

    key = Path(given) if (given := flags.get("public_key")) else None
    verified = stage(find_bundle(Project.find(), str(flags["bundle"])), key)
    if flags.get("json"):
        print(as_json(verified_document(verified)).decode(), end="")
    else:
        print("\n".join(verified_lines(verified)))
    return verified.exit_code


COMMANDS: Mapping[str, Callable[[Flags], int]] = {
    "all": everything,
    "clean": clean,
    "anchors": anchors,
    "run": run,
    "expect": expect,
    "extract": extract,
    "gate": gate,
    "record": record,
    "history": history,
    "selftest": selftest,
    "repeat": repeat,
    "replay": replay,
    "verify": verify,
}
"""Command → what it does."""


def _opened(flags: Flags) -> tuple[Project, RunDir]:
    """Return the run of ``--run-id`` or ``RUN_ID``, else the latest."""
    project = Project.find()
    return project, project.open_run(flags.get("run_id") or os.environ.get("RUN_ID") or None)


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


def _soaked(project: Project, soaked: Soaked) -> int:
    from soakproof.report.terminal import summary_lines

    places = _places(project, soaked.run_dir, soaked.recorded)
    print(summary_lines(soaked.verdict, places, **_screen()), flush=True)
    return int(soaked.verdict["exit_code"])


def _places(project: Project, run_dir: RunDir, result: RecordResult) -> dict[str, str]:
    places = {
        "run": project.relative(run_dir.path),
        "metrics": project.relative(result.metrics_path),
        "log": project.relative(result.log_path),
        "report": project.relative(result.report_path),
        "evidence": f"{project.relative(result.bundle_path)} ({_signed(result)})",
    }
    if result.work_order is not None:
        state = "closed" if result.closed else f"not closed: {result.why_not_closed}"
        places["work order"] = f"{result.work_order} {state}"
    return places


def _signed(result: RecordResult) -> str:
    return "unsigned" if result.signed_by is None else f"signed by {result.signed_by[:12]}"
