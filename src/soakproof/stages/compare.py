"""The stage ``compare``: what changed between two runs.

Reads plan, run, metrics and verdict of both, from run directories or bundles; writes nothing.
"""

from __future__ import annotations

from pathlib import Path

from soakproof import schema
from soakproof.checks.comparison import Comparison, Side, compare_runs
from soakproof.errors import MissingInput
from soakproof.rundir import Project, RunDir

__all__ = ["compare"]


def compare(project: Project, first: str, second: str) -> Comparison:
    """Compare two runs.

    Args:
        project: the project, to find runs by their ids.
        first: a run's id, or the folder of a run or a bundle.
        second: another.

    Raises:
        MissingInput: there is no such run, or a stage's document is not there.
        InvalidDocument: one is not what its schema asks for.
    """
    one, two = (_load(_find(project, given)) for given in (first, second))
    return compare_runs(one, two)


def _find(project: Project, given: str) -> RunDir:
    folder = Path(given)
    if (folder / "plan.json").is_file():
        return RunDir(folder.resolve())
    try:
        return project.open_stored(given)
    except MissingInput:
        hint = "expected a run's id, or the folder of a run or of a bundle"
        raise MissingInput(given, hint) from None


def _load(run: RunDir) -> Side:
    hint = f"make it with `soakproof {{}} --run-id {run.run_id}`"
    return Side(
        plan=schema.load_json(run.plan, "plan", hint=hint.format("clean")),
        run=schema.load_json(run.run, "run", hint=hint.format("run")),
        metrics=schema.load_json(run.metrics, "metrics", hint=hint.format("extract")),
        verdict=schema.load_json(run.verdict, "verdict", hint=hint.format("gate")),
    )
