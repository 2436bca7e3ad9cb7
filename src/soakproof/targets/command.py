"""Find a target's command, and ask it about itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from soakproof.errors import SoakError, UsageError

__all__ = ["about", "resolve_command"]

_ABOUT_DEADLINE_S: Final = 60
"""A hang guard: the command prints a line about itself."""


def resolve_command(
    command: Sequence[str], origin: str, root: Path | None = None
) -> tuple[str, ...]:
    """Return the command with its executable, and files of the project, as absolute paths.

    A bare name is looked for beside the running Python first, so that the tool of this environment
    is soaked and not another one on PATH.

    Args:
        command: the executable and what follows it.
        origin: who names it, for the message.
        root: the project's folder: what follows may name a file in it.

    Raises:
        UsageError: there is no such executable.
    """
    name = command[0]
    beside = Path(sys.executable).parent
    search = os.pathsep.join([str(beside), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=search)
    if found is None:
        message = (
            f"{origin}: expected an executable, found {name!r}, which is neither beside "
            f"{sys.executable} nor on PATH; install the tool, or give --target-command"
        )
        raise UsageError(message)
    return (os.path.abspath(found), *(_of_project(part, root) for part in command[1:]))


def _of_project(part: str, root: Path | None) -> str:
    """Return a file of the project as an absolute path: operations may run in another folder."""
    return str(root / part) if root is not None and (root / part).is_file() else part


def about(command: Sequence[str], arguments: Sequence[str]) -> dict[str, Any]:
    """Return what the tool says about itself (at least ``version`` and ``package_dir``).

    Raises:
        SoakError: it ended with an error, hung, or did not print a JSON object with those keys.
    """
    argv = [*command, *arguments]
    shown = " ".join(argv)
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            timeout=_ABOUT_DEADLINE_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        document = json.loads(done.stdout)
        if not isinstance(document, dict) or not {"version", "package_dir"} <= document.keys():
            problem: object = f"found {str(document)[:120]!r}"
        else:
            return document
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        problem = error
    message = f"`{shown}`: expected a JSON object with version and package_dir; {problem}"
    raise SoakError(message)
