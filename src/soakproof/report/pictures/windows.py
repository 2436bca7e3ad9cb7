"""Fault windows: when which fault was there, and how each kind looks on every picture; pure."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soakproof.report.pictures.scales import Scale
from soakproof.report.pictures.storm import Storm
from soakproof.report.pictures.svg import el, num, text

__all__ = ["FaultKind", "fault_kinds", "pattern", "shading", "swatch"]

_LEAST_PX: Final = 2.0
"""A fault of an instant (a kill) is still to be seen."""

_LETTERS_APART_PX: Final = 13.0

_HATCHES: Final = (
    "M0 8L8 0M-1 1L1-1M7 9L9 7",  # rising
    "M0 0L8 8M-1 7L1 9M7-1L9 1",  # falling
    "M2 0V8M6 0V8",  # upright
    "M0 2H8M0 6H8",  # level
    "M0 4H8M4 0V8",  # grid
    "M0 0L8 8M0 8L8 0",  # crossed
    "M2 2h0M6 6h0",  # dotted: round caps
    "M0 8L4 0L8 8",  # zigzag
)
"""Lines of a tile of 8 by 8 pixels: kinds differ without colour."""

_HUES: Final = 4


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault, its letter and number on the pictures, and its windows in seconds."""

    name: str
    number: int
    letter: str
    windows: tuple[tuple[float, float], ...]


def fault_kinds(metrics: Mapping[str, Any], storm: Storm) -> list[FaultKind]:
    """Return the kinds that fired, by name; a fault that never healed lasts to the end."""
    windows: dict[str, list[tuple[float, float]]] = {}
    for each in metrics["faults"]["ledger"]:
        fired_s = storm.seconds(each["fired_mono_ns"])
        if fired_s is None:
            continue
        healed_s = storm.seconds(each["healed_mono_ns"])
        until_s = storm.end_s if healed_s is None else healed_s
        windows.setdefault(each["kind"], []).append((fired_s, max(fired_s, until_s)))
    letters = [*string.ascii_uppercase, *(f"{letter}2" for letter in string.ascii_uppercase)]
    return [
        FaultKind(name, number, letters[number % len(letters)], tuple(sorted(windows[name])))
        for number, name in enumerate(sorted(windows))
    ]


def pattern(prefix: str, kind: FaultKind) -> str:
    """Return the definition of a kind's hatching, for one picture."""
    hatch = _HATCHES[kind.number % len(_HATCHES)]
    return el(
        "pattern",
        el("rect", width=8, height=8, class_="tint"),
        el("path", d=hatch),
        id=_pattern_id(prefix, kind),
        class_=f"hatch hue{kind.number % _HUES}",
        width=8,
        height=8,
        patternUnits="userSpaceOnUse",
    )


def swatch(prefix: str, kind: FaultKind) -> str:
    """Return the small box of a legend, left of and above its label's base line."""
    fill = f"url(#{_pattern_id(prefix, kind)})"
    hue = f"window hue{kind.number % _HUES}"
    return el("rect", x=0, y=-10, width=16, height=12, fill=fill, class_=hue)


def shading(
    prefix: str, kinds: Sequence[FaultKind], x: Scale, top: float, bottom: float
) -> list[str]:
    """Return every fault window as a hatched band, each kind one path, with letters above."""
    drawn = []
    middles: list[tuple[float, FaultKind]] = []
    for kind in kinds:
        spans = list(_merged(kind.windows, x))
        if not spans:
            continue
        path = "".join(
            f"M{num(left)} {num(top)}H{num(right)}V{num(bottom)}H{num(left)}z"
            for left, right in spans
        )
        fill = f"url(#{_pattern_id(prefix, kind)})"
        hue = kind.number % _HUES
        title = el("title", text_of(kind))
        drawn.append(el("path", title, d=path, fill=fill, class_=f"window hue{hue} f{kind.number}"))
        middles += [((left + right) / 2, kind) for left, right in spans]
    return drawn + _letters(middles, top)


def _letters(middles: Iterable[tuple[float, FaultKind]], top: float) -> list[str]:
    """Return the letters above the bands; one that would cover the one before it is left out."""
    drawn, last = [], float("-inf")
    for middle, kind in sorted(middles, key=lambda one: one[0]):
        if middle - last >= _LETTERS_APART_PX:
            drawn.append(text(middle, top - 4, kind.letter, class_=f"letter f{kind.number}"))
            last = middle
    return drawn


def text_of(kind: FaultKind) -> str:
    """Return what a kind's bands are, for a tooltip."""
    name = kind.name.replace("&", "&amp;").replace("<", "&lt;")
    return f"{kind.letter}: fault {name}, {len(kind.windows)} times"


def _merged(windows: Iterable[tuple[float, float]], x: Scale) -> Iterable[tuple[float, float]]:
    """Yield spans in pixels; windows that would touch are one: there are never more than pixels."""
    span: tuple[float, float] | None = None
    for begin_s, end_s in windows:
        if end_s < x.low or begin_s > x.high:
            continue
        left, right = x(begin_s), x(end_s)
        right = min(max(right, left + _LEAST_PX), max(x.to_px, left))
        if span is None:
            span = (left, right)
        elif left <= span[1] + 1:
            span = (span[0], max(span[1], right))
        else:
            yield span
            span = (left, right)
    if span is not None:
        yield span


def _pattern_id(prefix: str, kind: FaultKind) -> str:
    return f"{prefix}-f{kind.number}"
