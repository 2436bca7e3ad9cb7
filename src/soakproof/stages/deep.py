"""The stage ``deep``: every system call that changes the cache is a place where something happens.

Works in ``_ctx/runs/deep-<time>-<pid>/``: ``deep.json``, ``deep.md``, and the states in which
something was found. A whole tier is also published as ``_ctx/deep/deep.json`` and ``deep.md``.
"""

from __future__ import annotations

import datetime
import functools
import json
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.deep.calibration import EXPECTED, Row, calibrate
from soakproof.deep.crash import MODELS
from soakproof.deep.crash_scan import candidates, crash_point
from soakproof.deep.effects import CannotRebuildError
from soakproof.deep.points import (
    Point,
    beyond_points,
    bounded,
    error_points,
    kill_points,
    short_points,
)
from soakproof.deep.room import Question, Tool, ask, copy_room
from soakproof.deep.scans import (
    Lab,
    PointResult,
    Situation,
    error_point,
    kill_point,
    short_point,
    stop_point,
    undisturbed,
)
from soakproof.deep.strace import Strace, find_strace
from soakproof.deep.verdicts import Batch, failing, scan_row, skipped_row, whole_verdict
from soakproof.errors import ConfigError, MissingInput, SoakError, UsageError
from soakproof.model import EXIT_CODES, SCHEMA_VERSION, Operation, Phase
from soakproof.report.deep_tables import deep_markdown
from soakproof.rundir import Project, as_json, write_bytes, write_json
from soakproof.targets.command import about, resolve_command
from soakproof.targets.files import OTHER, files_by_role
from soakproof.targets.oracle import Oracle, Source, identity
from soakproof.targets.target import Places, Target
from soakproof.workload.segment import prepare_stdlib
from soakproof.workload.settings import resolve

__all__ = ["SCANS", "DeepResult", "deep"]

SCANS: Final = ("calibration", "kill", "error", "short", "stop", "crash")
"""Everything that may be asked for with ``--scan``."""

_SITUATIONS: Final = ("cold", "warm")

_DEFAULTS: Final[Mapping[str, Any]] = {
    "max_points": 5000,
    "drawn": 1,
    "modules": 6,
    "may_refuse": False,
    "environment": {},
}
"""For a campaign without a table ``[deep]``."""

_CAMPAIGN: Final = "eval/campaigns/ast_cache.toml"
_RECORDED_QUESTIONS: Final = 3
_LEAST_MODULES: Final = 4

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DeepResult:
    """What the deep tier found.

    Args:
        document: ``deep.json``.
        path: where it was written.
        published: where it was published; ``None``: it was not whole.
    """

    document: dict[str, Any]
    path: Path
    published: Path | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for, read from flags and files."""

    campaign_path: Path
    campaign: Mapping[str, Any]
    target: Mapping[str, Any]
    command: tuple[str, ...]
    command_given: str | None
    settings: Mapping[str, Any]
    seed: int
    scans: tuple[str, ...]
    point: int | None
    max_points: int
    jobs: int

    @property
    def whole(self) -> bool:
        """All scans, and all of their points."""
        return self.scans == SCANS and self.point is None

    def replay(self, project: Project) -> str:
        """Return the command that repeats this, without scan and point."""
        argv = ["soakproof", "deep", "--campaign", project.relative(self.campaign_path)]
        argv += ["--seed", str(self.seed)]
        if self.command_given:
            argv += ["--target-command", self.command_given]
        return shlex.join(argv)


def deep(
    project: Project, flags: Mapping[str, str | None], environ: Mapping[str, str], tell: Tell
) -> DeepResult:
    """Run the deep tier, or a part of it.

    Args:
        project: whose campaign is taken, and whose ``_ctx`` gets the result.
        flags: campaign, seed, target_command, scan, point, max_points, jobs; text as given.
        environ: the environment of everything that is started; strace is looked for on its PATH.
        tell: takes a line as each scan ends.

    Raises:
        UsageError: a flag cannot be used.
        ConfigError, MissingInput: the campaign or its target is wrong or not there.
        SoakError: the tool does not answer rightly even without a fault.
    """
    began = time.monotonic()
    now = datetime.datetime.now(datetime.UTC)
    asked = _asked(project, flags, environ)
    strace = find_strace(environ)
    folder = project.runs / f"deep-{now:%Y%m%dT%H%M%SZ}-{os.getpid()}"
    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    calibration: list[Row] | None = None
    code_sha256 = None
    if strace.path is None:
        rows = [skipped_row(*one, str(strace.reason)) for one in _planned(asked.scans)]
    else:
        if "calibration" in asked.scans:
            calibration = _calibrated(asked, strace, folder / "calibration", environ, tell)
        if asked.scans != ("calibration",):
            scene = _scene(project, asked, strace, folder, environ)
            code_sha256 = scene.code_sha256
            for row, results in _scanned(asked, scene):
                rows.append(row)
                bad += failing(row["scan"], row["situation"], results, asked.replay(project))
                tell(f"{row['scan']}, {row['situation']}: {row['run']} points, {row['verdict']}")
    verdict, reason = whole_verdict(rows, calibration)
    document = {
        "schema_version": SCHEMA_VERSION,
        "created_at_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "soakproof_version": soakproof.__version__,
        "campaign": project.relative(asked.campaign_path),
        "target": asked.target["name"],
        "target_code_sha256": code_sha256,
        "seed": asked.seed,
        "max_points": asked.max_points,
        "whole": asked.whole,
        "strace": {
            "version": strace.version,
            "usable": strace.path is not None,
            "reason": strace.reason,
        },
        "calibration": None if calibration is None else [asdict(row) for row in calibration],
        "scans": rows,
        "failing": bad,
        "verdict": str(verdict),
        "reason": reason,
        "exit_code": EXIT_CODES[verdict],
        "seconds": round(time.monotonic() - began, 1),
    }
    return _written(project, folder, _hidden(project, document))


def _hidden(project: Project, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without the path of this machine's project."""
    text = as_json(document).replace(str(project.root).encode(), b"{project}")
    hidden: dict[str, Any] = json.loads(text)
    return hidden


