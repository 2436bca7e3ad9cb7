"""One call of the tool: what is asked, what the run looks like, and whose turn it is.

Which calls get a defect follows from the operation's number and from files in the state's folder
that only one call can make, never from dice or time, so a defect that is planted is there. Each
planted call leaves its number in ``planted``. What the run looks like is told by ``site.json``.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from soakproof.selftest.wrapper.files import append, content, made

__all__ = ["EVERY", "VARIABLES", "Call", "Kind", "call_of"]

EVERY: Final = 5
"""One call in so many is planted, where a defect does not say otherwise.

Not the distance between a question and its second asking in any campaign of ours."""

VARIABLES: Final[Mapping[str, str]] = {
    "PLANTED_OP": "{op}",
    "PLANTED_KIND": "{kind}",
    "PLANTED_KEY": "{key}",
    "PLANTED_FILE": "{file}",
}
"""The environment that says which operation a call is; the tool does not get to see it."""


@dataclass(frozen=True)
class Kind:
    """How operations of one kind answer.

    Args:
        form: ``stdout``, ``stderr`` or ``file``.
        file: the path of that file, with ``{op}``, ``{kind}``, ``{key}``, ``{file}`` not filled in.
        codes: exit codes that come with an answer.
        refusal: an exit code that comes with none, and that the tool has no use for.
        pattern: what an answer matches; empty: anything but nothing.
        names_op: whether an answer may hold the operation's name.
    """

    form: str
    file: str
    codes: list[int]
    refusal: int
    pattern: str
    names_op: bool


@dataclass(frozen=True)
class Call:
    """One call of the tool.

    Args:
        state: folder of ours, shared by all calls of a run.
        argv: the real command line.
        env: the real environment.
        site: what the run looks like.
        words: what the variables say of the operation.
    """

    state: str
    argv: list[str]
    env: Mapping[str, str]
    site: Mapping[str, Any]
    words: Mapping[str, str]

    @property
    def number(self) -> int:
        """Number of the operation, 0-based."""
        return int(self.words["{op}"].rpartition("-")[2])

    @property
    def kind(self) -> Kind:
        """How the operation answers."""
        return Kind(**self.site["kinds"][self.words["{kind}"]])

    @property
    def answer_file(self) -> str:
        """The file that will hold the answer, where it is one."""
        path = self.kind.file
        for name, word in self.words.items():
            path = path.replace(name, word)
        return os.path.abspath(path)

    @property
    def turn(self) -> bool:
        """Whether it is this call's turn."""
        return self.number % EVERY == 2  # noqa: PLR2004 - any but 0: the first call is left alone

    @property
    def questions(self) -> str:
        """The folder of what is known of all questions of this kind."""
        return os.path.join("answers", _name(self.words["{kind}"]))

    @property
    def question(self) -> str:
        """A name of what is asked, in that folder."""
        return _name(self.words["{key}"])

    def plant(self) -> None:
        """Note that this call gets the defect."""
        append(self.place("planted"), f"{self.number}\n".encode())

    def place(self, *parts: str) -> str:
        """Return a path in the state's folder, made when needed."""
        path = os.path.join(self.state, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def first(self, *parts: str) -> bool:
        """Whether no call came here before: one file, made by one call."""
        return made(self.place(*parts), b"")


def call_of(state: str, argv: list[str], env: MutableMapping[str, str]) -> Call | None:
    """Return the call that this process is; ``None``: no operation.

    Args:
        state: folder of ours.
        argv: the real command line.
        env: of this process; what is told there for us alone is taken out.
    """
    words = {word: env.pop(name, "") for name, word in VARIABLES.items()}
    if not words["{op}"].startswith("op-"):
        return None
    site = json.loads(content(os.path.join(state, "site.json")) or b"")
    return Call(state, argv, env, site, words)


def _name(text: str) -> str:
    return f"{zlib.crc32(os.fsencode(text)):08x}"
