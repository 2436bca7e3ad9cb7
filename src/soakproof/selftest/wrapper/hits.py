"""A cache that is never warm, whether the tool tells its hits or they are seen by its output."""

from __future__ import annotations

import os
from typing import NoReturn

from soakproof.selftest.wrapper.answer import Answer, give, take
from soakproof.selftest.wrapper.call import Call
from soakproof.selftest.wrapper.files import linked
from soakproof.selftest.wrapper.moving import moved

__all__ = ["never_hits"]


def never_hits(call: Call) -> NoReturn:
    """Ask in a private copy of the folder that holds the cache, which is always empty there."""
    base, cache = call.site["cache_base"], call.site["cache"]
    room = call.place("rooms", str(call.number), os.path.basename(base))
    linked(base, room, cache)
    if os.path.isdir(cache) and cache != base:  # as it was: a folder, and nothing in it
        os.makedirs(room + cache[len(base) :], exist_ok=True)
    argv, env = moved(call, base, room)
    here = os.getcwd()
    os.chdir((here + os.sep).replace(base + os.sep, room + os.sep))
    path = call.answer_file.replace(base, room)
    call.plant()
    answer = take(call, argv, env, path)
    os.chdir(here)
    body = None if answer.body is None else answer.body.replace(room.encode(), base.encode())
    give(call, Answer(answer.code, body))
