"""The stages in their order; the only place that knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soakproof.rundir import Project, RunDir
from soakproof.stages.anchors import anchors
from soakproof.stages.clean import clean
from soakproof.stages.expect import expect
from soakproof.stages.extract import extract
from soakproof.stages.gate import gate
from soakproof.stages.record import RecordResult, record
from soakproof.stages.run import run

__all__ = ["Soaked", "soak"]


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
) -> Soaked:
    """Run clean → anchors → run → expect → extract → gate → record.

    Raises:
        SoakError: as the stages do; what was done before is on disk.
    """
    run_dir = clean(project, flags, environ)
    anchors(project, run_dir)
    run(project, run_dir)
    expect(project, run_dir)
    extract(project, run_dir)
    verdict = gate(run_dir)
    return Soaked(run_dir, verdict, record(project, run_dir, allow_dirty=allow_dirty))
