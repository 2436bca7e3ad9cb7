"""Turn values into Markdown that says the same whatever the values hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["code", "counts", "percent", "plain", "table", "value"]


def plain(text: object) -> str:
    """Return text on one line that Markdown does not take for markup of tables or HTML."""
    line = " ".join(str(text).split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def code(text: object) -> str:
    """Return text as a code span on one line, whatever backticks it holds."""
    line = " ".join(str(text).split()).replace("|", "\\|")
    if not line:
        return ""
    longest = max((len(run) for run in _backtick_runs(line)), default=0)
    if not longest:
        return f"`{line}`"
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}"


def _backtick_runs(line: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in line).split() if run]


def value(found: object) -> str:
    """Return a value of a JSON document as a code span; what is absent is said to be."""
    if found is None:
        return "absent"
    return code(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))


def percent(rate: float | None) -> str:
    """Return a share of 0 to 1 as per cent."""
    return "none asked" if rate is None else f"{rate:.1%}"


def counts(by_name: Mapping[str, Any]) -> str:
    """Return ``name: count`` of each, by name; ``none`` without any."""
    return ", ".join(f"{code(name)}: {by_name[name]}" for name in sorted(by_name)) or "none"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table, or of the sentence that there is nothing to show."""
    body = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    if not body:
        return ["None."]
    return ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), *body]
