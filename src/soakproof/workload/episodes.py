"""Episodes: a few operations under one fault and one edit, then the same keys asked twice more.

A run of many faults at once proves little: who fixed what, and what stayed broken? An episode has
an end. Its operations run side by side, its fault is healed when they have ended, and then each key
that was touched is asked twice: an answer that is wrong once and right again was *healed*, one that
is wrong twice is *broken until somebody deletes the cache*.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from soakproof.dice import pick, rank, stream
from soakproof.model import Operation, Phase

__all__ = ["NEW_MODULE", "Episodes", "Kinds", "Known", "episode"]

NEW_MODULE: Final = "new_module"
"""The edit that makes a module nobody has seen; its key is asked before and after."""

_EDITED_ASKS: Final = 3
"""Operations of an episode that ask the edited key: before, during and after the edit's steps."""


@dataclass(frozen=True, slots=True)
class Episodes:
    """How episodes are made.

    Args:
        warm_share: share of a counted soak that is warm and calm, before the first episode.
        asks: operations under the fault, at least :data:`_EDITED_ASKS` + 1.
        after_keys: keys asked twice more.
        edits: kinds of edits, one an episode, in turn.
    """

    warm_share: float
    asks: int
    after_keys: int
    edits: Sequence[str]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Episodes:
        """Return the episodes of a campaign's validated ``episodes`` table."""
        return cls(
            warm_share=document["warm_share"],
            asks=max(document["asks"], _EDITED_ASKS + 1),
            after_keys=document["after_keys"],
            edits=document["edits"],
        )

    @property
    def longest(self) -> int:
        """Operations of an episode, at most: those under its fault, and each key asked twice."""
        return self.asks + 2 * self.after_keys

    def longest_with(self, kinds: Kinds) -> int:
        """Return the same where several kinds ask the edited key, or none does."""
        if not kinds.writers:
            return self.asks + 2 * max(self.after_keys, self.asks)
        many = len(kinds.writers)
        asks = max(self.asks, _EDITED_ASKS + many - 1)
        return asks + 2 * max(self.after_keys, many)

    def edit_of(self, seed: int, number: int) -> str | None:
        """Return the edit of an episode: all kinds in turn, in an order that the seed shuffles."""
        if not self.edits:
            return None
        turn, at = divmod(number, len(self.edits))
        return sorted(self.edits, key=lambda kind: rank(seed, "edit order", turn, kind))[at]


@dataclass(frozen=True, slots=True)
class Kinds:
    """Operation kinds by what their keys are.

    Args:
        writers: kinds whose keys name a file; may be empty.
        finders: kinds whose keys name none; may be empty.
        queries: the keys of each finder.
        globs: writer → which keys it can be asked; left out: all.
        ground: files that are edited where there are no writers.
        new_file: name of a file that an edit makes, with ``{number}``; empty: a module's.
    """

    writers: Sequence[str]
    finders: Sequence[str]
    queries: Mapping[str, Sequence[str]]
    globs: Mapping[str, str] = field(default_factory=dict)
    ground: Sequence[str] = ()
    new_file: str = ""

    def able(self, key: str) -> Sequence[str]:
        """Return the writers that can be asked a key."""
        found = [one for one in self.writers if fnmatchcase(key, self.globs.get(one, "*"))]
        return found or self.writers

    def new_key(self, number: int) -> str:
        """Return the key of a file that the edit of an episode makes."""
        return (self.new_file or "soakproof_new_{number}").replace("{number}", str(number))


@dataclass(slots=True)
class Known:
    """What was asked so far; the schedule's own memory."""

    modules: Sequence[str]
    asked: set[tuple[str, str]]
    count: int

    def first(self, kind: str, key: str) -> bool:
        """Note a question; whether nobody asked it before."""
        new = (kind, key) not in self.asked
        self.asked.add((kind, key))
        return new

    def fresh(self) -> str | None:
        """Return the next module that nobody asked, and count it as asked."""
        if self.count >= len(self.modules):
            return None
        self.count += 1
        return self.modules[self.count - 1]


def episode(
    shape: Episodes,
    number: int,
    seed: int,
    known: Known,
    *,
    kinds: Kinds,
    start: int,
) -> Iterator[Operation]:
    """Yield the operations of one episode.

    Args:
        shape: how episodes are made.
        number: which one, 0-based.
        seed: of all choices.
        known: what was asked so far; it is brought up to date.
        kinds: what can be asked.
        start: index of the first operation.
    """
    dice = stream(seed, "episode", number)
    edit = shape.edit_of(seed, number)
    if kinds.writers:
        new, path = edit == NEW_MODULE, None
        edited = kinds.new_key(number) if new else pick(dice, _asked(known))
        questions, watched = _questions(shape, dice, known, edited, kinds)
    else:
        path = kinds.new_key(number) if edit == NEW_MODULE else pick(dice, kinds.ground or [""])
        questions = _searches(shape, dice, kinds)
        edited, watched = questions[0][1], len(questions)
    index = start
    began = False
    for kind, key in questions:
        begins = edit is not None and not began and key == edited
        began = began or begins
        yield Operation(
            index,
            Phase.STORM,
            kind,
            key,
            first_ask=known.first(kind, key),
            episode=number,
            edit=edit if begins else None,
            edit_path=path if begins else None,
        )
        index += 1
    touched = list(dict.fromkeys(questions))
    touched.sort(key=lambda question: question[1] != edited)  # the edited key always
    for again in (1, 2):
        for kind, key in touched[: max(shape.after_keys, watched)]:
            yield Operation(
                index, Phase.AFTER, kind, key, first_ask=False, episode=number, again=again
            )
            index += 1


def _questions(
    shape: Episodes,
    dice: random.Random,
    known: Known,
    edited: str,
    kinds: Kinds,
) -> tuple[list[tuple[str, str]], int]:
    """Return what an episode asks, and with how many kinds it asks the edited key.

    A new key, the edited key once before and twice after the edit's first step, or as often as it
    takes to ask it with each kind that can; a search; others.
    """
    able = kinds.able(edited)
    first = known.fresh() or pick(dice, _asked(known))
    questions = [(pick(dice, kinds.able(first)), first), (pick(dice, able), edited)]
    rest = [(pick(dice, able), edited) for _ in range(_EDITED_ASKS - 1)]
    if len(able) > 1:  # two option sets over one cache, with an edit between them
        begin = able.index(questions[1][0])
        rest = [(able[(begin + step) % len(able)], edited) for step in range(1, len(able) + 1)]
    others = shape.asks - len(questions) - len(rest)
    for at in range(others):
        if at == 0 and any(kinds.queries.get(one) for one in kinds.finders):
            finder = pick(dice, kinds.finders)
            rest.append((finder, pick(dice, kinds.queries[finder])))
        else:
            writer, key = pick(dice, kinds.writers), pick(dice, _asked(known))
            able_here = kinds.able(key)
            rest.append((writer if writer in able_here else able_here[0], key))
    rest = [question for _, question in sorted((dice.random(), question) for question in rest)]
    return questions + rest, len(able)


def _searches(shape: Episodes, dice: random.Random, kinds: Kinds) -> list[tuple[str, str]]:
    """Return what an episode asks where no key names a file: each kind in turn, and again."""
    every = [(kind, key) for kind in kinds.finders for key in kinds.queries[kind]]
    first = pick(dice, every)
    order = [first, *sorted((one for one in every if one != first), key=lambda _: dice.random())]
    return [order[at % len(order)] for at in range(shape.asks)]


def _asked(known: Known) -> Sequence[str]:
    return known.modules[: max(1, known.count)]
