"""Every error soakproof raises on purpose, with the exit code it ends in.

::

    SoakError                  1    a crash, or the machine lacks something
    ├── UsageError             2    a flag, an argument or an environment variable is wrong
    │   └── RunExists          2    a run of that id is there already
    ├── ConfigError            2    a campaign, target or gate file is wrong (path, line, key)
    ├── InvalidDocument        2    a JSON document is not what its schema says (path, JSON path)
    ├── MissingInput           2    a file that a stage reads is not there
    ├── EvidenceBroken        12    the record contradicts itself
    └── Interrupted          130    Ctrl-C or SIGTERM; the run directory is readable

Messages are one line: what was expected, what was found, where, and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

__all__ = [
    "ConfigError",
    "EvidenceBroken",
    "Interrupted",
    "InvalidDocument",
    "MissingInput",
    "RunExists",
    "SoakError",
    "UsageError",
]


class SoakError(Exception):
    """The root; ``exit_code`` is what the process ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(SoakError):
    """A flag, an argument or an environment variable cannot be used."""

    exit_code: ClassVar[int] = 2


class RunExists(UsageError):
    """A run of that id is there already, and evidence is never overwritten."""


class ConfigError(SoakError):
    """A file that a person wrote (campaign, target, gate) is wrong.

    Args:
        path: the file.
        problem: what was expected and what was found.
        line: 1-based line in ``path``, when it could be located.
        key: dotted key, such as ``faults[0].hold_ms``.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self, path: Path | str, problem: str, *, line: int | None = None, key: str = ""
    ) -> None:
        self.path = str(path)
        self.line = line
        self.key = key
        where = f"{path}:{line}" if line else str(path)
        about = f" {key}:" if key else ""
        super().__init__(f"{where}:{about} {problem}")


class InvalidDocument(SoakError):
    """A document does not satisfy its schema.

    Args:
        path: the file, or a name for a document in memory.
        json_path: where in it, such as ``$.ops.ops_total``.
        expected: what the schema asks for there.
        found: the value that is there, shortened.
        schema: the schema's name.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self, path: Path | str, *, json_path: str, expected: str, found: str, schema: str
    ) -> None:
        self.path = str(path)
        self.json_path = json_path
        self.expected = expected
        self.found = found
        self.schema = schema
        super().__init__(
            f"{path}: {json_path}: expected {expected}, found {found} (schema {schema})"
        )


class MissingInput(SoakError):
    """A stage was asked for, and what it reads is not there.

    Args:
        path: the file or folder that is missing.
        hint: the command that makes it.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, path: Path | str, hint: str) -> None:
        self.path = str(path)
        self.hint = hint
        super().__init__(f"{path}: not there; {hint}")


class EvidenceBroken(SoakError):
    """A record contradicts itself or does not match its hashes."""

    exit_code: ClassVar[int] = 12


class Interrupted(SoakError):
    """The user or the system asked to stop; everything written so far is readable."""

    exit_code: ClassVar[int] = 130
