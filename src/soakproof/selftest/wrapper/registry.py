"""Every defect by its name."""

from __future__ import annotations

from typing import Final, NoReturn

from soakproof.selftest.wrapper import answers, ends, events, hits, leftovers
from soakproof.selftest.wrapper.call import Call

__all__ = ["DEFECTS", "plant"]

_OF_CALLS: Final = {
    defect.__name__: defect
    for defect in (
        answers.older_answer,
        answers.sticky_answer,
        answers.other_key,
        answers.previous_answer,
        answers.truncated,
        answers.nothing,
        ends.fails,
        ends.crashes,
        ends.dies,
        ends.hangs,
        ends.mutters,
        ends.slow,
        leftovers.leaks,
        leftovers.grows,
        leftovers.stray,
        hits.never_hits,
    )
}

_OF_EVENTS: Final = {
    lie.__name__: lie
    for lie in (
        events.loses,
        events.silent,
        events.tears,
        events.doubles,
        events.invents,
        events.foreign_run,
        events.false_hits,
        events.hides_writes,
        events.hides_waits,
        events.gives_up_locks,
    )
}

DEFECTS: Final = frozenset({*_OF_CALLS, *_OF_EVENTS})
"""Every defect by its name."""


def plant(name: str, call: Call) -> NoReturn:
    """Run a call with a defect in it, if it is its turn.

    Raises:
        KeyError: there is no such defect.
    """
    if name in _OF_CALLS:
        _OF_CALLS[name](call)
    events.retold(call, _OF_EVENTS[name])
