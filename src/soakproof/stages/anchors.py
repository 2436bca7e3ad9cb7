"""The stage ``anchors``: quote the lines of the subject's source that the soak relies on.

Reads ``plan.json`` and the installed subject's source; writes ``anchors.json``.
The subject is asked where it lies; it is never imported.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from soakproof.errors import ConfigError, InvalidDocument, MissingInput
from soakproof.evidence.source_anchors import search
from soakproof.model import SCHEMA_VERSION
from soakproof.rundir import Project, RunDir, write_json
from soakproof.schema import check, load_json

__all__ = ["anchors"]

_ABOUT_DEADLINE_S: Final = 60.0
"""A hang guard, not a speed claim."""

_STDERR_CHARS: Final = 200


def anchors(project: Project, run: RunDir) -> Path:
    """Find the target's anchors and write ``anchors.json``.

    Args:
        project: the folder that paths in the evidence are relative to.
        run: the run, with its plan.

    Returns:
        The file that was written.

    Raises:
        ConfigError: the target lists anchors but has no ``about`` command, or that failed.
        InvalidDocument: the plan, or what ``about`` printed, is not what it has to be.
        MissingInput: there is no plan, or no Python source where the subject says it lies.

    Starts one process of the subject.
    """
    plan = load_json(run.plan, "plan", hint=f"make it with `soakproof clean --run-id {run.run_id}`")
    target = plan["target"]
    wanted = target.get("anchors", [])
    folder, version = "", ""
    places: list[dict[str, Any]] = []
    missing: list[str] = []
    unreadable: list[str] = []
    if wanted:
        package_dir, version = _about(plan)
        folder = project.relative(package_dir)
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


def _about(plan: Mapping[str, Any]) -> tuple[Path, str]:
    """Ask the subject where it lies and which version it is."""
    if "about" not in plan["target"]:
        problem = "expected a command that says where the package lies, for `anchors`; found none"
        raise ConfigError(plan["target_path"], problem, key="about")
    argv = [*plan["settings"]["target_command"]["value"], *plan["target"]["about"]]
    name = f"standard output of `{' '.join(argv[-len(plan['target']['about']) - 1 :])}`"
    said = _said(plan, argv)
    try:
        document = json.loads(said)
    except ValueError:
        document = said.decode("utf-8", "replace")
    if not isinstance(document, dict):
        raise _unexpected(name, "$", "a JSON object", document)
    for key in ("package_dir", "version"):
        if not isinstance(document.get(key), str) or not document[key]:
            raise _unexpected(name, f"$.{key}", "a string", document.get(key))
    package_dir = Path(document["package_dir"])
    if next(package_dir.rglob("*.py"), None) is None:
        raise MissingInput(package_dir, "the subject names this folder, and no .py lies in it")
    return package_dir, document["version"]


def _said(plan: Mapping[str, Any], argv: Sequence[str]) -> bytes:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_ABOUT_DEADLINE_S,
        )
    except subprocess.TimeoutExpired:
        problem = f"expected an answer within {_ABOUT_DEADLINE_S:.0f} s, found none"
    except OSError as error:
        problem = f"expected a command that starts, found: {error.strerror}: {argv[0]}"
    else:
        if done.returncode == 0:
            return done.stdout
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        said = "".join(last)[:_STDERR_CHARS] or "nothing on standard error"
        problem = f"expected exit 0, found exit {done.returncode}: {said}"
    raise ConfigError(plan["target_path"], problem, key="about")


def _unexpected(name: str, json_path: str, expected: str, found: object) -> InvalidDocument:
    shown = json.dumps(found, ensure_ascii=False)
    return InvalidDocument(
        name,
        json_path=json_path,
        expected=expected,
        found=shown if len(shown) <= _STDERR_CHARS else shown[: _STDERR_CHARS - 1] + "…",
        schema="the target's about",
    )
