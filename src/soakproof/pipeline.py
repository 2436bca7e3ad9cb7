"""The stages in their order; the only place that knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof import schema
from soakproof.rundir import Project, RunDir, write_json
from soakproof.stages.anchors import anchors
from soakproof.stages.campaign import Campaigned, campaign
from soakproof.stages.clean import clean
from soakproof.stages.expect import expect
from soakproof.stages.extract import extract
from soakproof.stages.gate import gate
from soakproof.stages.point import discard, judged_point, lighten, load_point
from soakproof.stages.record import RecordResult, record
from soakproof.stages.replay import same_plan, same_python, settings_of
from soakproof.stages.report import report
from soakproof.stages.run import run
from soakproof.stages.shrink import shrink

__all__ = ["Soaked", "again", "campaign_and_cases", "load_all", "one_point", "soak", "trial"]


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a whole soak left.

    Args:
        run_dir: the run.
        verdict: the verdict document.
        recorded: what was recorded, and whether the work order was closed.
    """

    run_dir: RunDir
    verdict: dict[str, Any]
    recorded: RecordResult


def soak(
    project: Project,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    *,
    allow_dirty: bool = False,
    like: RunDir | None = None,
) -> Soaked:
    """Run clean → anchors → run → expect → extract → gate → report → record.

    Args:
        project: where all is recorded.
        flags: text as given, by name.
        environ: the environment.
        allow_dirty: close the work order from a dirty tree.
        like: an earlier run whose plan is repeated; flags and environment say nothing then but the
            run's name.

    Raises:
        SoakError: as the stages do; what was done before is on disk.
        EvidenceBroken: it is not the same plan.
    """
    run_dir = clean(project, flags, environ) if like is None else again(project, like, flags)
    anchors(project, run_dir)
    run(project, run_dir)
    expect(project, run_dir)
    extract(project, run_dir)
    verdict = gate(run_dir)
    report(run_dir, environ)
    return Soaked(run_dir, verdict, record(project, run_dir, allow_dirty=allow_dirty))


def trial(
    project: Project,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    *,
    like: RunDir | None = None,
) -> tuple[RunDir, dict[str, Any]]:
    """Run clean → run → expect → extract → gate and leave nothing outside the run's folder.

    Args:
        project: takes the run.
        flags: text as given, by name.
        environ: the environment.
        like: an earlier run whose plan is repeated.

    Returns:
        The run and its verdict document.

    Raises:
        SoakError: as the stages do; what was done before is on disk.
    """
    run_dir = clean(project, flags, environ) if like is None else again(project, like, flags)
    run(project, run_dir)
    expect(project, run_dir)
    extract(project, run_dir, run_dir.metrics)
    return run_dir, gate(run_dir)


def one_point(project: Project, spec_path: Path, out: Path, environ: Mapping[str, str]) -> str:
    """Soak one point of a campaign, write its result, and keep of the run what is worth it.

    Args:
        project: takes the run's folder.
        spec_path: what to soak.
        out: takes the result; it is there only when the point is done.
        environ: the environment; its settings of soaks say nothing here.

    Returns:
        The point's verdict.

    Raises:
        SoakError: as the stages do; then there is no result.
    """
    asked = load_point(spec_path, environ)
    discard(project, asked)  # of an attempt that was killed
    run_dir = clean(project, asked.flags, asked.environ)
    run(project, run_dir)
    expect(project, run_dir)
    extract(project, run_dir, run_dir.metrics)
    gate(run_dir)
    result = judged_point(run_dir, asked)
    if result["run"] is None:
        discard(project, asked)
    else:
        report(run_dir, {})
        lighten(run_dir)
    write_json(out, result)
    return str(result["verdict"])


_OF_A_POINT: Final = (
    "campaign",
    "gate",
    "metrics",
    "places",
    "plan",
    "point-plan",
    "point-result",
    "run",
    "target",
    "verdict",
)
"""Schemas that every point holds its documents against."""


def load_all() -> None:
    """Load now what a point would load later: for a process that others are forked from."""
    for name in _OF_A_POINT:
        schema.validator(name)


def campaign_and_cases(
    project: Project,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    tell: Callable[[str], None],
) -> Campaigned:
    """Soak a campaign; with ``shrink``, make a case of each sort of failure, and soak that, too.

    Args:
        project: keeps all of it.
        flags: of the campaign; text as given.
        environ: the environment.
        tell: is told of each case.

    Raises:
        SoakError: as the stages do; what is done is done.
    """
    done = campaign(project, flags, environ)
    if not flags.get("shrink"):
        return done
    groups = sorted(done.summary["failures"], key=lambda group: not group["explanation"])
    seen: set[str] = {group["run"] for group in groups if group["case"]}
    for group in groups:  # one case a run: what a counter-example explains comes first
        if group["run"] is None or group["run"] in seen or group["case"]:
            continue
        seen.add(group["run"])
        asked = {"criterion": group["criterion"], "jobs": flags.get("jobs")}
        shrunk = shrink(project, RunDir(project.runs / group["run"]), asked, environ, tell)
        shown = "" if shrunk.path is None else project.relative(shrunk.path)
        for line in shrunk.lines(shown):
            tell(line)
    return campaign(project, flags, environ)  # what is done is not done again; the cases are new


def again(project: Project, like: RunDir, flags: Mapping[str, str | None]) -> RunDir:
    """Plan an earlier run again, in a run of its own, and see that it is the same plan.

    Raises:
        UsageError: another Python has another standard library.
        EvidenceBroken: the plan is not the same; both are on disk.
    """
    same_python(like)
    settings = {**settings_of(like), "run_id": flags.get("run_id")}
    settings["target_command"] = flags.get("target_command") or settings["target_command"]
    run_dir = clean(project, settings, {}, like=like)
    same_plan(like, run_dir)
    return run_dir
