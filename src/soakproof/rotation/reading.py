"""Read a file of lines and its parts as one stream, also while it is written and cut.

Memory is bounded by the longest line. A part that is missing, cut off or damaged is told by its
name: nobody may take what is left for the whole.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final, TypeAlias

from soakproof.errors import EvidenceBroken
from soakproof.rotation.names import PACKED, numbers, sealed

__all__ = [
    "Lines",
    "Opened",
    "is_there",
    "lines_by_part",
    "members",
    "naming_damage",
    "open_next",
    "opened_part",
    "stream",
    "stream_sha256",
]

_CHUNK_BYTES: Final = 1 << 20

_TRIES: Final = 100
"""A part that is listed and cannot be opened is no part; one that is being packed is there soon."""

Opened: TypeAlias = IO[bytes] | gzip.GzipFile

Lines: TypeAlias = Iterator[tuple[int, bytes, bool]]
"""1-based number in the stream, line without its end, whether it ended."""


def is_there(path: Path) -> bool:
    """Whether any of a file of lines is there: itself, or a part of it."""
    return path.exists() or bool(numbers(path))


def stream(path: Path) -> Lines:
    """Yield the lines of a file and its parts; empty ones are not yielded, but counted.

    Raises:
        FileNotFoundError: there is neither.
        EvidenceBroken: a part is missing or damaged; names it.
    """
    for _, lines in lines_by_part(path):
        yield from lines


def lines_by_part(path: Path) -> Iterator[tuple[Path, Lines]]:
    """Yield each part with its lines, to be read before the next is asked for; the file is last.

    Raises:
        FileNotFoundError: there is neither.
        EvidenceBroken: a part is missing or damaged; names it.
    """
    read = 0

    def lines(part: Path, file: Opened) -> Lines:
        nonlocal read
        with naming_damage(part):
            for line in file:
                read += 1
                body = line.rstrip(b"\r\n")
                if body:
                    yield read, body, line.endswith(b"\n")

    for part, file in _opened(path):
        yield part, lines(part, file)


def members(path: Path) -> list[Path]:
    """Return the files that make up a stream now, in their order.

    Raises:
        EvidenceBroken: a part is missing; names it.
    """
    return [part for part, _ in _opened(path)] if is_there(path) else []


def stream_sha256(path: Path) -> str:
    """Return the SHA-256 of the stream: the same wherever it was cut, or not at all.

    Raises:
        FileNotFoundError: there is nothing.
        EvidenceBroken: a part is missing or damaged; names it.
    """
    sha = hashlib.sha256()
    for part, file in _opened(path):
        with naming_damage(part):
            while chunk := file.read(_CHUNK_BYTES):
                sha.update(chunk)
    return sha.hexdigest()


def opened_part(path: Path, number: int) -> tuple[Path, Opened] | None:
    """Open a sealed part; ``None``: it is not there, under either name."""
    plain, packed = sealed(path, number)
    try:
        return plain, plain.open("rb")
    except FileNotFoundError:
        pass  # it is packed, or is not sealed yet
    try:
        # GzipFile would leave the descriptor to the garbage collector if it were given one.
        return packed, gzip.open(packed)
    except FileNotFoundError:
        return None


def _opened(path: Path) -> Iterator[tuple[Path, Opened]]:
    """Yield every part and then the file, open; a cut under our hands loses and doubles nothing."""
    number = 1
    while (found := open_next(path, number)) is not None:
        with closing(found[1]):
            yield found
        if found[0] == path:
            return
        number += 1


def open_next(path: Path, number: int) -> tuple[Path, Opened] | None:
    """Open a part, or the file where that is not sealed yet; ``None``: there is no more.

    Raises:
        FileNotFoundError: there is nothing at all.
        EvidenceBroken: the part is missing; names it.
    """
    for _ in range(_TRIES):
        if (found := opened_part(path, number)) is not None:
            return found
        later = [one for one in numbers(path) if one >= number]
        if number in later:
            continue  # it was sealed just now
        if later:
            raise _missing(path, number, later[0])
        try:
            file = path.open("rb")
        except FileNotFoundError:
            if number in numbers(path):
                continue
            if number == 1:
                raise
            return None  # the writer was killed between two names: every line is in a part
        if number not in numbers(path):  # else what we opened may be a later part by now
            return path, file
        file.close()
    raise _missing(path, number, number)


def _missing(path: Path, number: int, later: int) -> EvidenceBroken:
    lost, there = sealed(path, number)[0], sealed(path, later)[0]
    return EvidenceBroken(
        f"{lost}{{,{PACKED}}}: expected this part, for {there.name} is there; found none: its "
        "lines are lost, and what is left proves nothing; restore it, or run again"
    )


@contextmanager
def naming_damage(part: Path) -> Iterator[None]:
    """Turn what unpacking says of a damaged part into an error that names it."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        message = (
            f"{part}: expected a whole compressed part, found one that ends early or is damaged "
            f"({problem}); restore it, or run again"
        )
        raise EvidenceBroken(message) from None
