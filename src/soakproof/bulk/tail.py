"""Read a file of lines while others write it, truncate it, or put another in its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from gzip import GzipFile
from pathlib import Path
from typing import IO, Final, Literal

from soakproof.bulk.blocks import LONGEST_LINE_BYTES

__all__ = ["Line", "Moved", "Tail"]

_BLOCK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line.

    Args:
        number: 1-based, in the file that has the name now.
        body: the line without its end; nothing of one that is too long.
        size_bytes: how long it is.
        whole: it has ended.
    """

    number: int
    body: bytes
    size_bytes: int
    _: KW_ONLY
    whole: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """The file is not the one that was read: its lines are numbered anew."""

    how: Literal["truncated", "replaced", "removed"]


class Tail:
    """The end of a file that grows.

    Args:
        path: the file; it may not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | GzipFile | None = None
        self._lines = 0
        self._held: list[bytes] = []
        self._held_bytes = 0

    def new(self) -> Iterator[Line | Moved]:
        """Yield the whole lines that came since the last call, and whether the file moved."""
        if self._file is None and not self._open():
            return
        assert self._file is not None  # noqa: S101 - for the type checker
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            yield from self._again("truncated")
        yield from self._read()
        try:
            same = os.path.samestat(self.path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            yield from self._read()
            yield from self._again("removed")
            return
        if not same:
            yield from self._read()  # what the old file still got before its name was taken
            yield from self._again("replaced")
            yield from self.new()

    def rest(self) -> Line | None:
        """Return the line that never ended, if there is one."""
        if not self._held_bytes:
            return None
        return Line(self._lines + 1, b"".join(self._held), self._held_bytes, whole=False)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        try:
            self._file = self.path.open("rb")
        except FileNotFoundError:
            return False
        return True

    def _again(self, how: Literal["truncated", "replaced", "removed"]) -> Iterator[Line | Moved]:
        """Begin anew; what never ended is yielded as it is."""
        if (rest := self.rest()) is not None:
            yield rest
        yield Moved(how)
        self._lines, self._held, self._held_bytes = 0, [], 0
        if how == "truncated" and self._file is not None:
            self._file.seek(0)
        else:
            self.close()

    def _read(self) -> Iterator[Line]:
        while self._file is not None and (piece := self._file.read(_BLOCK_BYTES)):
            *ended, tail = piece.split(b"\n")
            for part in ended:
                self._hold(part)
                self._lines += 1
                body = b"".join(self._held)
                if self._held_bytes:
                    yield Line(self._lines, body, self._held_bytes, whole=True)
                self._held, self._held_bytes = [], 0
            self._hold(tail)

    def _hold(self, part: bytes) -> None:
        self._held_bytes += len(part)
        if self._held_bytes > LONGEST_LINE_BYTES:
            self._held = []
        elif part:
            self._held.append(part)
