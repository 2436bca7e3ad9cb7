"""What an answer may depend on, read from the target in the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["Reach", "reach_of"]


@dataclass(frozen=True, slots=True)
class Reach:
    """The files that one answer depends on.

    Args:
        file: the only one; ``None``: those that ``globs`` names.
        globs: patterns; empty: every file.
    """

    file: str | None
    globs: tuple[str, ...] = ()

    def includes(self, path: str) -> bool:
        """Whether a change of a file may change the answer."""
        if self.file is not None:
            return path == self.file
        return not self.globs or any(fnmatchcase(path, glob) for glob in self.globs)


def reach_of(plan: Mapping[str, Any], kind: str, key: str) -> Reach:
    """Return what an answer about a key depends on; of an unknown kind: every file."""
    operation = plan["target"]["operations"].get(kind)
    if operation is None or operation["depends"] == "segment":
        return Reach(None)
    if operation["depends"] != "key":
        return Reach(
            None, tuple(one.replace("{key}", key) for one in operation["depends"]["files"])
        )
    return Reach(key if operation["keys"] == "files" else f"{key.replace('.', '/')}.py")
