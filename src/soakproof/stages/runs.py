"""List the runs that are stored under ``_ctx/runs``: no stage, it writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from soakproof.rundir import Project, RunDir

__all__ = ["stored_runs"]


def stored_runs(project: Project) -> list[dict[str, Any]]:
    """Return a row for each run, the oldest first; what a run does not say yet is ``None``.

    A document that cannot be read makes its fields ``None`` and its run's ``problem`` a sentence:
    a list of runs must not end at a broken one.
    """
    if not project.runs.is_dir():
        return []
    folders = [path for path in project.runs.iterdir() if (path / "plan.json").exists()]
    rows = [_row(project, RunDir(path)) for path in folders]
    return sorted(rows, key=lambda row: (row["time"] or "", row["run_id"]))


def _row(project: Project, run: RunDir) -> dict[str, Any]:
    problems: list[str] = []
    plan = _read(run.plan, problems)
    metrics = _read(run.metrics, problems)
    verdict = _read(run.verdict, problems)
    settings = _at(plan, "settings")
    return {
        "run_id": run.run_id,
        "time": _at(plan, "created_at_utc"),
        "campaign": _at(_at(plan, "campaign"), "name"),
        "seed": _at(_at(settings, "seed"), "value"),
        "ops_planned": _at(_at(settings, "ops"), "value"),
        "ops_total": _at(_at(metrics, "ops"), "ops_total"),
        "verdict": _at(verdict, "verdict"),
        "path": project.relative(run.path),
        "report": project.relative(run.report) if run.report.exists() else None,
        "problem": "; ".join(problems) or None,
    }


def _read(path: Path, problems: list[str]) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        problems.append(f"{path.name}: {problem}")
        return None


def _at(document: Any, key: str) -> Any:  # noqa: ANN401 - any JSON value
    return document.get(key) if isinstance(document, dict) else None
