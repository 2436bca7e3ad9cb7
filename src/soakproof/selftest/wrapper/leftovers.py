"""Defects of what is left behind: files, bytes, a process."""

from __future__ import annotations

import os
import select
import sys
from typing import Final, NoReturn

from soakproof.selftest.wrapper.answer import give, take
from soakproof.selftest.wrapper.call import Call
from soakproof.selftest.wrapper.files import append
from soakproof.selftest.wrapper.tool import become

__all__ = ["grows", "leaks", "linger", "stray"]

_STRAY_S: Final = 120
_PAD_BYTES: Final = 4 * 1024 * 1024
_MAIN: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


def leaks(call: Call) -> NoReturn:
    """Leave a file that plays no part in the cache."""
    if not call.turn:
        become(call)
    answer = take(call)
    folder = call.site["cache"]
    if os.path.isdir(folder):
        call.plant()
        append(os.path.join(folder, call.site["leak"].replace("{op}", str(call.number))), b"x\n")
    give(call, answer)


def grows(call: Call) -> NoReturn:
    """Let a file of the cache grow with every call."""
    answer = take(call)
    folder = call.site["cache"]
    if os.path.isdir(folder):
        call.plant()
        path = os.path.join(folder, call.site["pad"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        append(path, b"")
        os.truncate(path, (call.number + 1) * _PAD_BYTES)  # a hole: it costs no disk
    give(call, answer)


def stray(call: Call) -> NoReturn:
    """Leave a process behind that outlives the call."""
    if not (call.turn and call.first("stray")):
        become(call)
    call.plant()
    if os.fork() == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        argv = [sys.executable, "-I", "-S", _MAIN, "--stray", call.state, call.site["segment"]]
        os.execve(sys.executable, argv, call.env)  # noqa: S606 - itself
    become(call)


def linger(state: str) -> None:
    """Be the process that was left behind, until told or for two minutes."""
    for _ in range(_STRAY_S * 5):
        if os.path.exists(os.path.join(state, "stop")) or not os.path.isdir(state):
            return
        select.select([], [], [], 0.2)
