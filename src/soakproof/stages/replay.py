"""The stage ``replay``: what of an earlier plan is given again, and whether it came out the same.

Reads the earlier ``plan.json`` and, once it is made, the new one; writes nothing.
"""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soakproof.errors import EvidenceBroken, MissingInput, UsageError
from soakproof.model import Source
from soakproof.places import reveal_plan
from soakproof.rundir import Project, RunDir
from soakproof.schema import load_json

__all__ = ["find_run", "same_plan", "same_python", "settings_of"]


def find_run(project: Project, name: str) -> RunDir:
    """Return the run of a folder or of an id.

    Raises:
        MissingInput: there is none.
    """
    run = RunDir(Path(name).resolve())
    if run.plan.is_file():
        return run
    if "/" in name:
        raise MissingInput(run.plan, "expected a run's folder, or the id of a run")
    return project.open_run(name)


def settings_of(like: RunDir) -> dict[str, str | None]:
    """Return what has to be given as flags so that a run is planned as an earlier one was."""
    plan = reveal_plan(like, _plan(like))
    settings: dict[str, Any] = {name: one["value"] for name, one in plan["settings"].items()}
    command = plan["settings"]["target_command"]
    by_flag = command["source"] == Source.FLAG
    duration_s = settings["duration_s"]
    return {
        "ops": None if settings["ops"] is None else str(settings["ops"]),
        "duration": None if duration_s is None else f"{duration_s!r}s",
        "workers": str(settings["workers"]),
        "seed": str(settings["seed"]),
        "campaign": plan["campaign_path"],
        "faults": settings.get("faults"),
        "part_bytes": _given(plan, "part_bytes"),
        "target_command": shlex.join(command["value"]) if by_flag else None,
    }


def _given(plan: Mapping[str, Any], name: str) -> str | None:
    """Return a setting that was given by a flag, as it was given."""
    setting = plan["settings"].get(name)
    by_flag = setting is not None and setting["source"] == Source.FLAG
    return str(setting["value"]) if by_flag else None


def same_python(like: RunDir) -> None:
    """Refuse to plan with another standard library: it is the code that is asked about.

    Raises:
        UsageError: this is another Python.
    """
    python, here = _plan(like)["segment"]["python"], platform.python_version()
    if python != here:
        message = (
            f"{like.plan}: expected Python {python}, whose standard library is the segment, found "
            f"Python {here}, which has another one; replay with Python {python}"
        )
        raise UsageError(message)


def same_plan(like: RunDir, run: RunDir) -> None:
    """Compare the digests of two plans.

    Raises:
        EvidenceBroken: the segment or the schedule is another one.
    """
    old, new = _plan(like), _plan(run)
    for what, was, now in (
        ("segment", old["segment"]["sha256"], new["segment"]["sha256"]),
        ("schedule", old["schedule_sha256"], new["schedule_sha256"]),
    ):
        if was != now:
            message = (
                f"{run.plan}: expected the same {what} as in {like.plan} ({was[:12]}), found "
                f"another ({now[:12]}); planned by soakproof {old['soakproof_version']} then and "
                f"{new['soakproof_version']} now; compare the two files"
            )
            raise EvidenceBroken(message)


def _plan(run: RunDir) -> dict[str, Any]:
    return load_json(run.plan, "plan", hint="expected a run's folder, or the id of a run")
