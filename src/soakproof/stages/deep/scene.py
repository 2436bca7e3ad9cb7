"""Where the scans of the deep tier play: rooms to begin in, questions with answers, the tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from soakproof.deep.room import Question, ask, copy_room
from soakproof.deep.scans import Lab, Situation
from soakproof.deep.strace import Strace
from soakproof.dice import rank
from soakproof.errors import ConfigError, SoakError
from soakproof.rundir import Project
from soakproof.stages.deep.asked import LEAST_KEYS, Asked
from soakproof.stages.deep.tool import make_tool, target_in
from soakproof.targets.beside import run_once
from soakproof.targets.command import about, resolve_command
from soakproof.targets.oracle import Oracle, Source, identity
from soakproof.targets.rooms import Contents, Room
from soakproof.workload.segment import (
    copy_folder,
    generate,
    listed,
    module_name,
    prepare_stdlib,
)

__all__ = ["Scene", "make_scene"]

_RECORDED_QUESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the scans play: rooms to begin in, questions, and the tool."""

    lab: Lab
    situations: tuple[Situation, ...]
    recorded: tuple[Question, ...]
    keep: Path
    code_sha256: str


def make_scene(
    project: Project, asked: Asked, strace: Strace, folder: Path, environ: Mapping[str, str]
) -> Scene:
    """Make the rooms to begin in, and ask the oracle all questions."""
    cold, warm = folder / "base" / "cold", folder / "base" / "warm"
    kind = _kind(asked)
    inputs, keys = _segment(asked, cold, kind, environ)
    questions = [Question(kind, key) for key in keys[: asked.settings["modules"]]]
    source = Source({path: cold / "segment" / path for path in inputs}, Contents())
    right, code_sha256 = _right(project, asked, source, questions, folder)
    tool = make_tool(asked.target, asked.command, asked.settings, right, environ)
    lab = Lab(folder / "rooms", tool, strace, asked.jobs)
    lab.folder.mkdir()
    pristine = frozenset(str(path.relative_to(cold)) for path in cold.rglob("*"))
    copy_room(cold, warm)
    for number, question in enumerate(questions[2:]):
        answered = ask(tool, warm, question, number)
        if answered.how != "right":
            message = f"{question.key}: without any fault {answered.how} {answered.told}"
            raise SoakError(message)
    situations = (
        Situation("cold", cold, questions[0], questions[1], pristine),
        Situation("warm", warm, questions[0], questions[2], pristine),
    )
    recorded = tuple(questions[:_RECORDED_QUESTIONS])
    return Scene(lab, situations, recorded, folder / "states", code_sha256)


def _kind(asked: Asked) -> str:
    """Return the kind of operation that is scanned: one that is sure to write, where one is."""
    operations = asked.target["operations"]
    kinds = [
        kind
        for kind in sorted(asked.campaign["workload"]["mix"])
        if operations[kind]["keys"] in {"modules", "files", "fixed"}
    ]
    if not kinds:
        problem = "expected an operation that asks about files or a fixed list, found none"
        raise ConfigError(asked.campaign_path, problem, key="workload.mix")
    writers = (kind for kind in kinds if operations[kind].get("writes_on_first_ask"))
    return str(next(writers, kinds[0]))


def _segment(
    asked: Asked, room: Path, kind: str, environ: Mapping[str, str]
) -> tuple[Mapping[str, str], list[str]]:
    """Make the first room: a small segment; return its files, and the keys in seeded order."""
    for name in ("telemetry", "scratch"):
        (room / name).mkdir(parents=True)
    given, folder = asked.campaign["segment"], room / "segment"
    exclude, path = given.get("exclude", ()), asked.campaign_path
    if given["source"] == "stdlib":
        count = asked.settings["modules"]
        prepare_stdlib(folder, count=count, exclude=exclude, seed=asked.seed, campaign_path=path)
    elif given["source"] == "folder":
        beside = [one.parent / given["folder"] for one in (path, asked.target_path)]
        found = next((one for one in beside if one.is_dir()), beside[0]).resolve()
        copy_folder(found, folder, exclude=exclude, campaign_path=path)
    else:
        folder.mkdir()
        generate(given["files"], folder, seed=asked.seed, campaign_path=path)
    subject = target_in(room, asked.target, asked.command)
    for step in (one for one in ("prepare", "clean") if one in asked.target):
        spec, where = asked.target[step], (asked.target_path, f"{step}.argv")
        argv = subject.beside(resolve_command(spec["argv"], f"{asked.target_path}: {step}.argv"))
        env = subject.env(None, environ)
        run_once(argv, env, subject.cwd, deadline_s=spec["deadline_s"], where=where)
    inputs = listed(folder, subject.cache_folder)
    keys = sorted(_keys(asked, kind, inputs), key=lambda key: rank(asked.seed, "deep", key))
    if len(keys) < LEAST_KEYS:
        problem = f"expected at least {LEAST_KEYS} keys for {kind!r}, found {len(keys)}"
        raise ConfigError(path, problem, key="segment")
    return inputs, keys


def _keys(asked: Asked, kind: str, inputs: Mapping[str, str]) -> list[str]:
    """Return the keys of a kind of operation."""
    operation = asked.target["operations"][kind]
    if operation["keys"] == "modules":
        return [name for path in inputs if (name := module_name(path)) is not None]
    if operation["keys"] == "fixed":
        return list(operation["fixed"])
    return [path for path in inputs if fnmatchcase(path, operation.get("glob", "*"))]


def _right(
    project: Project, asked: Asked, source: Source, questions: Sequence[Question], folder: Path
) -> tuple[dict[Question, tuple[int, bytes]], str]:
    """Return the right answers by the oracle, and the SHA-256 of the tool's code."""
    package_dir = None
    command = asked.command
    if asked.command_given:
        command = resolve_command(asked.target["command"], asked.target_path.name)
    if "about" in asked.target:
        package_dir = Path(about(command, asked.target["about"])["package_dir"])
    name = identity(command, package_dir)
    answers, room = folder / "base" / "answers", Room(folder / "base" / "oracle", source.contents)
    oracle = Oracle(asked.target, command, name, project.ctx / "oracle", answers)
    right = {}
    for question in questions:
        expected, _ = oracle.ask(question.kind, question.key, "original", source, room)
        if expected is None:
            message = f"{question.key}: the oracle gives no answer, so nothing can be judged"
            raise SoakError(message)
        answer = b""
        if expected.answer_sha256 is not None:
            answer = (answers / expected.answer_sha256).read_bytes()
        right[question] = expected.exit_code, answer
    return right, name
