"""Elements of SVG as text: escaped, with short numbers, the same bytes for the same values."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["el", "num", "text", "text_width"]

_CHARACTER_PX = 6.6
"""Mean width of a character at the 12 px of our labels; nobody can ask for the reader's font."""


def num(value: float) -> str:
    """Return a coordinate: at most one decimal, none where it is zero."""
    short = f"{value:.1f}"
    return short.removesuffix(".0") if short != "-0.0" else "0"


def el(tag: str, *children: str, **attributes: str | float | None) -> str:
    """Return one element; ``class_`` is ``class``, ``stroke_width`` is ``stroke-width``."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{written}>{''.join(children)}</{tag}>" if children else f"<{tag}{written}/>"


def text(x: float, y: float, said: object, **attributes: str | float | None) -> str:
    """Return a label."""
    return el("text", escape(str(said)), x=x, y=y, **attributes)


def text_width(said: Iterable[str] | str) -> float:
    """Return about how wide a label is, in pixels."""
    return _CHARACTER_PX * sum(1 for _ in said)


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else num(value)
