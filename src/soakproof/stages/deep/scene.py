"""Where the scans of the deep tier play: rooms to begin in, questions with answers, the tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soakproof.deep.room import Question, Tool, ask, copy_room
from soakproof.deep.scans import Lab, Situation
from soakproof.deep.strace import Strace
from soakproof.errors import ConfigError, SoakError
from soakproof.model import Operation, Phase
from soakproof.rundir import Project
from soakproof.stages.deep.asked import Asked
from soakproof.targets.command import about, resolve_command
from soakproof.targets.files import OTHER, files_by_role
from soakproof.targets.oracle import Oracle, Source, identity
from soakproof.targets.target import Places, Target
from soakproof.workload.segment import prepare_stdlib

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
    return Scene(lab, situations, recorded, folder / "states", code_sha256)


def _kind(asked: Asked) -> str:
    """Return the kind of operation that is scanned: one of the mix that writes about a module."""
    for kind in sorted(asked.campaign["workload"]["mix"]):
        operation = asked.target["operations"][kind]
        plain = operation["keys"] == "modules" and operation["depends"] == "key"
        if plain and operation["writes_on_first_ask"]:
            return str(kind)
    problem = "expected an operation on modules that writes when first asked, found none"
    raise ConfigError(asked.campaign_path, problem, key="workload.mix")


def _right(
    project: Project, asked: Asked, base: Path, questions: Sequence[Question], folder: Path
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
    asked: Asked, right: Mapping[Question, tuple[int, bytes]], environ: Mapping[str, str]
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
