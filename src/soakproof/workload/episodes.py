"""Episodes: a few operations under one fault and one edit, then the same keys asked twice more.

A run of many faults at once proves little: who fixed what, and what stayed broken? An episode has
an end. Its operations run side by side, its fault is healed when they have ended, and then each key
that was touched is asked twice: an answer that is wrong once and right again was *healed*, one that
is wrong twice is *broken until somebody deletes the cache*.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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

    def edit_of(self, seed: int, number: int) -> str | None:
        """Return the edit of an episode: all kinds in turn, in an order that the seed shuffles."""
        if not self.edits:
            return None
        turn, at = divmod(number, len(self.edits))
        return sorted(self.edits, key=lambda kind: rank(seed, "edit order", turn, kind))[at]


@dataclass(frozen=True, slots=True)
class Kinds:
    """Operation kinds by where their keys come from, and the keys of those that search.

    Args:
        writers: kinds whose keys are modules.
        finders: kinds whose keys are queries; may be empty.
        queries: the queries.
    """

    writers: Sequence[str]
    finders: Sequence[str]
    queries: Sequence[str]


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
    edited = f"soakproof_new_{number}" if edit == NEW_MODULE else pick(dice, _asked(known))
    questions = _questions(shape, dice, known, edited, kinds)
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
        )
        index += 1
    touched = list(dict.fromkeys(questions))
    touched.sort(key=lambda question: question[1] != edited)  # the edited key always
    for again in (1, 2):
        for kind, key in touched[: shape.after_keys]:
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
) -> list[tuple[str, str]]:
    """Return what an episode asks: a new key, the edited key thrice, a search, others."""
    first = known.fresh() or pick(dice, _asked(known))
    questions = [(pick(dice, kinds.writers), first), (pick(dice, kinds.writers), edited)]
    others = shape.asks - len(questions) - (_EDITED_ASKS - 1)
    rest = [(pick(dice, kinds.writers), edited) for _ in range(_EDITED_ASKS - 1)]
    for at in range(others):
        if at == 0 and kinds.finders and kinds.queries:
            rest.append((pick(dice, kinds.finders), pick(dice, kinds.queries)))
        else:
            rest.append((pick(dice, kinds.writers), pick(dice, _asked(known))))
    rest = [question for _, question in sorted((dice.random(), question) for question in rest)]
    return questions + rest


def _asked(known: Known) -> Sequence[str]:
    return known.modules[: max(1, known.count)]
