"""What damage does to a file's bytes; pure: content in, changes out, all from the dice."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from soakproof.dice import uniform_int

__all__ = ["MODES", "RANDOM_MODES", "WAL_MODES", "Change", "Content", "changes"]

_HEADER_BYTES: Final = 100
"""The header of a database file (https://www.sqlite.org/fileformat2.html, 1.3)."""

_WAL_HEADER_BYTES: Final = 32
"""The header of a write-ahead log (the same, 4.1)."""

_DEFAULT_PAGE_BYTES: Final = 4096
_LARGEST_PAGE: Final = 65536
_PATCHES_OF_FLIPS: Final = 1 << 8


@dataclass(frozen=True, slots=True)
class Content:
    """A file before its damage.

    Args:
        size: in bytes.
        read: offset and length → bytes, fewer at the end.
        earlier: the same of an earlier copy; reads nothing where there is none.
        page_bytes: the size of a page.
    """

    size: int
    read: Callable[[int, int], bytes]
    earlier: Callable[[int, int], bytes]
    page_bytes: int

    @classmethod
    def of(
        cls,
        size: int,
        read: Callable[[int, int], bytes],
        earlier: Callable[[int, int], bytes] = lambda _at, _length: b"",
    ) -> Content:
        """Return the content with the page size that its header says."""
        said = int.from_bytes(read(16, 2), "big")
        page_bytes = _LARGEST_PAGE if said == 1 else said
        valid = page_bytes >= 512 and page_bytes & (page_bytes - 1) == 0  # noqa: PLR2004 - the format's own least size
        return cls(size, read, earlier, page_bytes if valid else _DEFAULT_PAGE_BYTES)

    def page(self, number: int) -> bytes:
        """Return a page, the first being 0."""
        return self.read(number * self.page_bytes, self.page_bytes)


@dataclass(frozen=True, slots=True)
class Change:
    """Bytes to write, and then the size to cut to (``None``: as it is)."""

    patches: Mapping[int, bytes]
    size: int | None = None


def changes(mode: str, content: Content, dice: random.Random, bits: int) -> Change:
    """Return what one mode does to a content that is not empty."""
    return MODES[mode](content, dice, bits)


def _bit_flip(content: Content, dice: random.Random, bits: int) -> Change:
    return _flips(content, dice, bits, 0)


def _wal_flip(content: Content, dice: random.Random, bits: int) -> Change:
    return _flips(content, dice, bits, min(_WAL_HEADER_BYTES, content.size - 1))


def _flips(content: Content, dice: random.Random, bits: int, start: int) -> Change:
    patches: dict[int, bytes] = {}
    for _ in range(min(bits, _PATCHES_OF_FLIPS)):
        at = uniform_int(dice, start, content.size - 1)
        old = patches.get(at) or content.read(at, 1)
        patches[at] = bytes([old[0] ^ (1 << uniform_int(dice, 0, 7))])
    return Change(patches)


def _old_page(content: Content, dice: random.Random, _bits: int) -> Change:
    """Put a page back as it was once; where none differs, put another page in its place."""
    count = max(1, content.size // content.page_bytes)
    start = uniform_int(dice, 0, count - 1)
    for step in range(count):
        at = (start + step) % count * content.page_bytes
        old = content.earlier(at, content.page_bytes)
        if len(old) == content.page_bytes and old != content.read(at, content.page_bytes):
            return Change({at: old})
    return Change({start * content.page_bytes: content.page((start + 1) % count)})


def _garbage_page(content: Content, dice: random.Random, _bits: int) -> Change:
    at = uniform_int(dice, 0, max(0, content.size // content.page_bytes - 1)) * content.page_bytes
    return Change({at: _noise(dice, min(content.page_bytes, content.size - at))})


def _garbage_header(content: Content, dice: random.Random, _bits: int) -> Change:
    return Change({0: _noise(dice, min(_HEADER_BYTES, content.size))})


def _truncate(content: Content, dice: random.Random, _bits: int) -> Change:
    return Change({}, uniform_int(dice, 1, max(1, content.size - 1)))


def _zero_length(_content: Content, _dice: random.Random, _bits: int) -> Change:
    return Change({}, 0)


def _noise(dice: random.Random, length: int) -> bytes:
    return bytes(uniform_int(dice, 0, 255) for _ in range(length))


Mode = Callable[[Content, random.Random, int], Change]

MODES: Final[Mapping[str, Mode]] = {
    "bit_flip": _bit_flip,
    "old_page": _old_page,
    "truncate": _truncate,
    "zero_length": _zero_length,
    "garbage_header": _garbage_header,
    "garbage_page": _garbage_page,
    "wal_flip": _wal_flip,
    "wal_truncate": _truncate,
}
"""Mode → what it does."""

WAL_MODES: Final = frozenset({"wal_flip", "wal_truncate"})
"""Modes that damage the write-ahead log and not the database."""

RANDOM_MODES: Final = frozenset({"bit_flip", "old_page", "garbage_page"})
"""Modes that may hit a stored value unseen: only a target that promises checksums must notice.

Damage to the log is none of them: each frame there has SQLite's own checksum.
"""