def _written(project: Project, folder: Path, document: dict[str, Any]) -> DeepResult:
    """Write the result where it was made and, a whole one, where it is found."""
    for scratch in ("rooms", "calibration", "base"):
        shutil.rmtree(folder / scratch, ignore_errors=True)
    path, published = folder / "deep.json", None
    schema.check(document, "deep", path)
    write_json(path, document)
    page = deep_markdown(document).encode()
    write_bytes(folder / "deep.md", page)
    if document["whole"] and document["strace"]["usable"]:
        published = project.ctx / "deep" / "deep.json"
        write_json(published, document)
        write_bytes(published.with_suffix(".md"), page)
    return DeepResult(document, path, published)


def _asked(project: Project, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> _Asked:
    path = _find(project, flags.get("campaign") or _CAMPAIGN)
    campaign = schema.load_toml(path, "campaign", hint="give --campaign FILE")
    target_path = (path.parent / campaign["target"]).resolve()
    target = schema.load_toml(target_path, "target", hint=f"it is named in {path}")
    if "oracle" not in target:
        problem = "expected a table [oracle], found none; without it no answer can be judged"
        raise ConfigError(target_path, problem, key="oracle")
    given = flags.get("target_command")
    command, origin = target["command"], target_path.name
    if given:
        command, origin = shlex.split(given), "--target-command"
    settings = {**_DEFAULTS, **campaign.get("deep", {})}
    if settings["modules"] < _LEAST_MODULES:
        problem = f"expected at least {_LEAST_MODULES}, found {settings['modules']}"
        raise ConfigError(path, problem, key="deep.modules")
    scan = flags.get("scan")
    if scan and scan not in SCANS:
        message = f"--scan: expected one of {', '.join(SCANS)}, found {scan!r}"
        raise UsageError(message)
    point = _number("point", flags)
    if point is not None and (not scan or scan == "calibration"):
        message = "--point: expected a scan that it is a point of; give --scan, too"
        raise UsageError(message)
    shown = project.relative(path)
    seed = resolve("seed", flags, environ, campaign=(campaign["defaults"]["seed"], shown))
    return _Asked(
        campaign_path=path,
        campaign=campaign,
        target=target,
        command=resolve_command(command, origin),
        command_given=given,
        settings=settings,
        seed=seed.value,
        scans=(scan,) if scan else SCANS,
        point=point,
        max_points=_number("max_points", flags) or settings["max_points"],
        jobs=_number("jobs", flags) or len(os.sched_getaffinity(0)),
    )


def _find(project: Project, name: str) -> Path:
    given = Path(name)
    for path in (given, project.root / given, project.root / "eval/campaigns" / f"{name}.toml"):
        if path.is_file():
            return path.resolve()
    raise MissingInput(name, "expected a file, or the name of one in eval/campaigns/")


def _number(name: str, flags: Mapping[str, str | None]) -> int | None:
    text = flags.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        flag = f"--{name.replace('_', '-')}"
        message = f"{flag}: expected a whole number of at least 1, found {text!r}"
        raise UsageError(message)
    return int(text)


def _planned(scans: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield scan and situation of each row that there would be."""
    for scan in scans:
        if scan == "calibration":
            yield scan, "sqlite"
        else:
            yield from ((scan, one) for one in (MODELS if scan == "crash" else _SITUATIONS))


# ------------------------------------------------------------------ calibration


def _calibrated(
    asked: _Asked, strace: Strace, folder: Path, environ: Mapping[str, str], tell: Tell
) -> list[Row]:
    rows = []
    for setting in EXPECTED:
        place = folder / "-".join(setting)
        rows += calibrate(strace, place, environ, setting, asked.seed)
        shutil.rmtree(place)
    agree = sum(row.agrees for row in rows)
    tell(f"calibration: {agree} of {len(rows)} rows agree with SQLite's documentation")
    return rows


# ------------------------------------------------------------------ the target


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where the scans play: rooms to begin in, questions, and the tool."""

    lab: Lab
    situations: tuple[Situation, ...]
    recorded: tuple[Question, ...]
    keep: Path
    code_sha256: str


def _scene(
    project: Project, asked: _Asked, strace: Strace, folder: Path, environ: Mapping[str, str]
) -> _Scene:
    """Make the rooms to begin in, and ask the oracle all questions."""
    cold, warm = folder / "base" / "cold", folder / "base" / "warm"
    (cold / "telemetry").mkdir(parents=True)
    segment = prepare_stdlib(
        cold / "segment",
        count=asked.settings["modules"],
        exclude=asked.campaign["segment"].get("exclude", ()),
        seed=asked.seed,
        campaign_path=asked.campaign_path,
    )
    kind = _kind(asked)
    questions = [Question(kind, key) for key in segment.modules]
    right, code_sha256 = _right(project, asked, cold, questions, folder)
    tool = _tool(asked, right, environ)
    lab = Lab(folder / "rooms", tool, strace, asked.jobs)
    lab.folder.mkdir()
    pristine = frozenset(str(path.relative_to(cold)) for path in cold.rglob("*"))
    copy_room(cold, warm)
    for number, question in enumerate(questions[2:]):
        answered = ask(tool, warm, question, f"warm-{number}")
        if answered.how != "right":
            message = f"{question.key}: without any fault {answered.how} {answered.told}"
            raise SoakError(message)
    first = questions[0]
    situations = (
        Situation("cold", cold, first, questions[1], pristine),
        Situation("warm", warm, first, questions[2], pristine),
    )
    recorded = tuple(questions[:_RECORDED_QUESTIONS])
    return _Scene(lab, situations, recorded, folder / "states", code_sha256)


def _kind(asked: _Asked) -> str:
    """Return the kind of operation that is scanned: one of the mix that writes about a module."""
    for kind in sorted(asked.campaign["workload"]["mix"]):
        operation = asked.target["operations"][kind]
        plain = operation["keys"] == "modules" and operation["depends"] == "key"
        if plain and operation["writes_on_first_ask"]:
            return str(kind)
    problem = "expected an operation on modules that writes when first asked, found none"
    raise ConfigError(asked.campaign_path, problem, key="workload.mix")


def _right(
    project: Project, asked: _Asked, base: Path, questions: Sequence[Question], folder: Path
) -> tuple[dict[Question, tuple[int, bytes]], str]:
    """Return the right answers by the oracle, and the SHA-256 of the tool's code."""
    package_dir = None
    command = asked.command
    if asked.command_given:
        command = resolve_command(asked.target["command"], asked.campaign["target"])
    if "about" in asked.target:
        package_dir = Path(about(command, asked.target["about"])["package_dir"])
    name = identity(command, package_dir)
    answers, room = folder / "base" / "answers", folder / "base" / "oracle"
    room.mkdir()
    oracle = Oracle(asked.target, command, name, project.ctx / "oracle", answers)
    right = {}
    for question in questions:
        path = f"{question.key.replace('.', '/')}.py"
        source = Source({path: base / "segment" / path})
        expected, _ = oracle.ask(question.kind, question.key, "original", source, room)
        answer = b""
        if expected.answer_sha256 is not None:
            answer = (answers / expected.answer_sha256).read_bytes()
        right[question] = expected.exit_code, answer
    return right, name


def _tool(
    asked: _Asked, right: Mapping[Question, tuple[int, bytes]], environ: Mapping[str, str]
) -> Tool:
    """Return the target as the scans see it."""
    roles = asked.target["cache"]["roles"]
    sound = asked.target["cache"]["integrity"]

    def target(room: Path, run_id: str = "deep") -> Target:
        places = Places(run_id, room / "segment", room / "telemetry")
        return Target(asked.target, asked.command, places)

    def command(
        room: Path, question: Question, name: str
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        one = target(room, name)
        operation = Operation(0, Phase.COLD, question.kind, question.key, first_ask=True)
        env = one.env(operation, environ) | asked.settings["environment"]
        return one.argv(operation), env

    def files(room: Path, wanted: Sequence[str]) -> list[Path]:
        found = files_by_role(target(room).cache_folder, roles)
        return [Path(entry.path) for role in wanted for entry in found.get(role, ())]

    return Tool(
        command=command,
        normal=lambda room, answer: target(room).normal(answer),
        right=right,
        cache_folder=lambda room: target(room).cache_folder,
        databases=lambda room: files(room, sound),
        others=lambda room: [path.name for path in files(room, [OTHER])],
        may_refuse=asked.settings["may_refuse"],
    )


# ------------------------------------------------------------------ the scans

Work = Callable[[Lab, Situation, int, Point], PointResult]
_WORK: Final[Mapping[str, Work]] = {
    "kill": kill_point,
    "error": error_point,
    "short": short_point,
    "stop": stop_point,
}


def _scanned(asked: _Asked, scene: _Scene) -> Iterator[tuple[dict[str, Any], list[PointResult]]]:
    """Yield the row of each scan with what came of its points."""
    lab, before = scene.lab, dict.fromkeys(_WORK, 0)
    for situation in scene.situations:
        found, totals = undisturbed(lab, situation)
        points = {
            "kill": kill_points(found),
            "error": error_points(found),
            "short": short_points(found),
            "stop": kill_points(found),
        }
        for scan in (one for one in asked.scans if one in _WORK):
            first = before[scan]
            before[scan] += len(points[scan])
            numbered = [(first + at, one) for at, one in bounded(points[scan], asked.max_points)]
            if asked.point is not None:
                every = enumerate(points[scan], first + 1)
                numbered = [(at, one) for at, one in every if at == asked.point]
                if not numbered:
                    continue
            work = functools.partial(_one, _WORK[scan], lab, situation)
            results = list(lab.each(work, numbered))
            beyond: list[PointResult] = []
            if scan == "kill" and asked.point is None:
                behind = [(0, one) for one in beyond_points(totals)]
                beyond = list(lab.each(work, behind))
            count = len(points[scan])
            batch = Batch(
                scan, situation.name, count, count, len(numbered), whole=asked.point is None
            )
            yield scan_row(batch, results, beyond), results
    if "crash" in asked.scans:
        yield from _crashes(asked, scene)
    elif asked.point is not None and asked.point > before[asked.scans[0]]:
        message = f"--point: expected at most {before[asked.scans[0]]}, found {asked.point}"
        raise UsageError(message)


def _one(work: Work, lab: Lab, situation: Situation, numbered: tuple[int, Point]) -> PointResult:
    return work(lab, situation, *numbered)


def _crashes(asked: _Asked, scene: _Scene) -> Iterator[tuple[dict[str, Any], list[PointResult]]]:
    """Yield a row for each model of a crash."""
    lab, cold = scene.lab, scene.situations[0]
    try:
        every = candidates(lab, cold.base, scene.recorded, asked.seed, asked.settings["drawn"])
    except CannotRebuildError as problem:
        yield from ((skipped_row("crash", model, str(problem)), []) for model in MODELS)
        return
    for model in MODELS:
        mine = [(at, one) for at, one in enumerate(every, 1) if one.state.model == model]
        chosen = [mine[at - 1] for at, _ in bounded(mine, asked.max_points)]
        if asked.point is not None:
            chosen = [(at, one) for at, one in mine if at == asked.point]
            if not chosen:
                continue
        results = list(
            lab.each(
                lambda item: crash_point(lab, scene.recorded, scene.keep, *item),
                chosen,
            )
        )
        states = sum(one.alike for _, one in mine)
        whole = asked.point is None
        batch = Batch("crash", model, len(mine), states, len(chosen), whole=whole)
        yield scan_row(batch, results), results
    if asked.point is not None and asked.point > len(every):
        message = f"--point: expected at most {len(every)}, found {asked.point}"
        raise UsageError(message)
