"""Fault ``clock_jump``: the time stamps of the cache's files lie days back or ahead.

That is what a machine with a wrong clock, a restored archive or a shared folder leaves. Moved are
the modification and access times; the change time (ctime) is the kernel's and says now, and the
system's clock itself is not touched: every process of the machine would see that.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any, Final

from soakproof.dice import pick, uniform_int
from soakproof.faults.fault import FaultKind
from soakproof.faults.opening import OpeningFault

__all__ = ["KIND", "ClockJump", "draw"]

_NS_PER_DAY: Final = 24 * 3600 * 1_000_000_000


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return how far, and in which direction."""
    days = uniform_int(dice, *params["jump_days"])
    return {"jump_days": days * pick(dice, [-1, 1])}


class ClockJump(OpeningFault):
    """One jump of all files and of the folder; a stamp is true again once its file is written."""

    def apply(self, now_ns: int) -> None:
        """Move the stamps, and read them back."""
        files = self.site.files()
        if not files:
            self.skip("no files whose time stamps could be moved")
            return
        jump_ns = self.plan.params["jump_days"] * _NS_PER_DAY
        moved = []
        for path in [*files, self.site.cache_folder]:
            before = path.stat()
            stamps = (before.st_atime_ns + jump_ns, before.st_mtime_ns + jump_ns)
            os.utime(path, ns=stamps)
            if path.stat().st_mtime_ns != before.st_mtime_ns:
                moved.append(path.name)
        self.watch([path.name for path in files])
        self.has_fired(now_ns, {"jump_days": self.plan.params["jump_days"], "moved": moved})


KIND: Final = FaultKind(
    name="clock_jump",
    about="the time stamps of the cache's files lie days back or ahead",
    draw=draw,
    make=ClockJump,
)
