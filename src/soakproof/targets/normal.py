"""Take out of an answer what the target says may differ. Pure.

Run and oracle go through the same rules; the verifier applies them again with code of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Normaliser"]


@dataclass(frozen=True, slots=True)
class Normaliser:
    """The rules of a target's ``normalise`` table.

    Args:
        rules: pattern → what takes its place, in their order.
        sort_lines: whether the lines are sorted afterwards.
    """

    rules: tuple[tuple[re.Pattern[str], str], ...] = ()
    sort_lines: bool = False

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> Self:
        """Return the rules of a validated target document; none where it has none."""
        table = target.get("normalise", {})
        rules = (
            (re.compile(rule["pattern"], re.MULTILINE), rule["replace"])
            for rule in table.get("rules", ())
        )
        return cls(tuple(rules), bool(table.get("sort_lines", False)))

    def __call__(self, answer: bytes) -> bytes:
        """Return an answer after the rules; bytes that are no UTF-8 come through as they are."""
        if not self.rules and not self.sort_lines:
            return answer
        text = answer.decode("utf-8", "surrogateescape")
        for pattern, replace in self.rules:
            text = pattern.sub(replace, text)
        if self.sort_lines:
            text = "".join(sorted(_whole_lines(text)))
        return text.encode("utf-8", "surrogateescape")


def _whole_lines(text: str) -> list[str]:
    """Return the lines, each with its end: the last one may come first when they are sorted."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([f"{last}\n"] if last else [])
