"""What is wrong with a bundle, and where."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold.

    Args:
        file: the file in the bundle.
        where: a line (``line 12``) or a field (``ops.ok``); empty: the file as a whole.
        problem: what was expected and what was found.
    """

    file: str
    where: str
    problem: str

    def __str__(self) -> str:
        """Return it as one line."""
        place = f"{self.file}: {self.where}" if self.where else self.file
        return f"{place}: {self.problem}"


class Unreadable(Exception):
    """A file cannot be read as what it has to be; carries the finding."""

    def __init__(self, file: str, where: str, problem: str) -> None:
        super().__init__(problem)
        self.finding = Finding(file, where, problem)
