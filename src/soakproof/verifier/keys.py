"""Judge the operations on one key again: is there an order of them that explains every answer?

A search over whole stretches between two moments at which nothing was under way on the key: from
each worker's operations, in the order in which it did them, the next one is tried wherever what it
overlaps allows. What a stretch may end in, the next one begins with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = ["ANY", "Asked", "KeyJudge", "Undecided"]

ANY: Final = "any"
"""What a key holds when its files were taken away: whatever the next answer says."""

Held: TypeAlias = int | str | None
End: TypeAlias = tuple[Held, frozenset[int]]
"""What the key holds, and which operations without an answer have happened by then."""

_STEPS: Final = 400_000
"""Tries for one stretch; a real one takes a few."""

_SET: Final = ("set", "add")


class Undecided(Exception):
    """The search was given up."""


@dataclass(slots=True)
class Asked:
    """One operation.

    Args:
        number: its number.
        worker: who was asked.
        kind: what.
        value: of set and add its own number, of incr what is added.
        begin: position of its sending in the history.
        end: position of its answer; ``None``: there was none.
        answer: what was answered.
    """

    number: int
    worker: int
    kind: str
    value: int
    begin: int
    end: int | None = None
    answer: Any = None


@dataclass(slots=True)
class KeyJudge:
    """All that is known of one key.

    Args:
        name: the key.
        cache: it may be dropped at any time.
        ends: what it may hold now.
        open: operations that were sent and have not ended, by number.
        stretch: answered operations since something was under way.
        lost: operations of which nobody knows whether they happened.
        bad: the operation whose answer nothing explains.
        closed: position of the answer after which nothing on this key is judged.
    """

    name: str
    cache: bool
    ends: set[End] = field(default_factory=lambda: {(None, frozenset())})
    open: dict[int, Asked] = field(default_factory=dict)
    stretch: list[Asked] = field(default_factory=list)
    lost: dict[int, Asked] = field(default_factory=dict)
    bad: Asked | None = None

    def close_stretch(self) -> None:
        """Judge what lies between two quiet moments.

        Raises:
            Undecided: there are too many orders.
        """
        stretch, self.stretch = self.stretch, []
        if not stretch or self.bad is not None:
            return
        found = self._orders(stretch, None)
        if found:
            self.ends = self._tidy(found)
            return
        answered = sorted(stretch, key=lambda one: one.end or 0)
        for last in answered:
            if not self._orders(stretch, last.end):
                self.bad = last
                return
        raise AssertionError  # the last prefix is the whole stretch

    def anything(self) -> None:
        """Whatever was there may be gone."""
        self.ends = {(ANY, frozenset())}
        self.stretch = []

    def _tidy(self, found: set[End]) -> set[End]:
        always = frozenset.intersection(*(used for _, used in found))
        for number in always:
            self.lost.pop(number, None)
        left = {(held, used - always) for held, used in found}
        # To have used less is never worse.
        return {
            (held, used)
            for held, used in left
            if not any(other == held and fewer < used for other, fewer in left)
        }

    def _orders(self, stretch: Sequence[Asked], until: int | None) -> set[End]:
        """Return what there may be after some order of a stretch; none: nothing explains it.

        Args:
            stretch: the operations, all answered.
            until: only answers up to this position have to be explained; others may have happened.
        """
        by_worker: dict[int, list[Asked]] = {}
        for one in sorted(stretch, key=lambda asked: asked.number):
            if until is None or one.begin < until:
                by_worker.setdefault(one.worker, []).append(one)
        rows = list(by_worker.values())
        must = [
            sum(until is None or (one.end is not None and one.end <= until) for one in row)
            for row in rows
        ]
        stack = [((0,) * len(rows), held, used) for held, used in self.ends]
        seen, found, steps = set(stack), set(), 0
        while stack:
            steps += 1
            if steps > _STEPS:
                raise Undecided
            at, held, used = stack.pop()
            if all(mine >= least for mine, least in zip(at, must, strict=True)):
                found.add((held, used))
                if until is not None:
                    return found
            for then, now_held, now_used in self._next(rows, at, held, used):
                state = (then, now_held, now_used)
                if state not in seen:
                    seen.add(state)
                    stack.append(state)
        return found

    def _next(
        self, rows: list[list[Asked]], at: tuple[int, ...], held: Held, used: frozenset[int]
    ) -> Iterator[tuple[tuple[int, ...], Held, frozenset[int]]]:
        """Yield what there may be after one more operation, of any worker."""
        heads = [row[place] for row, place in zip(rows, at, strict=True) if place < len(row)]
        answered = min((one.end for one in heads if one.end is not None), default=None)
        for row_number, row in enumerate(rows):
            if at[row_number] == len(row):
                continue
            one = row[at[row_number]]
            if answered is not None and answered < one.begin:
                continue  # something else had been answered before this was sent
            then = (*at[:row_number], at[row_number] + 1, *at[row_number + 1 :])
            for now_held, now_used in self._after(one, held, used, rows, at):
                yield then, now_held, now_used

    def _after(
        self,
        one: Asked,
        held: Held,
        used: frozenset[int],
        rows: list[list[Asked]],
        at: tuple[int, ...],
    ) -> Iterator[End]:
        direct = list(_RULES[one.kind](one, held, cache=self.cache))
        if direct or isinstance(one.answer, str):
            yield from ((now, used) for now in direct)
            return
        waiting = [row[at[n] :] for n, row in enumerate(rows)]
        seen: set[End] = {(held, used)}
        stack = [(held, used)]
        while stack:
            before, taken = stack.pop()
            tried = set()
            for ghost in self.lost.values():
                alike = (ghost.kind, ghost.value)
                if ghost.number in taken or alike in tried or not _after_its_own(ghost, waiting):
                    continue
                if one.kind == "get" and ghost.kind in _SET and ghost.value != one.answer:
                    continue
                tried.add(alike)
                now = _effect(ghost, before, cache=self.cache)
                end = (now, taken | {ghost.number})
                if now == before or end in seen:
                    continue
                seen.add(end)
                answers = list(_RULES[one.kind](one, now, cache=self.cache))
                yield from ((after, end[1]) for after in answers)
                if not answers:
                    stack.append(end)
        if len(seen) > _STEPS:
            raise Undecided


def _after_its_own(ghost: Asked, waiting: Sequence[Sequence[Asked]]) -> bool:
    """Whether all that had been answered by its sending, or by its worker before, is placed."""
    return not any(
        (one.worker == ghost.worker and one.number < ghost.number)
        or (one.end is not None and one.end < ghost.begin)
        for row in waiting
        for one in row
    )


def _effect(ghost: Asked, held: Held, *, cache: bool) -> Held:
    match ghost.kind:
        case "set":
            return ghost.value
        case "add":
            return ghost.value if held is None or cache else held
        case "delete" | "expire" | "evict":
            return None
        case "incr":
            return ghost.value if held is None else held if held == ANY else held + ghost.value  # type: ignore[operator]
    return held


def _number(answer: Any) -> bool:
    return isinstance(answer, int) and not isinstance(answer, bool)


def _get(one: Asked, held: Held, *, cache: bool) -> Iterator[Held]:
    if one.answer is None and (cache or held in {None, ANY}):
        yield held if cache else None
    elif _number(one.answer) and held in {ANY, one.answer}:
        yield one.answer


def _put(one: Asked, held: Held, *, cache: bool) -> Iterator[Held]:
    del held, cache
    if one.answer in {True, None} and not _number(one.answer):
        yield one.value


def _add(one: Asked, held: Held, *, cache: bool) -> Iterator[Held]:
    if isinstance(one.answer, str) or _number(one.answer):
        return
    if one.answer is not False and (cache or held in {None, ANY}):
        yield one.value
    if one.answer is not True and held is not None:
        yield held


def _remove(one: Asked, held: Held, *, cache: bool) -> Iterator[Held]:
    if isinstance(one.answer, str) or _number(one.answer):
        return
    there, gone = held is not None, cache or held in {None, ANY}
    if one.answer is None or (there if one.answer else gone):
        yield None


def _count(one: Asked, held: Held, *, cache: bool) -> Iterator[Held]:
    if not _number(one.answer):
        return
    anew = one.answer == one.value and (cache or held is None)
    if held == ANY or anew or (isinstance(held, int) and held + one.value == one.answer):
        yield one.answer


def _evict(one: Asked, held: Held, *, cache: bool) -> Iterator[Held]:
    del cache
    if not isinstance(one.answer, str):
        yield from {held, None}


_RULES: Final[dict[str, Callable[..., Iterator[Held]]]] = {
    "get": _get,
    "set": _put,
    "add": _add,
    "delete": _remove,
    "expire": _remove,
    "incr": _count,
    "evict": _evict,
}
