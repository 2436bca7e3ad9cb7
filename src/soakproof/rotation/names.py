"""The names of parts: ``history.00001.jsonl`` beside ``history.jsonl``, and ``.gz`` once packed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["PACKED", "numbers", "part_of", "sealed"]

PACKED: Final = ".gz"


def part_of(path: Path, number: int) -> Path:
    """Return the name of a part before it is packed.

    Args:
        path: the file of lines.
        number: from 1.
    """
    return path.with_name(f"{path.stem}.{number:05d}{path.suffix}")


def sealed(path: Path, number: int) -> tuple[Path, Path]:
    """Return the two names that a part can have: as it was written, and packed."""
    plain = part_of(path, number)
    return plain, plain.with_name(plain.name + PACKED)


def numbers(path: Path) -> list[int]:
    """Return the numbers of the parts that are there, packed or not, in their order."""
    known = re.compile(
        rf"{re.escape(path.stem)}\.(\d{{5,}}){re.escape(path.suffix)}(?:{re.escape(PACKED)})?"
    )
    try:
        names = [one.name for one in path.parent.iterdir()]
    except FileNotFoundError:
        return []
    return sorted({int(match[1]) for name in names if (match := known.fullmatch(name))})
