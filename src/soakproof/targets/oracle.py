"""The oracle: the same command without its cache, in a clean folder, once a question.

Answers are kept across runs by a name that covers everything they depend on: the tool's own code,
how it is started, the question, and the content it is about.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.model import Expected, Operation, Phase
from soakproof.rundir import write_bytes
from soakproof.targets.normal import Normaliser
from soakproof.targets.rooms import Contents, Room
from soakproof.targets.target import Places, Target

__all__ = ["Oracle", "Source", "identity"]

_DEADLINE_S: Final = 120
"""A hang guard: a question without cache takes a second at most."""


@dataclass(frozen=True, slots=True)
class Source:
    """The input of one question.

    Args:
        files: path relative to the segment → the file that holds its content.
        contents: knows what those files hold.
    """

    files: Mapping[str, Path]
    contents: Contents

    def digest(self) -> str:
        """Return the SHA-256 over paths and contents."""
        sha = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            sha.update(f"{path}\0{self.contents.sha256(content)}\n".encode())
        return sha.hexdigest()


class Oracle:
    """Asks a tool without its cache.

    Args:
        document: the validated target document; it has an ``oracle`` table.
        command: the tool's own command, its executable as an absolute path.
        identity: of the tool's code (:func:`identity`).
        kept: folder of answers of earlier runs; made when needed.
        answers: folder that takes every answer by its SHA-256.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        command: Sequence[str],
        identity: str,
        kept: Path,
        answers: Path,
    ) -> None:
        self._document = document
        self._command = tuple(command)
        self._identity = identity
        self._kept = kept
        self._answers = answers

    def ask(
        self, kind: str, key: str, version: str, source: Source, room: Room
    ) -> tuple[Expected | None, bool]:
        """Answer one question; the flag says whether the tool had to be run.

        Without an answer, and so with nothing to hold others to, it comes back from a command that
        does not end or cannot be started.

        Args:
            kind: operation kind.
            key: what is asked for.
            version: the name under which the answer is wanted.
            source: the input.
            room: a place to ask in.
        """
        name = self._name(kind, key, source)
        known = self._recall(name)
        ran = known is None
        if known is None:
            known = self._run(kind, key, source, room)
            if known is None:
                return None, True
            self._keep(name, *known)
        exit_code, raw = known
        answer = Normaliser.of(self._document)(raw)
        expected = Expected(
            kind=kind,
            key=key,
            version=version,
            exit_code=exit_code,
            answer_sha256=self._stored(answer),
            answer_bytes=len(answer),
            raw_sha256=self._stored(raw) if raw != answer else None,
        )
        return expected, ran

    def _stored(self, answer: bytes) -> str | None:
        if not answer:
            return None
        sha256 = hashlib.sha256(answer).hexdigest()
        if not (self._answers / sha256).exists():
            write_bytes(self._answers / sha256, answer)
        return sha256

    def _name(self, kind: str, key: str, source: Source) -> str:
        asked = [
            self._identity,
            self._document["operations"][kind]["argv"],
            self._document["oracle"],
            self._document.get("environment", {}),
            *self._extras(kind),
            kind,
            key,
            source.digest(),
        ]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _extras(self, kind: str) -> list[Any]:
        """Return what else an answer depends on, where the target's file says any of it."""
        operation = self._document["operations"][kind]
        names = ("answer", "answer_stream", "answer_file")
        said = [{name: operation[name] for name in names if name in operation}]
        said += [{"cwd": self._document["cwd"]}] if "cwd" in self._document else []
        return [one for one in said if one]

    def _recall(self, name: str) -> tuple[int, bytes] | None:
        try:
            head, _, answer = (self._kept / name).read_bytes().partition(b"\n")
            exit_code, sha256 = head.decode("ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        if hashlib.sha256(answer).hexdigest() != sha256:  # damaged: ask again
            return None
        return int(exit_code), answer

    def _keep(self, name: str, exit_code: int, answer: bytes) -> None:
        head = f"{exit_code} {hashlib.sha256(answer).hexdigest()}\n"
        write_bytes(self._kept / name, head.encode("ascii") + answer)

    def _run(self, kind: str, key: str, source: Source, room: Room) -> tuple[int, bytes] | None:
        room.lay(source.files)
        places = Places("oracle", room.segment, room.telemetry, room.scratch)
        target = Target(self._document, self._command, places)
        operation = Operation(0, Phase.COLD, kind, key, first_ask=True)
        oracle = self._document["oracle"]
        env = target.env(operation, os.environ)
        for variable, value in oracle.get("environment", {}).items():
            env.pop(variable, None)
            if value:
                env[variable] = value
        argv = [*target.argv(operation), *oracle.get("argv", ())]
        try:
            done = subprocess.run(
                argv,
                env=env,
                cwd=target.cwd,
                capture_output=True,
                timeout=_DEADLINE_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            given = _given(target, operation, done)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.returncode, target.placeless(given, operation)


def _given(target: Target, operation: Operation, done: subprocess.CompletedProcess[bytes]) -> bytes:
    """Return what was given as the answer; nothing where the file for it is not there."""
    path = target.answer_file(operation)
    if path is not None:
        return path.read_bytes() if path.is_file() else b""
    return done.stderr if target.answer_stream(operation) == "stderr" else done.stdout


def identity(command: Sequence[str], package_dir: Path | None) -> str:
    """Return a name of a tool's code: its package's files, or its executable, and this Python.

    Args:
        command: how it is started.
        package_dir: the folder of its code, where it tells one.
    """
    sha = hashlib.sha256(f"{platform.python_version()}\n".encode())
    files = sorted(package_dir.rglob("*.py")) if package_dir is not None else []
    files += [Path(part) for part in command if Path(part).is_file()]
    for path in files:
        sha.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return sha.hexdigest()
