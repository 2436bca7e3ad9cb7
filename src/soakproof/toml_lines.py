"""Find the line of a TOML key, so that a message can point at it.

The standard library's parser gives values without positions; this reads only what is needed to
find a key again: table headers and the keys at the beginning of lines.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["line_of"]

_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""^\s*([A-Za-z0-9_.\-"' ]+?)\s*=""")
_PART: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^."'\s]+))\s*(?:\.|$)""")


def line_of(text: str, key: str) -> int | None:
    """Return the 1-based line where ``key`` (as in ``faults[1].hold_ms``) stands, or the nearest.

    A key inside an inline table is found at the line of the table; what cannot be found at all
    gives ``None``.
    """
    wanted = tuple(re.findall(r"[^.\[\]]+|\[\d+\]", re.sub(r"\['([^']*)'\]", r".\1", key)))
    best: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()
    seen: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            prefix = _parts(header[2])
            if header[1] == "[[":
                seen[prefix] = seen.get(prefix, -1) + 1
                prefix = (*prefix, f"[{seen[prefix]}]")
            path = prefix
        elif (assignment := _KEY.match(line)) and not line.lstrip().startswith("#"):
            path = (*prefix, *_parts(assignment[1]))
        else:
            continue
        common = _common(path, wanted)
        if common == len(path) and common and (best is None or common > best[0]):
            best = (common, number)
    return best[1] if best else None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple("".join(groups) for groups in _PART.findall(dotted))


def _common(path: tuple[str, ...], wanted: tuple[str, ...]) -> int:
    count = 0
    for mine, theirs in zip(path, wanted, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
