"""Fault ``lock_hold``: another process holds the cache's lock file while a writer comes.

A hold at a random moment mostly meets nobody. This one fires just before an operation that is sure
to write, and stays until a writer has been *seen* waiting, so it takes effect on a fast machine and
on a slow one alike. The probe looks at the kernel's tables and not at the subject's telemetry,
so that the telemetry can be held against it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from soakproof.dice import uniform_int
from soakproof.faults.fault import FaultKind
from soakproof.faults.hold import SelfHealingHold, hold_lock, no_lock

__all__ = ["KIND", "LockHold", "draw"]


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return how long one hold lasts."""
    low, high = params["hold_ms"]
    drawn = {"hold_ms": uniform_int(dice, low, high), "max_hold_ms": params["max_hold_ms"]}
    more = "after_effect_ms"
    return {**drawn, **({more: params[more]} if more in params else {})}


class LockHold(SelfHealingHold):
    """One hold of the lock file."""

    def begin(self, now_ns: int) -> None:
        """Start the process that holds it."""
        del now_ns
        lock_path = self.site.lock_path
        if lock_path is None:  # the registry asks before; whoever comes here all the same
            self.skip("the target names no lock file")
            return
        self.names = [lock_path.name]
        self.hold(hold_lock(lock_path, self.plan.params["max_hold_ms"]), lock_path)


KIND: Final = FaultKind(
    name="lock_hold",
    about="another process holds the cache's lock file until a writer was seen waiting",
    draw=draw,
    make=LockHold,
    unavailable=no_lock,
    waits_for_writer=True,
)
