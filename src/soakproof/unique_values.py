"""Values that say which write made them: a pure function of write, key and size.

A library's answer is worth most when it says which write it saw. So each write of a soak has a
value of its own, ``<write>:<key>:<size>:<filler>``, and the filler differs from write to write all
along its length: half of one value and half of another is neither.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["FOREIGN", "made_by", "value_of"]

FOREIGN: Final = "?"
"""What the history's text of a foreign answer begins with."""

_SHOWN_CHARS: Final = 120


def value_of(write: int, key: str, size: int) -> str:
    """Return the value of a write: ``size`` characters of filler behind its name."""
    grain = f"{write:x}."
    return f"{write}:{key}:{size}:{(grain * (size // len(grain) + 1))[:size]}"


def made_by(value: Any, key: str) -> int | str:  # noqa: ANN401 - whatever a library answered
    """Return the write that made a value of a key, or a text of what it is instead.

    A value that differs in a single character from what was written, or is another key's, is
    foreign; its text begins with :data:`FOREIGN`.
    """
    if isinstance(value, str):
        head, _, rest = value.partition(":")
        size = rest[len(key) + 1 :].partition(":")[0]
        # int() would take "1_0", " 1" and other spellings; only what we write is looked at.
        if head.isdecimal() and size.isdecimal() and len(head) + len(size) <= len(value):
            write = int(head) if len(head) <= _MOST_DIGITS else -1
            wanted = int(size) if len(size) <= _MOST_DIGITS else -1
            if 0 <= wanted <= len(value) and value == value_of(write, key, wanted):
                return write
    shown = value if isinstance(value, str) else repr(value)
    if len(shown) > _SHOWN_CHARS:
        shown = f"{shown[:_SHOWN_CHARS]}… ({len(shown)} characters)"
    return FOREIGN + shown


_MOST_DIGITS: Final = 18
