"""Operations without an answer: the first one in words, and all of them in groups; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from soakproof.model import HistoryLine

__all__ = ["ErrorGroup", "FailureLog"]

_MOST_GROUPS: Final = 50
"""Of a subject that never says the same twice, the rest is counted together."""

_VARYING: Final = re.compile(r"0x[0-9a-fA-F]+|\d+|'[^']*'|\"[^\"]*\"|/[^\s:'\"]+")
"""What differs between two tellings of the same error: numbers, quoted names, paths."""


@dataclass(slots=True)
class ErrorGroup:
    """Errors that say the same, with the first of them as the example."""

    outcome: str
    reason: str
    ended: str
    example_op: str
    example: str
    count: int = 0


@dataclass(slots=True)
class FailureLog:
    """The fold of completions that are not ``ok``."""

    groups: dict[tuple[str, str, str, str], ErrorGroup] = field(default_factory=dict)
    beyond: int = 0
    first_op: str | None = None
    first_words: str = ""

    def add(self, line: HistoryLine, at_s: float, begin_s: float) -> None:
        """Take one completion, with when it and its invoke happened in the run."""
        ended = _ended(line)
        error = line.error or ""
        reason = line.reason or "unknown"
        if self.first_op is None and reason != "interrupted":
            self.first_op = line.op
            self.first_words = _words(line, ended, at_s, begin_s)
        group_key = (str(line.type), reason, ended, _VARYING.sub("…", error))
        group = self.groups.get(group_key)
        if group is None:
            if len(self.groups) >= _MOST_GROUPS:
                self.beyond += 1
                return
            group = ErrorGroup(str(line.type), reason, ended, str(line.op), error)
            self.groups[group_key] = group
        group.count += 1

    def largest_first(self) -> list[ErrorGroup]:
        """Return the groups, the most frequent first; equal ones as they came."""
        return sorted(self.groups.values(), key=lambda group: -group.count)


def _ended(line: HistoryLine) -> str:
    if line.signal:
        return f"signal {line.signal}"
    return "no exit code" if line.exit_code is None else f"exit code {line.exit_code}"


def _words(line: HistoryLine, ended: str, at_s: float, begin_s: float) -> str:
    meaning = "gave no answer" if line.type == "fail" else "may or may not have happened"
    said = f" It said: {line.error}" if line.error else ""
    return (
        f"{line.op} ({line.kind}, worker {line.worker}) was invoked {begin_s:.3f} s into the run "
        f"and {meaning}: {line.reason or 'unknown'}, {ended}, at {at_s:.3f} s.{said}"
    )
