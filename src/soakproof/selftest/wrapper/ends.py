"""Defects of how a call ends, and what it says beside its answer."""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import Final, NoReturn

from soakproof.selftest.wrapper.answer import give, take, usable
from soakproof.selftest.wrapper.call import EVERY, Call
from soakproof.selftest.wrapper.tool import become, die

__all__ = ["crashes", "dies", "fails", "hangs", "mutters", "slow"]

_SLOW_S: Final = 0.15


def fails(call: Call) -> NoReturn:
    """Refuse, as if there were a reason."""
    if not call.turn:
        become(call)
    call.plant()
    os.write(2, b"planted: no answer today\n")
    os._exit(call.kind.refusal)


def crashes(call: Call) -> NoReturn:
    """Raise what nobody catches; the exit code is none that comes with an answer."""
    if not call.turn:
        become(call)
    call.plant()
    try:
        _raise()
    except RuntimeError:
        sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(call.kind.refusal)


def _raise() -> NoReturn:
    raise RuntimeError("planted")


def dies(call: Call) -> NoReturn:
    """End by a signal of its own."""
    if not call.turn:
        become(call)
    call.plant()
    die(signal.SIGSEGV)


def hangs(call: Call) -> NoReturn:
    """Never come back, once."""
    if not (call.turn and call.number > EVERY and call.first("hang")):
        become(call)
    call.plant()
    while True:
        signal.pause()


def mutters(call: Call) -> NoReturn:
    """Give the right answer beside a traceback."""
    if not call.turn or call.kind.form == "stderr":  # there it would be a part of the answer
        become(call)
    answer = take(call)
    if not usable(call, answer):  # it failed by itself, and may have said so
        give(call, answer)
    call.plant()
    os.write(2, b"Traceback (most recent call last):\nRuntimeError: planted, and swallowed\n")
    give(call, answer)


def slow(call: Call) -> NoReturn:
    """Dawdle, and be right: this is no defect."""
    call.plant()
    select.select([], [], [], _SLOW_S)
    become(call)
