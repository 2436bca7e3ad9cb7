"""A target as the scans of the deep tier see it: how it is asked, and what its answer is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from soakproof.deep.room import Command, Question, Tool
from soakproof.model import Operation, Phase
from soakproof.targets.beside import sound_by_command
from soakproof.targets.command import resolve_command
from soakproof.targets.files import OTHER, files_by_role
from soakproof.targets.target import Places, Target

__all__ = ["make_tool", "target_in"]


def target_in(room: Path, document: Mapping[str, Any], command: tuple[str, ...]) -> Target:
    """Return a target whose folders are those of a room."""
    places = Places("deep", room / "segment", room / "telemetry", room / "scratch")
    return Target(document, command, places)


def make_tool(
    document: Mapping[str, Any],
    command: tuple[str, ...],
    settings: Mapping[str, Any],
    right: Mapping[Question, tuple[int, bytes]],
    environ: Mapping[str, str],
) -> Tool:
    """Return the tool.

    Args:
        document: the validated target document.
        command: the executable's absolute path, and arguments that always come first.
        settings: the campaign's ``[deep]``.
        right: the oracle's answers.
        environ: what the tool's environment is made from.
    """
    cache = document["cache"]

    def target(room: Path) -> Target:
        return target_in(room, document, command)

    def start(room: Path, question: Question, op: int) -> Command:
        one = target(room)
        operation = _operation(question, op)
        env = one.env(operation, environ) | settings["environment"]
        return Command(one.argv(operation), env, one.cwd or room)

    def answer(room: Path, question: Question, op: int, out: bytes, err: bytes) -> bytes:
        one, operation = target(room), _operation(question, op)
        given = err if one.answer_stream(operation) == "stderr" else out
        path = one.answer_file(operation)
        if path is not None:
            given = path.read_bytes() if path.is_file() else b""
            path.unlink(missing_ok=True)
        return one.normal(one.placeless(given, operation))

    def files(room: Path, wanted: Sequence[str]) -> list[Path]:
        found = files_by_role(target(room).cache_folder, cache["roles"])
        return [file.path for role in wanted for file in found.get(role, ())]

    def check(room: Path) -> str:
        if "integrity_command" not in cache:
            return "ok"
        one = target(room)
        argv = one.beside(resolve_command(cache["integrity_command"], "cache.integrity_command"))
        return sound_by_command(argv, one.env(None, environ), one.cwd)

    def answers_with(question: Question) -> Collection[int]:
        codes: Collection[int] = document["operations"][question.kind].get(
            "answer_exit_codes", (0,)
        )
        return codes

    return Tool(
        command=start,
        answer=answer,
        right=right,
        answers_with=answers_with,
        cache_folder=lambda room: target(room).cache_folder,
        databases=lambda room: files(room, cache.get("integrity", ())),
        check=check,
        others=lambda room: [path.name for path in files(room, [OTHER])],
        may_refuse=settings["may_refuse"],
    )


def _operation(question: Question, op: int) -> Operation:
    return Operation(op, Phase.COLD, question.kind, question.key, first_ask=True)
