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
import tomllib
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
from soakproof.selftest.needs import fitted, lack
from soakproof.selftest.panel import PANEL, Defect, Family, choose
from soakproof.selftest.plots import RUN_ID, Plot, Subject, toy_subject
from soakproof.selftest.scoring import Score, Seen, score, skip
from soakproof.targets.command import resolve_command
from soakproof.toml_text import toml_text
from soakproof.workload.settings import ENVIRONMENT, FAULTS_CAMPAIGN

__all__ = ["Told", "selftest"]

_HANG_GUARD_S: Final = 300
"""No claim about speed: a short soak that is not back by then hangs."""

_EXIT_MISSED: Final = 10

_EXIT_NOTHING: Final = 11

_ORACLE: Final = ".oracle"


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
    plots, scores = [], {}
    for one in defects:
        subject = subjects[one.family]
        if why := lack(one, subject.target, subject.kinds):
            scores[one.name] = skip(one, why)
            tell(scores[one.name])
        else:
            own = fitted(one, subject.target, subject.kinds)
            plots.append(Plot(folder / one.name, own, subject, ops))
    clean_env = {name: text for name, text in environ.items() if name not in ENVIRONMENT.values()}
    for row in _soaked(plots, _Oracles(project, folder), clean_env, jobs):
        scores[row.name] = row
        tell(row)
    shutil.rmtree(folder / _ORACLE, ignore_errors=True)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    rows = [scores[defect.name] for defect in defects]
    planted = [row for row in rows if row.expects and not row.skipped]
    document = {
        "schema_version": SCHEMA_VERSION,
        "created_at_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "soakproof_version": soakproof.__version__,
        "panel_sha256": _panel_sha256(),
        "campaign": shown,
        "target": subjects[Family.WRAPPER].target["name"],
        "whole": len(defects) == len(PANEL),
        "defects": len(planted),
        "caught": sum(row.caught for row in planted),
        "skipped": sum(row.skipped for row in rows),
        "controls": sum(not row.expects for row in rows),
        "controls_passed": sum(not row.expects and row.caught for row in rows),
        "exit_code": _exit_code(rows),
        "add_to_gate": _add_to_gate(rows),
        "seconds": round(time.monotonic() - began, 1),
        "rows": [row.document() for row in rows],
    }
    path = project.ctx / "selftest" / "score.json"
    schema.check(document, "selftest", path)
    if not document["whole"]:
        return Told(document, None)
    write_json(path, document)
    return Told(document, path)


def _exit_code(rows: Sequence[Score]) -> int:
    """Return 0 if all that was soaked came out as it must; nothing at all is no proof."""
    soaked = [row for row in rows if not row.skipped]
    if not soaked:
        return _EXIT_NOTHING
    return 0 if all(row.caught for row in soaked) else _EXIT_MISSED


def _add_to_gate(rows: Sequence[Score]) -> str:
    """Return criteria as TOML that the gate lacks: those of the gate that comes with the panel."""
    wanted = {name for row in rows for name in row.lacking}
    known = tomllib.loads(toy_subject().gate.decode())["criteria"]
    tables = (f"[[criteria]]\n{toml_text(one)}" for one in known if one["id"] in wanted)
    return "\n".join(tables)


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
    if "worker" in target:
        problem = "expected a command line, for defects are planted around one; found a library"
        raise schema.located(target_path, problem, "worker")
    gate_path = (path.parent / campaign["gate"]).resolve()
    if given := flags.get("gate"):
        gate_path = _find(project, given, "gates")
    schema.load_toml(gate_path, "gate", hint=f"it is named in {path}")
    command, origin = target["command"], target_path.name
    if given := flags.get("target_command"):
        command, origin = shlex.split(given), "--target-command"
    subject = Subject(
        _at_home(campaign, path, target_path),
        _placed(target, target_path),
        gate_path.read_bytes(),
        resolve_command(command, origin, project.root),
    )
    return project.relative(path), subject


def _at_home(campaign: dict[str, Any], path: Path, target_path: Path) -> dict[str, Any]:
    """Return the campaign with the folder that it copies as an absolute path: its file moves."""
    segment = campaign.get("segment", {})
    if "folder" not in segment:
        return campaign
    beside = [path.parent / segment["folder"], target_path.parent / segment["folder"]]
    folder = next((one for one in beside if one.is_dir()), beside[0]).resolve()
    return {**campaign, "segment": {**segment, "folder": str(folder)}}


def _placed(target: dict[str, Any], target_path: Path) -> dict[str, Any]:
    """Return the target working where it would for ``soakproof all``, though its file moves."""
    placed = {"cwd": str(Path.cwd()), **target}
    for step in ("prepare", "clean"):
        if step in target:
            argv = resolve_command(target[step]["argv"], f"{target_path}: {step}.argv")
            placed[step] = {**target[step], "argv": list(argv)}
    if "integrity_command" in target["cache"]:
        argv = resolve_command(target["cache"]["integrity_command"], f"{target_path}: cache")
        placed["cache"] = {**target["cache"], "integrity_command": list(argv)}
    return placed


def _find(project: Project, name: str, folder: str) -> Path:
    given = Path(name)
    for path in (given, project.root / given, project.root / "eval" / folder / f"{name}.toml"):
        if path.is_file():
            return path.resolve()
    hint = f"expected a file, or the name of one in eval/{folder}/; give --{folder[:-1]} FILE"
    raise MissingInput(name, hint)


@dataclass(frozen=True, slots=True)
class _Oracles:
    """Where answers of the oracle are kept: across selftests only if the tool names its code."""

    project: Project
    folder: Path

    def of(self, subject: Subject) -> Path:
        """Return the folder for a subject's answers."""
        kept = self.project.ctx / "oracle"
        return (kept if "about" in subject.target else self.folder / _ORACLE).resolve()


def _soaked(
    plots: Sequence[Plot], oracles: _Oracles, environ: Mapping[str, str], jobs: int
) -> Iterator[Score]:
    """Soak each plot, several at a time; yield scores as they come."""
    pool = ThreadPoolExecutor(jobs)
    with OwnCommands(environ) as commands:
        try:
            # The longest first, so that none of them is waited for alone at the end.
            ordered = sorted(plots, key=lambda plot: not plot.defect.control)
            soaks = [
                pool.submit(_soak, plot, oracles.of(plot.subject), commands) for plot in ordered
            ]
            for done in as_completed(soaks):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _soak(plot: Plot, oracle: Path, commands: OwnCommands) -> Score:
    began = time.monotonic()
    plot.make(oracle)
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
    for one in (folder, folder / "wrapper"):
        for entry in sorted(one.iterdir(), key=lambda entry: entry.name):
            if entry.is_file():
                digest = hashlib.sha256(entry.read_bytes()).hexdigest()
                sha.update(f"{one.name}/{entry.name}\0{digest}\n".encode())
    return sha.hexdigest()
