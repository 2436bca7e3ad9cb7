"""The stage ``point``: what is special about a soak that is one point of a campaign.

The soak itself is that of the pipeline. Here is what it is asked, how its documents become a
result, and what of its folder stays: nothing of a PASS that is not a sample.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soakproof import schema
from soakproof.fleet.result import Documents, point_result
from soakproof.lines import BadLine, decode_history
from soakproof.model import Verdict
from soakproof.places import Places
from soakproof.rundir import Project, RunDir
from soakproof.workload.settings import ENVIRONMENT

__all__ = ["AskedPoint", "discard", "judged_point", "lighten", "load_point"]


@dataclass(frozen=True, slots=True)
class AskedPoint:
    """A point that is to be soaked.

    Args:
        spec: the document.
        flags: what ``clean`` is given.
        environ: without the settings of soaks: only the spec counts.
        began_s: monotonic time.
    """

    spec: Mapping[str, Any]
    flags: Mapping[str, str | None]
    environ: Mapping[str, str]
    began_s: float


def load_point(path: Path, environ: Mapping[str, str]) -> AskedPoint:
    """Read a point's spec.

    Raises:
        MissingInput: it is not there.
        InvalidDocument: it is not what its schema says.
    """
    spec = schema.load_json(path, "point-plan", hint="it is made by `soakproof campaign`")
    flags = {**spec["flags"], **spec["grid"], "seed": str(spec["seed"])}
    if spec["case"] is not None:  # it says all but which tool is asked, and by which gate
        flags = {name: flags[name] for name in ("gate", "target_command") if name in flags}
        flags["case"] = spec["case"]
    flags["run_id"] = spec["run_id"]
    ours = set(ENVIRONMENT.values())
    left = {name: text for name, text in environ.items() if name not in ours}
    return AskedPoint(spec, flags, left, time.monotonic())


def judged_point(run_dir: RunDir, asked: AskedPoint) -> dict[str, Any]:
    """Return the result of a point whose run was judged; ``run`` is set if its folder is to stay.

    Raises:
        InvalidDocument: a document of the run, or the result, is not what its schema says.
    """
    plan = schema.load_json(run_dir.plan, "plan", hint="")
    # A campaign's folder is not published, so its replay lines name folders as they are.
    replay_argv = Places.load(run_dir).reveal_in(plan["replay_argv"])
    of = Documents(
        plan={**plan, "replay_argv": replay_argv},
        run=schema.load_json(run_dir.run, "run", hint=""),
        metrics=schema.load_json(run_dir.metrics, "metrics", hint=""),
        verdict=schema.load_json(run_dir.verdict, "verdict", hint=""),
    )
    spec = asked.spec
    lines = (line for line in decode_history(run_dir.history) if not isinstance(line, BadLine))
    seconds = time.monotonic() - asked.began_s
    result = point_result(spec["point"], spec, of, lines, seconds=seconds)
    if spec["sample"] or result["verdict"] != Verdict.PASS:
        result["run"] = run_dir.run_id
    schema.check(result, "point-result", spec["point"])
    return result


def discard(project: Project, asked: AskedPoint) -> None:
    """Remove the run's folder; its name belongs to the campaign and to nobody else."""
    path = project.runs / asked.spec["run_id"]
    if path.is_dir():
        shutil.rmtree(path)


def lighten(run_dir: RunDir) -> None:
    """Remove what of a kept run can be made again: the copy of the code, and what passed through.

    History, answers, versions, telemetry, documents and report stay.
    """
    for folder in (run_dir.segment, run_dir.scratch):
        shutil.rmtree(folder, ignore_errors=True)
