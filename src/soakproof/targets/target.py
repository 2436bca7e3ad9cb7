"""A target: how an operation of it is started, and what its answer means. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soakproof.model import Operation, Outcome

__all__ = ["Places", "Target"]


@dataclass(frozen=True, slots=True)
class Places:
    """What the placeholders of a target's file stand for in one run."""

    run_id: str
    segment: Path
    telemetry: Path


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

    def env(self, operation: Operation, base: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of an operation.

        Variables that the target's file sets win; others with the same prefix as those
        (``TRIFECTA_…``) are left out, so that the caller's shell does not change what is soaked.
        """
        return self._env(base, operation)

    def base_env(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of a process that does many operations."""
        return self._env(base, None)

    def _env(self, base: Mapping[str, str], operation: Operation | None) -> dict[str, str]:
        given: Mapping[str, str] = self.document["environment"]
        prefixes = tuple({name.partition("_")[0] + "_" for name in given if "_" in name})
        env = {name: value for name, value in base.items() if not name.startswith(prefixes)}
        env.update({name: self._fill(value, operation) for name, value in given.items()})
        return env

    @property
    def cache_folder(self) -> Path:
        """Folder of the cache's files."""
        return Path(self._fill(self.document["cache"]["directory"]))

    @property
    def lock_path(self) -> Path:
        """The lock file that writers take."""
        return Path(self._fill(self.document["cache"]["lock"]))

    def normal(self, answer: bytes) -> bytes:
        """Return an answer without what depends on where the segment lies."""
        return answer.replace(str(self.places.segment).encode(), b"{segment}")

    def judge(self, exit_code: int | None, answer: bytes) -> tuple[Outcome, str | None]:
        """Return how an operation that ended by itself ended, and why if not ok.

        An answer is taken from what was printed, never from the exit code alone: exit 0 with
        nothing, or with half a document, is no answer.
        """
        if exit_code is None:
            return Outcome.INFO, "signal"
        if exit_code != 0:
            return Outcome.FAIL, "exit"
        try:
            document = json.loads(answer)
        except ValueError:
            return Outcome.FAIL, "no_answer"
        if not isinstance(document, dict) or document.get("status", "ok") != "ok":
            return Outcome.FAIL, "no_answer"
        return Outcome.OK, None

    def _fill(self, template: str, operation: Operation | None = None) -> str:
        filled = (
            template.replace("{segment}", str(self.places.segment))
            .replace("{telemetry}", str(self.places.telemetry))
            .replace("{run_id}", self.places.run_id)
        )
        if operation is not None:
            filled = filled.replace("{op}", operation.op_id).replace("{key}", operation.key)
        return filled
