"""A target: how an operation of it is started, and what its answer means. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from soakproof.model import Operation, Outcome
from soakproof.targets.normal import Normaliser

__all__ = ["Places", "Target"]


@dataclass(frozen=True, slots=True)
class Places:
    """What the placeholders of a target's file stand for in one run.

    Args:
        run_id: the run's name.
        segment: what is asked about.
        telemetry: takes the subject's own events.
        scratch: takes what operations write beside their answers.
    """

    run_id: str
    segment: Path
    telemetry: Path
    scratch: Path


@dataclass(frozen=True, slots=True)
class Target:
    """A target of one run.

    Args:
        document: the validated target document.
        command: the executable's absolute path, and arguments that always come first.
        places: this run's folders.
    """

    document: Mapping[str, Any]
    command: tuple[str, ...]
    places: Places

    def argv(self, operation: Operation) -> tuple[str, ...]:
        """Return the whole command line of an operation."""
        template: Sequence[str] = self.document["operations"][operation.kind]["argv"]
        return (*self.command, *(self._fill(part, operation) for part in template))

    def env(self, operation: Operation | None, base: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of an operation; ``None``: of a command beside them.

        Variables that the target's file sets win; others with the same prefix as those
        (``TRIFECTA_…``) are left out, so that the caller's shell does not change what is soaked.
        """
        return {**self.left_of(base), **self.own_env(operation)}

    def left_of(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return what of the caller's environment an operation gets."""
        given: Mapping[str, str] = self.document.get("environment", {})
        prefixes = tuple({name.partition("_")[0] + "_" for name in given if "_" in name})
        return {name: value for name, value in base.items() if not name.startswith(prefixes)}

    def own_env(self, operation: Operation | None) -> dict[str, str]:
        """Return the variables that the target's file sets for an operation."""
        given: Mapping[str, str] = self.document.get("environment", {})
        return {name: self._fill(value, operation) for name, value in given.items()}

    def beside(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return the command line of a command that is no operation (prepare, integrity …)."""
        return tuple(self._fill(part) for part in argv)

    @property
    def cwd(self) -> Path | None:
        """Working folder of every operation; ``None``: that of soakproof."""
        folder = self.document.get("cwd")
        return None if folder is None else Path(self._fill(folder))

    @property
    def cache_folder(self) -> Path:
        """Folder of the cache's files."""
        return Path(self._fill(self.document["cache"]["directory"]))

    @property
    def lock_path(self) -> Path | None:
        """The lock file that writers take, where the target names one."""
        lock = self.document["cache"].get("lock")
        return None if lock is None else Path(self._fill(lock))

    def answer_file(self, operation: Operation) -> Path | None:
        """Return the file that will hold an operation's answer; ``None``: it is printed."""
        spec = self._spec(operation)
        if spec.get("answer") != "file":
            return None
        path = Path(self._fill(spec["answer_file"], operation))
        return path if self.cwd is None else self.cwd / path

    def answer_stream(self, operation: Operation) -> str:
        """Return the stream on which an operation prints its answer."""
        return str(self._spec(operation).get("answer_stream", "stdout"))

    def placeless(self, answer: bytes, operation: Operation | None = None) -> bytes:
        """Return an answer without what depends on where the segment lies, and on our numbers."""
        names = {"{segment}": self.places.segment, "{scratch}": self.places.scratch}
        for name, place in names.items():
            answer = answer.replace(str(place).encode(), name.encode())
        if operation is not None and any("{op}" in part for part in self._words(operation)):
            answer = answer.replace(operation.op_id.encode(), b"{op}")
        return answer

    def normal(self, placeless: bytes) -> bytes:
        """Return an answer after the target's own rules."""
        return Normaliser.of(self.document)(placeless)

    def judge(
        self, operation: Operation, exit_code: int | None, answer: bytes | None
    ) -> tuple[Outcome, str | None]:
        """Return how an operation that ended by itself ended, and why if not ok.

        An answer is taken from what it gave, never from the exit code alone: exit 0 with nothing,
        or with half a document, is no answer; nor is what an exit code comes with that the target
        does not list.

        Args:
            operation: what was asked.
            exit_code: how it ended; ``None``: by a signal.
            answer: what it gave; ``None``: not even the file that was to hold it.
        """
        spec = self._spec(operation)
        if exit_code is None:
            return Outcome.INFO, "signal"
        if exit_code not in spec.get("answer_exit_codes", (0,)):
            return Outcome.FAIL, "exit"
        if answer is None or not _is_answer(spec, answer):
            return Outcome.FAIL, "no_answer"
        return Outcome.OK, None

    def hit(self, stdout: bytes, stderr: bytes) -> bool | None:
        """Return whether an answered operation was seen to be a hit; ``None``: nobody can say."""
        seen = self.document.get("hits")
        if seen is None:
            return None
        text = (stderr if seen["stream"] == "stderr" else stdout).decode("utf-8", "replace")
        return re.search(seen["pattern"], text, re.MULTILINE) is not None

    def _spec(self, operation: Operation) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.document["operations"][operation.kind]
        return spec

    def _words(self, operation: Operation) -> tuple[str, ...]:
        spec = self._spec(operation)
        return (*spec["argv"], spec.get("answer_file", ""))

    def _fill(self, template: str, operation: Operation | None = None) -> str:
        if "{" not in template:  # most parts of a command line, and each costs an operation time
            return template
        if "{cache}" in template:
            template = template.replace("{cache}", str(self.cache_folder))
        filled = (
            template.replace("{segment}", str(self.places.segment))
            .replace("{telemetry}", str(self.places.telemetry))
            .replace("{scratch}", str(self.places.scratch))
            .replace("{run_id}", self.places.run_id)
        )
        if operation is not None:
            if "{file}" in filled:
                file = self.places.segment / self._key_file(operation)
                filled = filled.replace("{file}", str(file))
            filled = filled.replace("{op}", operation.op_id)
            filled = filled.replace("{kind}", operation.kind).replace("{key}", operation.key)
        return filled

    def _key_file(self, operation: Operation) -> str:
        if self._spec(operation)["keys"] == "modules":
            return operation.key.replace(".", "/") + ".py"
        return operation.key


def _is_answer(spec: Mapping[str, Any], answer: bytes) -> bool:
    pattern = spec.get("answer_pattern")
    if pattern is not None:
        text = answer.decode("utf-8", "surrogateescape")
        if re.search(pattern, text, re.MULTILINE) is None:
            return False
    elif not answer:
        return False
    if spec.get("answer", "json") != "json":
        return True
    try:
        document = _document(answer)
    except (ValueError, RecursionError):
        return False
    if isinstance(document, dict):
        return bool(document.get("status", "ok") == "ok")
    return isinstance(document, list)


def _document(answer: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text; what the strict and fast decoder refuses goes to json."""
    try:
        return msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json.loads(answer)
