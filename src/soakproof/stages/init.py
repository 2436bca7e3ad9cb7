"""The stage ``init``: write what a project needs to soak its own cache; never over anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from soakproof.errors import UsageError
from soakproof.rundir import write_bytes
from soakproof.starter import STARTER, content

__all__ = ["Begun", "init"]


@dataclass(frozen=True, slots=True)
class Begun:
    """What was written.

    Args:
        wrote: paths relative to the project.
        left_alone: path of a file that was there → what may be added to it.
    """

    wrote: tuple[str, ...]
    left_alone: dict[str, str]


def init(folder: Path) -> Begun:
    """Write the starter's files into a project, those that are not there yet.

    Args:
        folder: the project's folder; made when needed.

    Raises:
        UsageError: it is no folder, or nothing can be written there.
    """
    wrote, left_alone = [], {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, name in STARTER.items():
            path = folder / place
            if path.exists() or path.is_symlink():
                left_alone[place] = content(name)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content(name).encode())
            wrote.append(place)
    except OSError as problem:
        message = f"{folder}: expected a folder that can be written to; {problem}"
        raise UsageError(message) from None
    return Begun(tuple(wrote), left_alone)
