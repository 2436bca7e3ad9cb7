"""The ground that edits work on: which file a key names, and which others there are. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Self

from soakproof.dice import pick
from soakproof.model import Operation
from soakproof.workload.languages import Language

__all__ = ["Ground"]


@dataclass(frozen=True, slots=True)
class Ground:
    """What is edited in a run.

    Args:
        operations: the target's operations.
        language: how a line is changed.
        files: the segment's files; none: a copy of the standard library, which is not listed.
        mtime_step_ms: new content gets a time stamp so much later than its writing.
    """

    operations: Mapping[str, Mapping[str, Any]]
    language: Language
    files: Sequence[str] = ()
    mtime_step_ms: int = 0

    @classmethod
    def of(cls, target: Mapping[str, Any], segment: Mapping[str, Any]) -> Self:
        """Return the ground of a plan's target and segment."""
        inputs = sorted(segment.get("inputs", ()))
        step_ms = target.get("edits", {}).get("mtime_step_ms", 0)
        return cls(target["operations"], Language.of(target), inputs, step_ms)

    def path_of(self, operation: Operation) -> str:
        """Return the file that an edit changes that begins with an operation."""
        if operation.edit_path is not None:
            return operation.edit_path
        if self.operations[operation.kind]["keys"] == "modules":
            return operation.key.replace(".", "/") + ".py"
        return operation.key

    def other_than(self, path: str, operation: Operation, dice: random.Random) -> str:
        """Return another file: one that the answer depends on, where the target names some.

        Where it depends on its own file alone it is any other, which must not change the answer;
        in a copy of the standard library the package's ``__init__``.
        """
        depends = self.operations[operation.kind]["depends"]
        patterns = ["*"]
        if isinstance(depends, Mapping):
            patterns = [one.replace("{key}", operation.key) for one in depends["files"]]
        others = [
            file
            for file in self.files
            if file != path and any(fnmatchcase(file, pattern) for pattern in patterns)
        ]
        if others:
            return pick(dice, others)
        package = PurePosixPath(path).parent
        if path.endswith(".py"):
            top = package == PurePosixPath()
            return "soakproof_near.py" if top else str(package / "__init__.py")
        return str(package / f"soakproof_near{PurePosixPath(path).suffix}")

    def concerns(self, edited_key: str, operation: Operation) -> bool:
        """Whether an answer to an operation shows what became of an edited file."""
        if operation.key == edited_key:
            return True
        return bool(self.files) and self.operations[operation.kind]["depends"] != "key"
