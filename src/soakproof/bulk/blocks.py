"""Read files as blocks of whole lines: plain files by byte ranges, gzip and zstd as streams.

Memory is bounded by the block and the longest line that is read, whatever the file holds.
A block is cut at its line feeds as it comes, and only a line that lies in two is put together:
`BytesIO.readlines` finds a line feed many bytes at a time, which `bytes.split` and `bytes.count` do
not, and so cutting costs half of counting the line feeds.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "LONGEST_LINE_BYTES",
    "Block",
    "CutOff",
    "Form",
    "Part",
    "TooLong",
    "blocks",
    "form_of",
    "parts",
]

LONGEST_LINE_BYTES: Final = 8 * 1024 * 1024
"""A line that is longer is not read: a hundred thousand times what an event has."""

_BLOCK_BYTES: Final = 128 * 1024
"""Fits the processor's cache, and costs a read for a few hundred events."""
_PART_BYTES: Final = 32 * 1024 * 1024

_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

Form = str
"""``plain``, ``gzip`` or ``zstd``: what the first bytes say, not the name."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file; a line belongs to the part that it begins in.

    Args:
        path: the file.
        file: its number.
        form: how it is stored; what is compressed has one part.
        start: first byte.
        end: the byte after the last; ``None``: all that is there.
    """

    path: Path
    file: int
    form: Form
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that follow each other.

    Args:
        lines: with their line feeds, and at least one; only the last of a file may lack it.
        ascii: no byte of them is above 127; where it is not set, some may be.
    """

    lines: list[bytes]
    _: KW_ONLY
    ascii: bool


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line that is longer than :data:`LONGEST_LINE_BYTES`, in place of its bytes."""

    line_bytes: int


class CutOff(Exception):
    """A compressed file ends early or is damaged; what came before was yielded."""


def form_of(path: Path) -> Form:
    """Return how a file is stored.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        first = file.read(4)
    return next((form for magic, form in _MAGIC.items() if first.startswith(magic)), "plain")


def parts(path: Path, file: int, part_bytes: int = _PART_BYTES) -> list[Part]:
    """Return the parts of a file as long as it is now, to be counted in any order.

    Raises:
        OSError: it cannot be read.
    """
    form = form_of(path)
    if form != "plain":
        return [Part(path, file, form)]
    size = path.stat().st_size
    return [
        Part(path, file, form, start, min(start + part_bytes, size))
        for start in range(0, size, part_bytes)
    ] or [Part(path, file, form, 0, 0)]


def blocks(part: Part) -> Iterator[Block | TooLong]:
    """Yield the lines of a part, many at once.

    Raises:
        OSError: it cannot be read.
        CutOff: it is compressed and damaged.
    """
    with part.path.open("rb") as file:
        yield from _cut(_plain(file, part) if part.form == "plain" else _unpacked(file, part.form))


def _cut(pieces: Iterator[bytes]) -> Iterator[Block | TooLong]:
    """Yield the lines of pieces that were cut anywhere."""
    rest: list[bytes] = []
    held = 0  # bytes of a line that has not ended
    for piece in pieces:
        lines = BytesIO(piece).readlines()
        tail = b"" if lines[-1].endswith(b"\n") else lines.pop()
        if lines and held:
            if held + len(lines[0]) - 1 > LONGEST_LINE_BYTES:
                yield TooLong(held + len(lines[0]) - 1)
                del lines[0]
            else:
                lines[0] = b"".join((*rest, lines[0]))
            rest, held = [], 0
        if lines:
            yield Block(lines, ascii=piece.isascii() and lines[0].isascii())
        held += len(tail)
        if held > LONGEST_LINE_BYTES:
            rest = []
        elif tail:
            rest.append(tail)
    if held > LONGEST_LINE_BYTES:
        yield TooLong(held)
    elif held:
        last = b"".join(rest)
        yield Block([last], ascii=last.isascii())


def _plain(file: IO[bytes], part: Part) -> Iterator[bytes]:
    """Yield the bytes of the lines that begin in a part."""
    at = part.start
    if at:
        at = _after_line_feed(file, at - 1)
    end = part.end
    file.seek(at)
    while end is None or at < end:
        wanted = _BLOCK_BYTES if end is None else min(_BLOCK_BYTES, end - at)
        if not (piece := file.read(wanted)):
            return
        at += len(piece)
        yield piece
        if end is not None and at >= end and not piece.endswith(b"\n"):
            yield from _to_line_feed(file)


def _to_line_feed(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is left of a line, in pieces."""
    while piece := file.readline(_BLOCK_BYTES):
        yield piece
        if piece.endswith(b"\n"):
            return


def _after_line_feed(file: IO[bytes], at: int) -> int:
    """Return where the line after the one at a byte begins."""
    file.seek(at)
    return at + sum(map(len, _to_line_feed(file)))


def _unpacked(file: IO[bytes], form: Form) -> Iterator[bytes]:
    """Yield what a compressed file holds, as far as it can be read."""
    reader = gzip.GzipFile(fileobj=file) if form == "gzip" else zstd.ZstdFile(file)
    with closing(reader):
        while True:
            try:
                # read1, or what came before the damage would be lost with it.
                piece = reader.read1(_BLOCK_BYTES)
            except (EOFError, OSError, zlib.error, zstd.ZstdError) as problem:
                message = f"{form} ends early or is damaged: {problem}"
                raise CutOff(message) from None
            if not piece:
                return
            yield piece
