"""The stage ``selftest``: soak every planted defect and see that the gate catches it.

Each defect is a whole soak in a project of its own under ``_ctx/runs/selftest-<time>/<defect>``,
by the same commands that a person would type. What was caught is removed; what was missed stays.
Writes ``_ctx/selftest/score.json`` when the panel was whole.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.errors import MissingInput, UsageError
from soakproof.model import SCHEMA_VERSION
from soakproof.own_commands import OwnCommands, last_words
from soakproof.rundir import Project, write_json
from soakproof.selftest.panel import PANEL, Defect, Family, choose
from soakproof.selftest.plots import RUN_ID, Plot, Subject, toy_subject
from soakproof.selftest.scoring import Score, Seen, score
from soakproof.targets.command import resolve_command
from soakproof.workload.settings import ENVIRONMENT, FAULTS_CAMPAIGN

__all__ = ["Told", "selftest"]

_HANG_GUARD_S: Final = 300
"""No claim about speed: a short soak that is not back by then hangs."""

_EXIT_MISSED: Final = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What a selftest found.

    Args:
        document: the score; ``score.json`` holds it when the panel was whole.
        path: where it was written; ``None``: only a part of the panel was asked for.
    """

    document: dict[str, Any]
    path: Path | None


def selftest(
    project: Project,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    tell: Callable[[Score], None],
) -> Told:
    """Run the panel, or a part of it.

    Args:
        project: whose campaign is taken, and whose ``_ctx`` gets the score.
        flags: campaign, gate, target_command, ops, jobs, only; text as given.
        environ: the environment of the soaks.
        tell: called with each score as it comes.

    Raises:
        UsageError: a flag cannot be used.
        ConfigError, MissingInput: the campaign, its target or its gate is wrong or not there.
    """
    began = time.monotonic()
    now = datetime.datetime.now(datetime.UTC)
    defects = _chosen(flags.get("only") or "")
    subjects = {Family.CACHE: toy_subject()}
    shown, subjects[Family.WRAPPER] = _subject(project, flags)
    ops, jobs = _count("ops", flags), _count("jobs", flags) or len(os.sched_getaffinity(0))
    folder = project.runs / f"selftest-{now:%Y%m%dT%H%M%SZ}-{os.getpid()}"
    plots = [Plot(folder / one.name, one, subjects[one.family], ops) for one in defects]
    scores = {}
    clean_env = {name: text for name, text in environ.items() if name not in ENVIRONMENT.values()}
    for one in _soaked(plots, project.ctx / "oracle", clean_env, jobs):
        scores[one.name] = one
        tell(one)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    rows = [scores[defect.name] for defect in defects]
    document = {
        "schema_version": SCHEMA_VERSION,
        "created_at_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "soakproof_version": soakproof.__version__,
        "panel_sha256": _panel_sha256(),
        "campaign": shown,
        "target": subjects[Family.WRAPPER].target["name"],
        "whole": len(defects) == len(PANEL),
        "defects": sum(bool(row.expects) for row in rows),
        "caught": sum(bool(row.expects) and row.caught for row in rows),
        "controls": sum(not row.expects for row in rows),
        "controls_passed": sum(not row.expects and row.caught for row in rows),
        "exit_code": 0 if all(row.caught for row in rows) else _EXIT_MISSED,
        "seconds": round(time.monotonic() - began, 1),
        "rows": [row.document() for row in rows],
    }
    path = project.ctx / "selftest" / "score.json"
    schema.check(document, "selftest", path)
    if not document["whole"]:
        return Told(document, None)
    write_json(path, document)
    return Told(document, path)


def _chosen(only: str) -> tuple[Defect, ...]:
    try:
        return choose([name.strip() for name in only.split(",") if name.strip()])
    except KeyError as problem:
        known = ", ".join(defect.name for defect in PANEL)
        message = f"--only: expected some of {known}; found {problem.args[0]!r}"
        raise UsageError(message) from None


