"""Rooms: folders in which questions are asked, one after another, each about its own files.

A question about a whole segment has a hundred files, and the next one nearly the same. So a file
that is still what was laid there, byte for byte, stays; all else is taken away: whatever the tool
wrote, changed or made is not there for the next question. Files are copies, never links: a tool
that writes into its input damages a copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["Contents", "Room"]


class Contents:
    """The SHA-256 of files that do not change, each read once; for several threads."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a file's content."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return known


class Room:
    """A folder with three in it: the input of a question, and two that begin empty.

    Args:
        path: the folder; what is there is removed.
        contents: knows what the files hold that are laid here.
    """

    def __init__(self, path: Path, contents: Contents) -> None:
        self.segment = path / "segment"
        self.telemetry = path / "telemetry"
        self.scratch = path / "scratch"
        self._path = path
        self._contents = contents
        shutil.rmtree(path, ignore_errors=True)

    def lay(self, files: Mapping[str, Path]) -> None:
        """Make the room ready for a question.

        Args:
            files: path relative to the segment → the file that holds its content; nothing else
                will be there.
        """
        for folder in (self.telemetry, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        if self.segment.is_symlink() or not self.segment.is_dir():
            shutil.rmtree(self._path)
            for folder in (self.segment, self.telemetry, self.scratch):
                folder.mkdir(parents=True)
        left = self._left(files)
        for path, content in files.items():
            if path in left:
                continue
            goal = self.segment / path
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(content, goal)
            goal.chmod(content.stat().st_mode)

    def _left(self, files: Mapping[str, Path]) -> set[str]:
        """Take away what is not to be there; return the paths of what stays."""
        left = set()
        top = f"{self.segment}{os.sep}"
        for folder, folders, names in os.walk(self.segment, topdown=False):
            for name in names:
                path = os.path.join(folder, name)
                relative = path.removeprefix(top)
                if relative in files and self._is(path, files[relative]):
                    left.add(relative)
                else:
                    os.unlink(path)
            for name in folders:
                inner = Path(folder, name)
                if inner.is_symlink():
                    inner.unlink()
                else:
                    with suppress(OSError):  # something stays in it
                        inner.rmdir()
        return left

    def _is(self, path: str, content: Path) -> bool:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # a link, a socket, or nobody may read it any more
            return False
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
                return False
            if state.st_mode != content.stat().st_mode:
                return False
            found = hashlib.sha256(os.read(fd, state.st_size + 1)).hexdigest()
        finally:
            os.close(fd)
        return found == self._contents.sha256(content)
