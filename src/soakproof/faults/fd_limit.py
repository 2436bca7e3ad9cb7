"""Fault ``fd_limit``: an operation may open only a few files more than Python needs to start.

The limit is set right after the process was made, and read back. It is a limit on numbers: what is
open already stays open.
"""

from __future__ import annotations

import functools
import random
import resource
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from soakproof.dice import uniform_int
from soakproof.faults.fault import FaultBase, FaultKind, Site
from soakproof.model import Live
from soakproof.proc import run_state

__all__ = ["KIND", "FdLimit", "draw", "floor"]

_LOWEST: Final = 3
_HIGHEST: Final = 16
_START_S: Final = 60
"""A hang guard for one bare start."""

_GIVEN_UP: Final = frozenset({None, "Z"})


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return how many descriptors there are beyond those that a bare Python needs."""
    return {"spare_fds": uniform_int(dice, *params["spare_fds"])}


@functools.cache
def floor() -> int | None:
    """Return the least limit under which a bare Python starts; nothing: none up to 16 does.

    Costs a few starts, once a run.
    """
    for limit in range(_LOWEST, _HIGHEST + 1):
        bare = [sys.executable, "-I", "-c", "import json"]
        argv = ["/bin/sh", "-c", f'ulimit -n {limit} && exec "$@"', "sh", *bare]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=_START_S)
        if done.returncode == 0:
            return limit
    return None


def _unavailable(site: Site) -> str | None:
    del site
    return None if floor() is not None else f"no Python starts with {_HIGHEST} descriptors"


class FdLimit(FaultBase):
    """The limit of every operation of the episode."""

    def apply(self, now_ns: int) -> None:
        """Say the limit."""
        self.has_fired(now_ns, {"limit_fds": self._limit(), "bare_python_needs": floor()})

    def started(self, live: Live) -> None:
        """Set it, and read it back while the process lives."""
        wanted = (self._limit(), self._limit())
        try:
            resource.prlimit(live.pid, resource.RLIMIT_NOFILE, wanted)
            found = resource.prlimit(live.pid, resource.RLIMIT_NOFILE)
        except (ProcessLookupError, PermissionError):
            return
        if found == wanted and run_state(live.pid) not in _GIVEN_UP:
            self.took_effect({"op": live.operation.op_id, "pid": live.pid, "limit_fds": found[0]})

    def _limit(self) -> int:
        return (floor() or _HIGHEST) + int(self.plan.params["spare_fds"])


KIND: Final = FaultKind(
    name="fd_limit",
    about="operations may open only a few files more than Python needs to start",
    draw=draw,
    make=FdLimit,
    unavailable=_unavailable,
)
