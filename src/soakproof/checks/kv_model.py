"""What a key-value library may answer: the sequential model of one key. Pure.

A key holds nothing, or the number of the write whose value it holds; a counter holds its number.
In a *store* what was written is there until it is overwritten or deleted. A *cache* may drop a key
at any time: a miss is always allowed, and says nothing of what the key holds.
"""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

__all__ = ["ANYTHING", "MUTATES", "Answer", "Arg", "State", "after", "if_happened"]


class _Unknown(enum.Enum):
    ANYTHING = "anything"


ANYTHING: Final = _Unknown.ANYTHING
"""What a key holds after its files were taken away or damaged: the next answer says."""

State: TypeAlias = int | _Unknown | None

Answer: TypeAlias = int | bool | str | None
"""A write's number, a counter's number, true or false, nothing; a text: a foreign value."""

Arg: TypeAlias = int
"""Of ``set`` and ``add``: the write's number; of ``incr``: what is added; else 0."""

MUTATES: Final = frozenset({"set", "add", "delete", "incr", "expire", "evict"})


def after(kind: str, arg: Arg, state: State, answer: Answer, *, drops: bool) -> tuple[State, ...]:
    """Return what a key may hold after an operation with this answer; nothing: it is impossible.

    Args:
        kind: the operation.
        arg: its argument.
        state: what the key held.
        answer: what was answered; nothing, of ``set``, ``add``, ``delete``, ``expire`` and
            ``evict``: the library does not say.
        drops: it is a cache: the key may have been dropped before.
    """
    match kind:
        case "get":
            return _get(state, answer, drops=drops)
        case "set":
            return (arg,) if answer is True or answer is None else ()
        case "add":
            return _add(arg, state, answer, drops=drops)
        case "delete" | "expire":
            return _delete(state, answer, drops=drops)
        case "incr":
            return _incr(arg, state, answer, drops=drops)
        case "evict" if isinstance(answer, str):
            return ()
        case "evict":  # a hint: the key may be dropped, and need not be
            return (state,) if state is None else (state, None)
    return ()


def if_happened(kind: str, arg: Arg, state: State, *, drops: bool) -> State:
    """Return what a key holds after an operation whose answer nobody knows, if it happened."""
    match kind:
        case "set":
            return arg
        case "add":
            return arg if drops or state is None else state
        case "delete" | "expire" | "evict":
            return None
        case "incr":
            if isinstance(state, int):
                return state + arg
            return arg if state is None else state
    return state


def _get(state: State, answer: Answer, *, drops: bool) -> tuple[State, ...]:
    if answer is None:
        if state is None or drops:
            return (state,)
        return (None,) if state is ANYTHING else ()
    if type(answer) is not int:
        return ()
    if state is ANYTHING:
        return (answer,)
    return (state,) if state == answer else ()


def _add(arg: Arg, state: State, answer: Answer, *, drops: bool) -> tuple[State, ...]:
    stored: tuple[State, ...] = (arg,) if state is None or state is ANYTHING or drops else ()
    kept: tuple[State, ...] = (state,) if state is not None else ()
    if answer is True:
        return stored
    if answer is False:
        return kept
    return stored + kept if answer is None else ()


def _delete(state: State, answer: Answer, *, drops: bool) -> tuple[State, ...]:
    if answer is True:
        return () if state is None else (None,)
    if answer is False:
        return (None,) if state is None or state is ANYTHING or drops else ()
    return (None,) if answer is None else ()


def _incr(arg: Arg, state: State, answer: Answer, *, drops: bool) -> tuple[State, ...]:
    if type(answer) is not int:
        return ()
    if state is ANYTHING:
        return (answer,)
    from_nothing = answer == arg and (state is None or drops)
    goes_on = state is not None and state + arg == answer
    return (answer,) if from_nothing or goes_on else ()
