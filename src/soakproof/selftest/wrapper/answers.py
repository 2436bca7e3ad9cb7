"""Defects of the answer: of another time, of another key, half of it, none."""

from __future__ import annotations

import os
from typing import Final, NoReturn

from soakproof.selftest.wrapper.answer import Answer, differ, give, kept, known, take, usable
from soakproof.selftest.wrapper.call import EVERY, Call
from soakproof.selftest.wrapper.files import made, put
from soakproof.selftest.wrapper.tool import become

__all__ = ["nothing", "older_answer", "other_key", "previous_answer", "sticky_answer", "truncated"]

_OLDER_TIMES: Final = 2


def older_answer(call: Call) -> NoReturn:
    """Answer with what was true before, when the answer has changed; a few times a question."""
    now = take(call)
    old = _first(call, now)
    if old is not None:
        for turn in range(_OLDER_TIMES):
            if call.first(call.questions, call.question, f"told-{turn}"):
                call.plant()
                give(call, old)
    give(call, now)


def sticky_answer(call: Call) -> NoReturn:
    """Answer for ever what was answered first."""
    now = take(call)
    old = _first(call, now)
    if old is not None:
        call.plant()
        give(call, old)
    give(call, now)


def _first(call: Call, now: Answer) -> Answer | None:
    """Keep the first answer to a question; return it where this one is another."""
    path = call.place(call.questions, call.question, "first")
    if not usable(call, now) or made(path, kept(call, now)):
        return None
    old = known(call, path)
    return old if old is not None and differ(call, now, old) else None


def other_key(call: Call) -> NoReturn:
    """Answer with what is true of something else."""
    now = take(call)
    _first(call, now)
    folder = os.path.join(call.state, call.questions)
    if call.turn and usable(call, now) and os.path.isdir(folder):
        for question in sorted(os.listdir(folder)):
            other = known(call, os.path.join(folder, question, "first"))
            if question != call.question and other and differ(call, now, other):
                call.plant()
                give(call, other)
    give(call, now)


def previous_answer(call: Call) -> NoReturn:
    """Answer what the call before was answered, one call in ten."""
    now = take(call)
    path = call.place(call.questions, "last")
    last = known(call, path)
    if usable(call, now):
        put(path, kept(call, now))
    tenth, rest = divmod(call.number, 10)
    due = rest > EVERY and last is not None and differ(call, now, last)
    if due and last is not None and call.first("previous", str(tenth)):
        call.plant()
        give(call, last)
    give(call, now)


def truncated(call: Call) -> NoReturn:
    """Answer half."""
    if not call.turn:
        become(call)
    now = take(call)
    body = now.body or b""
    _instead(call, now, body[: len(body) // 2])


def nothing(call: Call) -> NoReturn:
    """Say nothing, and that all is well."""
    if not call.turn:
        become(call)
    _instead(call, take(call), b"")


def _instead(call: Call, now: Answer, body: bytes) -> NoReturn:
    """Answer something else, with an exit code of an answer; what was no answer stays."""
    if usable(call, now):
        call.plant()
        give(call, Answer(now.code, body))
    give(call, now)
