"""What each command does, once, for the command line and for the Invoke tasks.

A command takes text as it was given, prints results on standard output and returns an exit code.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from soakproof.errors import MissingInput, UsageError
from soakproof.guarded import guarded
from soakproof.rotation.reading import is_there
from soakproof.rundir import Project, RunDir, as_json

if TYPE_CHECKING:
    from soakproof.stages.record import RecordResult

__all__ = ["COMMANDS"]

Flags = Mapping[str, str | None]

_PLAIN_COLUMNS: Final = 120
"""Width of tables in logs and pipes: the same whoever asks."""


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


def expect(flags: Flags) -> int:
    """Ask the oracle (the same command without its cache) what the right answers were."""
    from soakproof.stages.expect import expect as stage

    project, run_dir = _opened(flags)
    asked = stage(project, run_dir)
    where = "the target has no oracle"
    if asked.path is not None:
        unanswered = f", {asked.unanswered} without an answer" if asked.unanswered else ""
        where = f"{project.relative(asked.path)} ({asked.questions} questions{unanswered})"
    _tell(flags, {"expected": where})
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
        run_dir = project.open_stored(flags.get("run_id") or os.environ.get("RUN_ID") or None)
        stored = run_dir.path.parent == project.evidence  # a bundle is judged and left alone
        verdict = (
            judge_file(run_dir.metrics, other or run_dir.gate) if stored else stage(run_dir, other)
        )
    if flags.get("json"):
        print(as_json(verdict).decode(), end="")
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
    """Run all stages: clean, anchors, run, expect, extract, gate, report, record."""
    from soakproof.pipeline import soak, trial

    project = Project.find()
    if flags.get("no_record"):
        run_dir, verdict = trial(project, flags, os.environ)
        return _told(flags, verdict, {"run": project.relative(run_dir.path)})
    soaked = soak(project, flags, os.environ, allow_dirty=bool(flags.get("allow_dirty")))
    places = _places(project, soaked.run_dir, soaked.recorded)
    return _told(flags, soaked.verdict, places)


def replay(flags: Flags) -> int:
    """Repeat an earlier run, or soak a case: the same plan, in a run of its own."""
    from soakproof.pipeline import soak, trial
    from soakproof.stages.replay import find_run
    from soakproof.workload.settings import ENVIRONMENT

    project = Project.find()
    name = str(flags["run"])
    like = None if Path(name).is_file() else find_run(project, name)
    given = {part: flags.get(part) for part in ("run_id", "target_command")}
    given |= {"case": name} if like is None else {}
    # Only the plan, or the case, says what is soaked: no setting of the environment.
    left = {key: text for key, text in os.environ.items() if key not in ENVIRONMENT.values()}
    if flags.get("no_record"):
        run_dir, verdict = trial(project, given, left, like=like)
        return _told(flags, verdict, {"run": project.relative(run_dir.path)})
    dirty = bool(flags.get("allow_dirty"))
    soaked = soak(project, given, left, allow_dirty=dirty, like=like)
    return _told(flags, soaked.verdict, _places(project, soaked.run_dir, soaked.recorded))


def repeat(flags: Flags) -> int:
    """Soak with many seeds; ends with the composed verdict, or 12 if a verdict is not stable."""
    from soakproof.stages.repeat import repeat as stage

    stream = sys.stderr if flags.get("json") else sys.stdout
    done = stage(
        Project.find(), flags, os.environ, lambda one: print(one.line(), file=stream, flush=True)
    )
    if flags.get("json"):
        print(json.dumps(done.document(), ensure_ascii=False))
    else:
        print(done.line())
    return done.exit_code


def campaign(flags: Flags) -> int:
    """Soak seeds times a grid, each point once however often it is interrupted, and sum up."""
    from soakproof.pipeline import campaign_and_cases
    from soakproof.report.campaign import campaign_lines

    project = Project.find()
    done = campaign_and_cases(project, flags, os.environ, _whisper)
    report, page = (project.relative(path) for path in (done.book.report, done.book.page))
    lines = campaign_lines(done.summary, report, page)
    _print(flags, done.summary, lines)
    return int(done.summary["exit_code"])


def shrink(flags: Flags) -> int:
    """Make a run that failed into the smallest case that fails the same way."""
    from soakproof.stages.replay import find_run
    from soakproof.stages.shrink import shrink as stage

    project = Project.find()
    done = stage(
        project,
        find_run(project, str(flags["run"])),
        flags,
        os.environ,
        _whisper,
    )
    shown = "" if done.path is None else project.relative(done.path)
    _print(flags, {"case": shown or None, "soaks": done.soaks, **done.document}, done.lines(shown))
    return done.exit_code


def point(flags: Flags) -> int:
    """Soak one point of a campaign and write its result; for those that do a campaign's work."""
    from soakproof.pipeline import one_point

    if not flags.get("out"):
        raise UsageError("--out: expected the file that takes the result, found nothing")
    out = Path(str(flags["out"]))
    verdict = one_point(Project.find(), Path(str(flags["spec"])), out, os.environ)
    _tell(flags, {"verdict": verdict, "result": str(out)})
    return 0


