"""Is there an order of a key's operations that explains every answer? Checked as lines come.

Wing and Gong, *Testing and Verifying Concurrent Objects* (1993), in the form of Lowe, *Testing for
linearizability* (2017): a set of configurations is carried from completion to completion, and only
what has to have happened by then is placed (*just in time*). Each key is checked by itself, which
is enough (Herlihy and Wing 1990: linearizability is local).

Two things make it fast. A worker answers its lines one after another, so the operations of one
worker on one key are in a known order; and while one worker is alone with a key there is nothing
to search. Otherwise a key's lines wait until the operation at their head has ended, so that its
answer is known before anything is placed. What is kept is bounded by what is under way, and by the
operations of which nobody knows whether they happened.

Such an operation (``maybe``: its worker died, or answered with an error) may take effect at any
later time, or never. It is placed only just before an answer that cannot be explained without it:
unseen, it may as well not have happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from soakproof.checks.kv_model import ANYTHING, MUTATES, Answer, Arg, State, after, if_happened

__all__ = ["Linearizer", "Violation"]

_OPEN: Final = 0
_OK: Final = 1
_MAYBE: Final = 2

_Numbers: TypeAlias = frozenset[int]
_Config: TypeAlias = tuple[State, _Numbers, _Numbers]
"""What the key holds, operations placed before their completion, ``maybe`` ones that happened."""

_NONE: Final[_Numbers] = frozenset()

_BOUND: Final = 20_000
"""Configurations looked at for one completion; a real history needs a handful."""


_MOST_LOST: Final = 2_000
"""Operations on one key that may have happened; more of them explain nearly anything."""


class _Op:
    __slots__ = ("answer", "arg", "key", "kind", "number", "status", "worker")

    def __init__(self, number: int, kind: str, arg: Arg, worker: int, key: _Key) -> None:
        self.number = number
        self.kind = kind
        self.arg = arg
        self.worker = worker
        self.key = key
        self.status = _OPEN
        self.answer: Answer = None


class _Key:
    """What is known of one key; ``events`` is there while several workers are at it."""

    __slots__ = ("broken", "chains", "events", "frontier", "lost", "name", "open", "solo", "state")

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        self.state = state
        self.solo = -1
        self.open: dict[int, _Op] = {}
        self.lost: dict[int, _Op] = {}
        self.events: deque[tuple[bool, _Op]] | None = None
        self.chains: dict[int, deque[_Op]] = {}
        self.frontier: set[_Config] = set()
        self.broken = False


@dataclass(frozen=True, slots=True)
class Violation:
    """The completion at which a key's answers could no longer be explained.

    Args:
        key: the key.
        number: the operation that was completed.
        kind: which it was.
        answer: what it was answered.
    """

    key: str
    number: int
    kind: str
    answer: Answer


class _TooMuch(Exception):
    """The search was given up."""


class Linearizer:
    """Checks the operations of a whole soak, in the order of its history.

    Args:
        drops: a cache, not a store: a miss is always allowed.
        bound: configurations looked at for one completion; more, and the key is unknown.
    """

    def __init__(self, *, drops: bool, bound: int = _BOUND) -> None:
        self._drops = drops
        self._bound = bound
        self._keys: dict[str, _Key] = {}
        self._pending: dict[int, _Op] = {}
        self._start: State = None
        self._work = 0
        self.excused = False
        self.answers = 0
        self.excused_answers = 0
        self.violations: list[Violation] = []
        self.unknown: dict[str, int] = {}

    @property
    def under_way(self) -> int:
        """How many operations have no end yet."""
        return len(self._pending)

    @property
    def keys(self) -> int:
        """How many keys were used."""
        return len(self._keys)

    def invoke(self, worker: int, number: int, kind: str, name: str, arg: Arg) -> None:
        """An operation is sent."""
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = _Key(name, self._start)
        op = self._pending[number] = _Op(number, kind, arg, worker, key)
        if key.broken:
            return
        if key.events is not None:
            key.events.append((True, op))
        elif not key.open:
            key.solo = worker
        elif key.solo != worker:
            self._queue(key)
            key.events = deque((True, one) for one in (*key.open.values(), op))
        key.open[number] = op

    def ok(self, number: int, answer: Answer) -> str | None:
        """An operation was answered; returns its kind, or nothing where it is not under way."""
        op = self._pending.pop(number, None)
        if op is None:
            return None
        key = op.key
        self.excused_answers += self.excused
        self.answers += 1
        if key.broken:
            return op.kind
        del key.open[number]
        op.answer = answer
        if self.excused:
            if isinstance(answer, str):  # whatever became of the files, that was never written
                self._break(key, op)
            return op.kind
        if key.events is not None:
            op.status = _OK
            key.events.append((False, op))
            self._advance(key)
            return op.kind
        # Alone with the key, and nothing to search: the usual case.
        if op.kind == "set" and answer is True:
            key.state = op.arg
        elif op.kind != "get" or answer is True or answer != key.state or answer is None:
            states = after(op.kind, op.arg, key.state, answer, drops=self._drops)
            if len(states) == 1:
                key.state = states[0]
            else:
                self._alone_no_more(key, op)
        return op.kind

    def maybe(self, number: int, *, never: bool = False) -> str | None:
        """An operation ended without an answer; returns its kind, or nothing as above.

        Args:
            number: the operation.
            never: it certainly did not happen: nobody was sent it.
        """
        op = self._pending.pop(number, None)
        if op is None:
            return None
        key, kind = op.key, op.kind
        if key.broken:
            return kind
        del key.open[number]
        op.status = _MAYBE
        if never:
            op.kind = "get"  # it changes nothing
        if key.events is not None:
            self._advance(key)
        elif op.kind in MUTATES and not self.excused:
            key.lost[number] = op
            if len(key.lost) > _MOST_LOST:
                self._give_up(key, op)
        return kind

    def forget(self) -> None:
        """Whatever the keys held may be gone: the next answer says; nothing is under way."""
        self._start = ANYTHING
        for key in self._keys.values():
            key.state = ANYTHING
            key.events, key.frontier, key.chains = None, set(), {}

    def settle(self) -> None:
        """What never ended may have happened."""
        for number in list(self._pending):
            self.maybe(number)

    # One key that several workers are at.

    def _queue(self, key: _Key) -> None:
        key.frontier = {(key.state, _NONE, _NONE)}
        key.chains = {}

    def _alone_no_more(self, key: _Key, op: _Op) -> None:
        """One worker is alone, but what the key holds is open now."""
        self._queue(key)
        key.chains[op.worker] = deque([op])
        key.events = deque([(False, op), *((True, one) for one in key.open.values())])
        self._advance(key)

    def _advance(self, key: _Key) -> None:
        """Take the lines that wait, as far as the answers of what they begin are known."""
        events = key.events
        while events:
            begins, op = events[0]
            if begins and op.status == _OPEN:
                return
            events.popleft()
            if not begins:
                if not self._step(key, op):
                    return
            elif op.status == _OK:
                key.chains.setdefault(op.worker, deque()).append(op)
            elif op.kind in MUTATES:
                key.lost[op.number] = op
                if len(key.lost) > _MOST_LOST:
                    self._give_up(key, op)
                    return
        if not key.open:
            self._rest(key)

    def _rest(self, key: _Key) -> None:
        """Nothing is under way: forget what is settled."""
        settled = frozenset.intersection(*(used for _, _, used in key.frontier))
        for number in settled:
            del key.lost[number]
        if settled:
            key.frontier = {(state, done, used - settled) for state, done, used in key.frontier}
        if len(key.frontier) == 1:
            ((key.state, _, _),) = key.frontier
            key.events, key.chains, key.frontier = None, {}, set()

    def _step(self, key: _Key, op: _Op) -> bool:
        """Place an operation that has ended; false: its key is done with."""
        self._work = 0
        found: set[_Config] = set()
        try:
            for config in key.frontier:
                state, done, used = config
                if op.number in done:
                    found.add((state, done - {op.number}, used))
                else:
                    found.update(self._place(key, op, config))
        except _TooMuch:
            self._give_up(key, op)
            return False
        key.chains[op.worker].popleft()
        if not key.chains[op.worker]:
            del key.chains[op.worker]
        if not found:
            self._break(key, op)
            return False
        key.frontier = _least(found) if len(found) > 1 else found
        return True

    def _place(self, key: _Key, op: _Op, config: _Config) -> Iterator[_Config]:
        """Yield what there may be once an operation is placed, others before it where they fit."""
        seen, stack = {config}, [config]
        while stack:
            self._count()
            here = stack.pop()
            state, done, used = here
            placed = list(self._apply(key, op, here))
            for after_it, used_then in placed:
                yield after_it, done, used_then
            if op.kind == "get" and (state, used) in placed:
                continue  # it changed nothing: what else is under way can as well come later
            for worker, chain in key.chains.items():
                if worker == op.worker:
                    continue
                other = next((one for one in chain if one.number not in done), None)
                if other is None:
                    continue
                now_done = done | {other.number}
                for after_it, used_then in self._apply(key, other, (state, done, used)):
                    reached = (after_it, now_done, used_then)
                    if reached not in seen:
                        seen.add(reached)
                        stack.append(reached)

    def _apply(self, key: _Key, op: _Op, config: _Config) -> Iterator[tuple[State, _Numbers]]:
        """Yield what the key may hold after an operation, and which lost ones that takes."""
        state, done, used = config
        states = after(op.kind, op.arg, state, op.answer, drops=self._drops)
        for one in states:
            yield one, used
        if states or not key.lost or isinstance(op.answer, str):
            return
        seen, stack = {(state, used)}, [(state, used)]
        while stack:
            self._count()
            held, taken = stack.pop()
            for lost in self._candidates(key, op, done, taken):
                then = if_happened(lost.kind, lost.arg, held, drops=self._drops)
                reached = (then, taken | {lost.number})
                if then == held or reached in seen:
                    continue
                seen.add(reached)
                states = after(op.kind, op.arg, then, op.answer, drops=self._drops)
                for one in states:
                    yield one, reached[1]
                if not states:
                    stack.append(reached)

    def _candidates(self, key: _Key, op: _Op, done: _Numbers, taken: _Numbers) -> Iterator[_Op]:
        """Yield lost operations that could explain an answer, of those that are alike one."""
        alike = set()
        for lost in key.lost.values():
            if lost.number in taken or not _may_begin(key, lost, op, done):
                continue
            writes = lost.kind in {"set", "add"}
            if op.kind == "get" and writes and lost.arg != op.answer:
                continue  # overwritten before anybody saw it
            name = (lost.kind, lost.arg)
            if name not in alike:
                alike.add(name)
                yield lost

    def _count(self) -> None:
        self._work += 1
        if self._work > self._bound:
            raise _TooMuch

    def _give_up(self, key: _Key, op: _Op) -> None:
        self.unknown[key.name] = op.number
        self._drop(key)

    def _break(self, key: _Key, op: _Op) -> None:
        self.violations.append(Violation(key.name, op.number, op.kind, op.answer))
        self._drop(key)

    def _drop(self, key: _Key) -> None:
        key.broken = True
        key.events, key.frontier, key.chains = None, set(), {}
        key.open, key.lost = {}, {}


def _may_begin(key: _Key, lost: _Op, op: _Op, done: _Numbers) -> bool:
    """Whether a lost operation's worker had answered all that it was sent before."""
    if op.worker == lost.worker and op.number < lost.number:
        return False
    chain = key.chains.get(lost.worker, ())
    return not any(one.number < lost.number and one.number not in done for one in chain)


def _least(configs: set[_Config]) -> set[_Config]:
    """Leave out what has used more of the lost operations than another that is as good."""
    by_place: dict[tuple[State, _Numbers], list[_Numbers]] = {}
    for state, done, used in configs:
        by_place.setdefault((state, done), []).append(used)
    kept = set()
    for (state, done), all_used in by_place.items():
        for used in all_used:
            if not any(other < used for other in all_used):
                kept.add((state, done, used))
    return kept
