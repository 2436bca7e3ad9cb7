"""Folders of this machine, and the names that stand for them in what is published.

The record is public, so no path of the machine may get into it. ``clean`` writes ``{run}`` or
``{python}`` in place of a folder and keeps what they stand for in ``places.json``, which stays in
the run's folder; ``run`` puts the folders back in memory. Nothing else knows about it.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self

from soakproof.model import SCHEMA_VERSION
from soakproof.rundir import Project, RunDir, write_json
from soakproof.schema import check, load_json

__all__ = ["Places", "reveal_plan"]

_BEFORE: Final = r"(?<![\w.~-])"
"""A folder's name inside another path is not that folder."""
_AFTER: Final = r"(?![\w.~-])"


@functools.lru_cache(maxsize=8)
def _as_bytes(
    folders: tuple[tuple[str, str], ...],
) -> tuple[tuple[bytes, re.Pattern[bytes], bytes], ...]:
    """Return of each folder its bytes, what finds them, and its name: made once for many lines."""
    encoded = [(name, folder.encode("utf-8", "surrogateescape")) for name, folder in folders]
    return tuple(
        (
            found,
            re.compile(_BEFORE.encode() + re.escape(found) + _AFTER.encode()),
            f"{{{name}}}".encode(),
        )
        for name, found in encoded
    )


@dataclass(frozen=True, slots=True)
class Places:
    """Name → folder, absolute; the folders of a run that nobody else needs to know.

    Args:
        folders: such as ``{"run": "/…/_ctx/runs/x", "python": "/usr"}``.
    """

    folders: Mapping[str, str]

    @classmethod
    def of(cls, project: Project, run: RunDir, commands: Iterable[Iterable[str]] = ()) -> Self:
        """Return the places of a run: its folder, the project, Python, home, and of commands.

        Args:
            project: the project.
            run: the run.
            commands: command lines; the folder of each absolute path in them gets a name, too.
        """
        folders = {
            "run": str(run.path),
            "project": str(project.root),
            "python": sys.prefix,
            "home": str(Path.home()),
        }
        named = cls({name: path for name, path in folders.items() if _is_a_place(path)})
        for argument in (part for command in commands for part in command):
            hidden = named.hide(argument)
            parent = str(PurePosixPath(hidden).parent)
            if hidden.startswith("/") and _is_a_place(parent):
                number = sum(name.startswith("place") for name in named.folders) + 1
                named = cls({**named.folders, f"place{number}": parent})
        return named

    @classmethod
    def load(cls, run: RunDir) -> Self:
        """Return the places that ``clean`` wrote; none where it wrote none."""
        if not run.places.exists():
            return cls({})
        return cls(load_json(run.places, "places", hint="")["folders"])

    def save(self, run: RunDir) -> None:
        """Write ``places.json``."""
        document = {"schema_version": SCHEMA_VERSION, "folders": dict(self.folders)}
        check(document, "places", run.places)
        write_json(run.places, document)

    def hide(self, text: str) -> str:
        """Return the text with names in place of folders, the longest folder first."""
        for name, folder in self._longest_first():
            if folder in text:
                text = re.sub(f"{_BEFORE}{re.escape(folder)}{_AFTER}", f"{{{name}}}", text)
        return text

    def hide_bytes(self, data: bytes) -> bytes:
        """Return UTF-8 (or nearly) with names in place of folders; other bytes stay."""
        for found, pattern, name in _as_bytes(tuple(self._longest_first())):
            if found in data:
                data = pattern.sub(name, data)
        return data

    def hide_in(self, document: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return a JSON value with every text in it hidden."""
        return _mapped(document, self.hide)

    def reveal_in(self, document: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return a JSON value with the folders back in every text."""

        def reveal(text: str) -> str:
            for name, folder in self.folders.items():
                text = text.replace(f"{{{name}}}/", f"{folder}/")
                if text.endswith(f"{{{name}}}"):
                    text = f"{text.removesuffix(f'{{{name}}}')}{folder}"
            return text

        return _mapped(document, reveal)

    def _longest_first(self) -> list[tuple[str, str]]:
        return sorted(self.folders.items(), key=lambda item: (-len(item[1]), item[0]))


def reveal_plan(run: RunDir, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the plan with this machine's folders in its commands, ready to start processes."""
    places = Places.load(run)
    revealed = json.loads(json.dumps(plan))
    command = revealed["settings"]["target_command"]
    command["value"] = places.reveal_in(command["value"])
    revealed["target"] = places.reveal_in(revealed["target"])
    return dict(revealed)


def _is_a_place(folder: str) -> bool:
    """Whether a folder says something about a machine: ``/``, ``/usr`` and ``/tmp`` do not."""
    return len(PurePosixPath(folder).parts) > 1 and folder not in _EVERYWHERE


_EVERYWHERE: Final = frozenset({"/usr", "/usr/bin", "/bin", "/tmp", "/usr/local", "/usr/local/bin"})  # noqa: S108 - names, not files


def _mapped(value: Any, change: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return value