def points(_flags: Flags) -> int:
    """Soak points as they are asked for on standard input, each in a process forked from this."""
    from soakproof.fleet.point_server import serve_points
    from soakproof.pipeline import load_all, one_point

    load_all()

    def soak(spec: str, out: str) -> int:
        def soaked() -> int:
            one_point(Project.find(), Path(spec), Path(out), os.environ)
            return 0

        return guarded(soaked)

    return serve_points(soak)


def history(flags: Flags) -> int:
    """Print a run's history for a person, whole or in part."""
    from soakproof.lines import BadLine, decode_history
    from soakproof.report.history_text import Choice, choose, tell

    _, run_dir = _opened(flags)
    if not is_there(run_dir.history):
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
    chosen = choose(known, choice)
    if flags.get("json"):
        for line in chosen:
            print(as_json(line, compact=True).decode(), end="")
    else:
        print(*tell(chosen, known[0].mono_ns if known else 0), sep="\n")
    for one in decoded:
        if isinstance(one, BadLine):
            print(f"line {one.line} cannot be read: {one.reason}", file=sys.stderr)
    return 0


def tally(flags: Flags) -> int:
    """Count lines of history and telemetry, however many; exit 10 where one cannot be read."""
    from soakproof.bulk.document import exit_code, lines
    from soakproof.stages.tally import tally as stage
    from soakproof.stages.tally import tally_run

    jobs, out = flags.get("jobs"), Path(given) if (given := flags.get("out")) else None
    if files := shlex.split(flags.get("files") or ""):
        if flags.get("run_id"):
            raise UsageError("tally: expected files or --run-id, found both; leave one of them out")
        told = stage(files, jobs, out)
    else:
        project, run_dir = _opened(flags)
        told = tally_run(project, run_dir, jobs, out)
    _print(flags, told, lines(told))
    return exit_code(told)


def follow(flags: Flags) -> int:
    """Watch a run while it lasts, and warn of anomalies as they come; exit 10 if there were any."""
    from soakproof.checks.anomalies import Anomaly
    from soakproof.stages.follow import Followed
    from soakproof.stages.follow import follow as stage

    def tell(anomaly: Anomaly) -> None:
        shown = as_json(anomaly, compact=True).decode() if flags.get("json") else anomaly.line()
        print(shown.rstrip("\n"), flush=True)

    _, run_dir = _opened(flags)
    seen = Followed()
    try:
        _whisper(f"following {run_dir.run_id} until it ends, or Ctrl-C")
        stage(run_dir, tell, seen)
    finally:
        _whisper(seen.line())
    return seen.exit_code


def export(flags: Flags) -> int:
    """Write a run's operations, faults, samples and telemetry as tables: Parquet, CSV, DuckDB."""
    from soakproof.stages.export import export as stage
    from soakproof.stages.replay import find_run

    if not flags.get("to"):
        raise UsageError("--to: expected the file that takes the tables, found nothing")
    project = Project.find()
    written = stage(find_run(project, str(flags["run"])), Path(str(flags["to"])))
    _tell(flags, {path.name: str(path) for path in written})
    return 0


def selftest(flags: Flags) -> int:
    """Soak planted defects; ends with 10 unless each is caught, for its reason."""
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


def matrix(flags: Flags) -> int:
    """Ask real tools in pinned versions what their caches keep; 10: not what is known of them."""
    from soakproof.report.matrix import cell_line, row_lines
    from soakproof.stages.matrix import matrix as stage

    project = Project.find()
    told = stage(
        project,
        flags,
        os.environ,
        lambda name, cell: print(f"{name} {cell_line(cell.document())}", file=sys.stderr),
    )
    if flags.get("json"):
        print(json.dumps(told.rows, ensure_ascii=False, indent=2))
    else:
        for row in told.rows:
            print(*row_lines(row), sep="\n")
        for path in told.written:
            print(f"table: {project.relative(path)}")
    return told.exit_code


def deep(flags: Flags) -> int:
    """Let faults meet single system calls, and open every state that a crash can leave."""
    from soakproof.report.deep_tables import deep_lines
    from soakproof.stages.deep import deep as stage

    project = Project.find()
    told = stage(project, flags, os.environ, lambda line: print(line, file=sys.stderr, flush=True))
    if flags.get("json"):
        print(json.dumps(told.document, ensure_ascii=False, indent=2))
    else:
        print(deep_lines(told.document, **_screen()))
        print(f"result: {project.relative(told.published or told.path)}")
    return int(told.document["exit_code"])


def verify(flags: Flags) -> int:
    """Check an evidence bundle independently, from its raw lines to its verdict and signature."""
    from soakproof.stages.verify import find_bundle, verified_document, verified_lines
    from soakproof.stages.verify import verify as stage

    key = Path(given) if (given := flags.get("public_key")) else None
    verified = stage(find_bundle(Project.find(), str(flags["bundle"])), key)
    _print(flags, verified_document(verified), verified_lines(verified))
    return verified.exit_code


