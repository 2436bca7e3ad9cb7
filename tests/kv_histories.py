"""Small histories of key-value operations, and a judge that tries every order of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from soakproof.checks.kv_model import after, if_happened
from soakproof.checks.linearizable import Linearizer

__all__ = ["Event", "Record", "by_trying_all", "feed", "records"]


@dataclass(frozen=True)
class Event:
    """One line's part of a history: ``invoke``, ``ok`` or ``maybe``."""

    type: str
    number: int
    worker: int = 0
    kind: str = ""
    arg: int = 0
    answer: Any = None


@dataclass
class Record:
    """One operation with the places of its lines in the history."""

    number: int
    worker: int
    kind: str
    arg: int
    begin: int
    end: int | None = None
    answer: Any = None
    lost: bool = False


def feed(
    events: Sequence[Event], *, drops: bool = False, bound: int = 20_000, key: str = "k0"
) -> Linearizer:
    checker = Linearizer(drops=drops, bound=bound)
    for event in events:
        if event.type == "invoke":
            checker.invoke(event.worker, event.number, event.kind, key, event.arg)
        elif event.type == "ok":
            assert checker.ok(event.number, event.answer)
        else:
            assert checker.maybe(event.number)
    checker.settle()
    return checker


def records(events: Sequence[Event]) -> list[Record]:
    found: dict[int, Record] = {}
    for at, event in enumerate(events):
        if event.type == "invoke":
            found[event.number] = Record(
                event.number, event.worker, event.kind, event.arg, at, lost=True
            )
        else:
            one = found[event.number]
            one.end, one.answer, one.lost = at, event.answer, event.type == "maybe"
    return list(found.values())


def by_trying_all(events: Sequence[Event], *, drops: bool = False) -> int | None:
    """Return the first answered operation up to which no order explains all answers.

    Lookahead as in the checker: an operation that ends later may be placed already, with the
    answer that it will have.
    """
    every = records(events)
    ends = sorted((one.end, one.number) for one in every if one.end is not None and not one.lost)
    for end, number in ends:
        there = [one for one in every if one.begin < end]
        must = [one for one in there if not one.lost and one.end is not None and one.end <= end]
        may = [one for one in there if one not in must]
        choices = ([*must, *some] for some in _subsets(may))
        if not any(_explains(chosen, drops=drops) for chosen in choices if _whole(chosen, there)):
            return number
    return None


def _subsets(items: list[Record]) -> Iterator[tuple[Record, ...]]:
    for size in range(len(items) + 1):
        yield from itertools.combinations(items, size)


def _whole(chosen: list[Record], there: list[Record]) -> bool:
    """Whether nothing is chosen without what its worker has answered before it."""
    numbers = {one.number for one in chosen}
    return not any(
        first.number not in numbers and _precedes(first, then) for then in chosen for first in there
    )


def _explains(chosen: list[Record], *, drops: bool) -> bool:
    numbers = {one.number for one in chosen}
    return any(
        _in_order(order) and _runs(order, drops=drops)
        for order in itertools.permutations(chosen, len(numbers))
    )


def _in_order(order: Sequence[Record]) -> bool:
    return not any(_precedes(late, early) for early, late in itertools.combinations(order, 2))


def _precedes(first: Record, then: Record) -> bool:
    if first.lost:
        return False
    answered = first.end is not None and first.end < then.begin
    return answered or (first.worker == then.worker and first.number < then.number)


def _runs(order: Sequence[Record], *, drops: bool) -> bool:
    states: set[Any] = {None}
    for one in order:
        if one.lost:
            states = {if_happened(one.kind, one.arg, state, drops=drops) for state in states}
        else:
            states = {
                then
                for state in states
                for then in after(one.kind, one.arg, state, one.answer, drops=drops)
            }
        if not states:
            return False
    return True
