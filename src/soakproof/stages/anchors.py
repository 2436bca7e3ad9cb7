"""The stage ``anchors``: quote the lines of the subject's source that the soak relies on.

Reads ``plan.json`` and the installed subject's source; writes ``anchors.json``.
The subject is asked where it lies; it is never imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from soakproof.errors import ConfigError, InvalidDocument, MissingInput
from soakproof.evidence.source_anchors import search
from soakproof.model import SCHEMA_VERSION
from soakproof.places import reveal_plan
from soakproof.rundir import Project, RunDir, write_json
from soakproof.schema import check, load_json
from soakproof.targets.command import about

__all__ = ["anchors"]


def anchors(project: Project, run: RunDir) -> Path:
    """Find the target's anchors and write ``anchors.json``.

    Args:
        project: the folder that paths in the evidence are relative to.
        run: the run, with its plan.

    Returns:
        The file that was written.

    Raises:
        ConfigError: the target lists anchors but has no ``about`` command.
        InvalidDocument: the plan, or what ``about`` printed, is not what it has to be.
        SoakError: the ``about`` command failed.
        MissingInput: there is no plan, or no Python source where the subject says it lies.

    Starts one process of the subject.
    """
    plan = load_json(run.plan, "plan", hint=f"make it with `soakproof clean --run-id {run.run_id}`")
    plan = reveal_plan(run, plan)
    target = plan["target"]
    wanted = target.get("anchors", [])
    folder, version = "", ""
    places: list[dict[str, Any]] = []
    missing: list[str] = []
    unreadable: list[str] = []
    if wanted:
        package_dir, version = _about(plan)
        folder = _shown(project, package_dir)
        found = search(package_dir, wanted)
        places = [asdict(place) for place in found.places]
        missing, unreadable = list(found.missing), list(found.unreadable)
    document = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.run_id,
        "package_dir": folder,
        "version": version,
        "expected": len(wanted),
        "found": len(wanted) - len(missing),
        "anchors": places,
        "missing": missing,
        "unreadable": unreadable,
    }
    check(document, "anchors", run.anchors)
    write_json(run.anchors, document)
    return run.anchors


def _shown(project: Project, package_dir: Path) -> str:
    """Return the folder without the paths of this machine: the record is public."""
    inside = package_dir.is_relative_to(project.root)
    return project.relative(package_dir) if inside else "/".join(package_dir.parts[-2:])


def _about(plan: Mapping[str, Any]) -> tuple[Path, str]:
    """Ask the subject where it lies and which version it is."""
    target = plan["target"]
    if "about" not in target:
        problem = "expected a command that says where the package lies, for `anchors`; found none"
        raise ConfigError(plan["target_path"], problem, key="about")
    said = about(plan["settings"]["target_command"]["value"], target["about"])
    for key in ("package_dir", "version"):
        if not isinstance(said[key], str) or not said[key]:
            raise InvalidDocument(
                f"what `{' '.join(target['about'])}` of the target printed",
                json_path=f"$.{key}",
                expected="a string that is not empty",
                found=repr(said[key]),
                schema="target",
            )
    package_dir = Path(said["package_dir"])
    if next(package_dir.rglob("*.py"), None) is None:
        raise MissingInput(package_dir, "the subject names this folder, and no .py lies in it")
    return package_dir, said["version"]
