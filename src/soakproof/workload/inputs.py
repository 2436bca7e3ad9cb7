"""Watch the input: a tool that is asked about files has no business changing them.

Looked at while no operation runs, by stat and, where that differs, by content. What was changed is
put back where its content was kept, so that one slip is one finding and not all that follow it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soakproof.model import ABSENT

__all__ = ["InputWatch", "keep_originals"]


def keep_originals(segment: Path, inputs: Mapping[str, str], versions: Path) -> None:
    """Keep the content of every listed file by its SHA-256, before anybody can change it."""
    for path, sha256 in inputs.items():
        if not (versions / sha256).exists():
            shutil.copy(segment / path, versions / sha256)


@dataclass(slots=True)
class _Known:
    version: str
    stat: tuple[int, int, int] | None


class InputWatch:
    """Knows which version of each file must be there.

    Args:
        segment: the segment's folder.
        inputs: path → SHA-256, as the segment was prepared.
        versions: folder with kept contents, by SHA-256.
    """

    def __init__(self, segment: Path, inputs: Mapping[str, str], versions: Path) -> None:
        self._segment = segment
        self._versions = versions
        self._known = {path: _Known(one, _stat(segment / path)) for path, one in inputs.items()}

    def edited(self, path: str, version: str) -> None:
        """A step of an edit has ended: this is what must be there from now on."""
        self._known[path] = _Known(version, _stat(self._segment / path))

    def look(self) -> dict[str, Any]:
        """Return what was looked at and what changed; no operation and no edit is under way."""
        changed = []
        for path, known in self._known.items():
            file = self._segment / path
            if _stat(file) == known.stat:
                continue
            found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ABSENT
            if found != known.version:
                restored = self._restore(file, known.version)
                told = {"path": path, "expected": known.version, "found": found}
                changed.append(told | {"restored": restored})
                known.version = known.version if restored else found
            known.stat = _stat(file)
        return {"looked_at": len(self._known), "changed": changed}

    def _restore(self, file: Path, version: str) -> bool:
        if version == ABSENT:
            file.unlink()
            return True
        kept = self._versions / version
        if not kept.exists():
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        shutil.copy(kept, file)
        return True


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