def _count(name: str, flags: Mapping[str, str | None]) -> int | None:
    text = flags.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        message = f"--{name}: expected a whole number of at least 1, found {text!r}"
        raise UsageError(message)
    return int(text)


def _subject(project: Project, flags: Mapping[str, str | None]) -> tuple[str, Subject]:
    """Read the campaign with its target and gate; say which file it is, for people."""
    path = _find(
        project, flags.get("campaign") or project.campaign_of(FAULTS_CAMPAIGN), "campaigns"
    )
    campaign = schema.load_toml(path, "campaign", hint="give --campaign FILE")
    target_path = (path.parent / campaign["target"]).resolve()
    target = schema.load_toml(target_path, "target", hint=f"it is named in {path}")
    if "telemetry" not in target:
        problem = "expected telemetry, because half of the planted defects lie in it; found none"
        raise schema.located(target_path, problem, "telemetry")
    gate_path = (path.parent / campaign["gate"]).resolve()
    if given := flags.get("gate"):
        gate_path = _find(project, given, "gates")
    schema.load_toml(gate_path, "gate", hint=f"it is named in {path}")
    command, origin = target["command"], target_path.name
    if given := flags.get("target_command"):
        command, origin = shlex.split(given), "--target-command"
    subject = Subject(
        campaign, target, gate_path.read_bytes(), resolve_command(command, origin, project.root)
    )
    return project.relative(path), subject


def _find(project: Project, name: str, folder: str) -> Path:
    given = Path(name)
    for path in (given, project.root / given, project.root / "eval" / folder / f"{name}.toml"):
        if path.is_file():
            return path.resolve()
    hint = f"expected a file, or the name of one in eval/{folder}/; give --{folder[:-1]} FILE"
    raise MissingInput(name, hint)


def _soaked(
    plots: Sequence[Plot], oracle: Path, environ: Mapping[str, str], jobs: int
) -> Iterator[Score]:
    """Soak each plot, several at a time; yield scores as they come."""
    pool = ThreadPoolExecutor(jobs)
    with OwnCommands(environ) as commands:
        try:
            # The longest first, so that none of them is waited for alone at the end.
            ordered = sorted(plots, key=lambda plot: not plot.defect.control)
            soaks = [pool.submit(_soak, plot, oracle, commands) for plot in ordered]
            for done in as_completed(soaks):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _soak(plot: Plot, oracle: Path, commands: OwnCommands) -> Score:
    began = time.monotonic()
    plot.make(oracle.resolve())
    arguments = ["all", "--no-record", "--run-id", RUN_ID, "--campaign", str(plot.campaign_path)]
    if command := plot.target_command():
        arguments += ["--target-command", shlex.join(command)]
    log = plot.root / "soak.log"
    code = commands.run(arguments, cwd=plot.root, log=log, patience_s=_HANG_GUARD_S)
    (plot.state / "stop").touch()
    problem = f"the soak ended with exit code {code}: {last_words(log)}"
    if code is None:
        problem = f"the soak was not back after {_HANG_GUARD_S} s"
    result = score(plot.defect, _seen(plot, time.monotonic() - began, problem))
    if result.caught:
        shutil.rmtree(plot.root, ignore_errors=True)
    return result


def _seen(plot: Plot, seconds: float, problem: str) -> Seen:
    documents = []
    for name in ("verdict", "metrics"):
        path = plot.run_path / f"{name}.json"
        documents.append(json.loads(path.read_bytes()) if path.exists() else None)
    noted = plot.state / "planted"
    planted = [int(line) for line in noted.read_text("ascii").split()] if noted.exists() else []
    return Seen(documents[0], documents[1], planted, seconds, problem)


def _panel_sha256() -> str:
    """Return the SHA-256 over the panel, its programs and its files."""
    sha = hashlib.sha256()
    folder = resources.files("soakproof.selftest")
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if one.is_file():
            sha.update(f"{one.name}\0{hashlib.sha256(one.read_bytes()).hexdigest()}\n".encode())
    return sha.hexdigest()
