"""A project in a real git repository, with a run that every stage but ``record`` is done with."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from soakproof.line_writers import ChainedLineWriter
from soakproof.rundir import Project, RunDir, write_json

__all__ = ["GOLDEN", "RUN_ID", "commit_all", "document", "git", "make_project", "make_run"]

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / "golden"
RUN_ID = "20260131T120000Z-ast_cache"
HANG_GUARD_S = 60

_RECORD = ("jobs/WO-P3.0.yaml", "backlog/backlog.yaml", "session_trifecta_dope.md")


def git(root: Path, *arguments: str) -> str:
    """Run git there, as nobody in particular, whatever this machine's configuration says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for part in ("AUTHOR", "COMMITTER"):
        who |= {f"GIT_{part}_NAME": "nobody", f"GIT_{part}_EMAIL": "nobody@example.invalid"}
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        check=True,
        env=clean | who,
        text=True,
        timeout=HANG_GUARD_S,
    )
    return done.stdout.strip()


def commit_all(root: Path) -> str:
    """Commit everything; the new commit, 40 hex digits."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a commit")
    return git(root, "rev-parse", "HEAD")


def document(case: str, name: str) -> dict[str, Any]:
    """A document of a golden run, ``pass`` or ``fail``."""
    read: dict[str, Any] = json.loads((GOLDEN / "report" / case / f"{name}.json").read_bytes())
    return read


def make_project(root: Path) -> Project:
    """Make a git repository with an open work order, a backlog and a session log."""
    for name in _RECORD:
        path = root / "_ctx" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((GOLDEN / "record" / Path(name).name).read_bytes())
    (root / ".gitignore").write_text("/_ctx/runs/\n/_ctx/.lock\n/_ctx/evidence/.*\n", "utf-8")
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit_all(root)
    return Project(root)


def make_run(
    project: Project,
    case: str = "pass",
    *,
    run_id: str = RUN_ID,
    **run_fields: object,
) -> RunDir:
    """Put a golden run into the project, with the hashes that make it whole.

    Args:
        project: the project.
        case: which golden run.
        run_id: its name.
        run_fields: what to say otherwise in ``run.json``.
    """
    run = RunDir(project.runs / run_id)
    named = {"run_id": run_id}
    write_json(run.plan, document(case, "plan") | named)
    plan_sha256 = hashlib.sha256(run.plan.read_bytes()).hexdigest()
    line = {"seq": 0, "type": "run", "mono_ns": 1, "event": "begin", "plan_sha256": plan_sha256}
    run.history.unlink(missing_ok=True)
    with ChainedLineWriter(run.history, run_id) as history:
        history.write(line)
    run.log.write_text(f"the log of {run_id}\n", "utf-8")
    write_json(run.run, document(case, "run") | named | run_fields)
    if case == "pass":
        write_json(run.anchors, document(case, "anchors") | named)
    link = {"history_sha256": hashlib.sha256(run.history.read_bytes()).hexdigest()}
    write_json(run.metrics, document(case, "metrics") | named | link)
    judged = {"metrics_sha256": hashlib.sha256(run.metrics.read_bytes()).hexdigest()}
    write_json(run.verdict, document(case, "verdict") | named | judged)
    return run