def compare(flags: Flags) -> int:
    """Show what changed between two runs outside noise; exit 10: something did."""
    from soakproof.checks.comparison import compared_document, compared_lines
    from soakproof.stages.compare import compare as stage

    found = stage(Project.find(), str(flags["first"]), str(flags["second"]))
    _print(flags, compared_document(found), compared_lines(found))
    return found.exit_code


def workorder(flags: Flags) -> int:
    """Show where work orders stand; exit 12: the evidence of a closed one is broken."""
    from soakproof.stages.work_orders import (
        order_lines,
        orders_document,
        orders_exit_code,
        status,
    )

    key = Path(given) if (given := flags.get("public_key")) else None
    states = status(Project.find(), flags.get("order") or None, key)
    _print(flags, orders_document(states), order_lines(states))
    return orders_exit_code(states)


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


def conform(flags: Flags) -> int:
    """Check whether a worker keeps to the protocol; ends with 10 where it does not."""
    from soakproof.stages.conform import conform as stage
    from soakproof.targets.command import resolve_command

    try:
        given = shlex.split(str(flags.get("worker") or ""))
    except ValueError as problem:
        raise UsageError(f"conform: expected a command line, found {problem}") from None
    if not given:
        raise UsageError("conform: expected the command line of a worker, found none")
    found = stage(resolve_command(given, "conform"))
    _print(flags, found.document(), found.lines())
    return found.exit_code


def init(flags: Flags) -> int:
    """Begin in a project: a commented target, campaign and gate; nothing is overwritten."""
    from soakproof.stages.init import init as stage

    begun = stage(Path(flags.get("folder") or "."))
    if flags.get("json"):
        print(json.dumps({"wrote": begun.wrote, "left_alone": list(begun.left_alone)}))
        return 0
    for path in begun.wrote:
        print(f"wrote       {path}")
    for path in begun.left_alone:
        print(f"left alone  {path} (it is there)")
    for path in ("tasks.py", "noxfile.py"):
        if path in begun.left_alone:
            print(f"\nto soak from {path}, it needs:\n\n{begun.left_alone[path]}", end="")
    return 0


COMMANDS: Mapping[str, Callable[[Flags], int]] = {
    "all": everything,
    "clean": clean,
    "anchors": anchors,
    "run": run,
    "expect": expect,
    "extract": extract,
    "gate": gate,
    "report": report,
    "record": record,
    "history": history,
    "tally": tally,
    "follow": follow,
    "export": export,
    "selftest": selftest,
    "matrix": matrix,
    "deep": deep,
    "repeat": repeat,
    "campaign": campaign,
    "shrink": shrink,
    "point": point,
    "points": points,
    "replay": replay,
    "verify": verify,
    "compare": compare,
    "workorder": workorder,
    "runs": runs,
    "open": open_report,
    "conform": conform,
    "init": init,
}
"""Command → what it does."""


def _opened(flags: Flags) -> tuple[Project, RunDir]:
    """Return the run of ``--run-id`` or ``RUN_ID``, else the latest."""
    project = Project.find()
    return project, project.open_run(flags.get("run_id") or os.environ.get("RUN_ID") or None)


def _whisper(line: str) -> None:
    """Say how it goes; results go to standard output."""
    print(line, file=sys.stderr, flush=True)


def _print(flags: Flags, document: dict[str, Any], lines: list[str]) -> None:
    """Print a result: for machines with ``--json``, else for people."""
    print(as_json(document).decode().rstrip("\n") if flags.get("json") else "\n".join(lines))


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


def _told(flags: Flags, verdict: Mapping[str, Any], places: Mapping[str, str]) -> int:
    """Print what a whole soak left; its verdict's exit code."""
    from soakproof.report.terminal import summary_lines

    if flags.get("json"):
        print(json.dumps({"verdict": verdict, "places": places}, ensure_ascii=False))
    else:
        print(summary_lines(verdict, places, **_screen()), flush=True)
    return int(verdict["exit_code"])


def _places(project: Project, run_dir: RunDir, result: RecordResult) -> dict[str, str]:
    places = {
        "run": project.relative(run_dir.path),
        "metrics": project.relative(result.metrics_path),
        "log": project.relative(result.log_path),
        "report": project.relative(result.report_path),
        "evidence": f"{project.relative(result.bundle_path)} ({_signed(result)})",
    }
    if run_dir.report.exists():
        places["page"] = project.relative(run_dir.report)
    if result.work_order is not None:
        state = "closed" if result.closed else f"not closed: {result.why_not_closed}"
        places["work order"] = f"{result.work_order} {state}"
    return places


def _signed(result: RecordResult) -> str:
    return "unsigned" if result.signed_by is None else f"signed by {result.signed_by[:12]}"
