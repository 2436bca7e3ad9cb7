"""What an answer depends on, as the target says: its key's file, all files, or some. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Scope", "module_path", "scopes_of"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What the answers of one operation kind depend on.

    Args:
        keys: where its keys come from (``modules``, ``files``, ``queries``, ``fixed``).
        patterns: of the files; ``None``: the key's own file; none at all: every file.
    """

    keys: str
    patterns: tuple[str, ...] | None

    @classmethod
    def of(cls, operation: Mapping[str, Any]) -> Self:
        """Return the scope of a validated operation of a target."""
        depends = operation["depends"]
        if isinstance(depends, Mapping):
            return cls(operation["keys"], tuple(depends["files"]))
        return cls(operation["keys"], None if depends == "key" else ())

    def path(self, key: str) -> str | None:
        """Return the one file that an answer depends on; ``None``: it depends on several."""
        return self.file_of(key) if self.patterns is None else None

    def file_of(self, key: str) -> str:
        """Return the file that a key names, relative to the segment."""
        return module_path(key) if self.keys == "modules" else key

    def covers(self, key: str) -> Callable[[str], bool]:
        """Return which files an answer about a key depends on."""
        if self.patterns is None:
            return self.file_of(key).__eq__
        if not self.patterns:
            return _every
        patterns = [pattern.replace("{key}", key) for pattern in self.patterns]
        return lambda path: any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def scopes_of(target: Mapping[str, Any]) -> dict[str, Scope]:
    """Return operation kind → its scope, of a validated target document."""
    return {kind: Scope.of(one) for kind, one in target["operations"].items()}


def module_path(key: str) -> str:
    """Return the file of a module key, relative to the segment."""
    return key.replace(".", "/") + ".py"


def _every(_path: str) -> bool:
    return True
