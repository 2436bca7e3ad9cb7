"""Fault ``lock_hold``: another process holds the cache's lock file while a writer comes.

A hold at a random moment mostly meets nobody. This one fires just before an operation that is sure
to write, and stays until a writer has been *seen* waiting, so it takes effect on a fast machine and
on a slow one alike. The probe looks at the kernel's tables and not at the subject's telemetry,
so that the telemetry can be held against it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any, Final

from soakproof.dice import uniform_int
from soakproof.faults.fault import FaultBase, FaultKind, Say, Site
from soakproof.faults.holder import Holder
from soakproof.model import FaultPlan, Live
from soakproof.proc import context_switches, open_paths

__all__ = ["KIND", "LockHold", "draw"]

_NS_PER_MS: Final = 1_000_000

_SEEN_TWICE_MS: Final = 40
"""Between the two looks at a waiter. A writer that has opened the lock file, has gone to sleep
since, and still has the file open 40 ms later while we hold the lock, has been refused it."""

_AFTER_EFFECT_MS: Final = 60
"""How much longer the lock is held once a waiter was seen, so that the wait is no blink."""

_START_MS: Final = 10_000
"""A hang guard for the holder's own start and for a lock that others do not let go."""


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return how long one hold lasts."""
    low, high = params["hold_ms"]
    return {"hold_ms": uniform_int(dice, low, high), "max_hold_ms": params["max_hold_ms"]}


class LockHold(FaultBase):
    """One hold, driven by ticks; it heals itself once its effect was seen."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._holder: Holder | None = None
        self._started_ns = 0
        self._effect_ns: int | None = None
        self._suspects: dict[int, tuple[int, int]] = {}

    def tick(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Go on: start the holder, look for waiters, let go."""
        if self.done:
            return
        if self._holder is None:
            self._start(now_ns)
        elif self._fired_ns is None:
            self._await_lock(self._holder, now_ns)
        else:
            self.probe(now_ns, live)
            self._release_when_due(self._holder, now_ns, self._fired_ns)

    def heal(self) -> None:
        """Let go now, whatever the state; the holder is reaped."""
        if not self.done and self._holder is not None:
            self._let_go(self._holder, "the operations have ended")
        self.done = True

    def probe(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Look for an operation that waits for the lock."""
        if self._effect_ns is not None:
            return
        path = os.path.realpath(self.site.lock_path)
        for pid, one in live.items():
            switches = context_switches(pid)
            if switches is None or path not in open_paths(pid):
                self._suspects.pop(pid, None)
                continue
            first_ns, first_switches = self._suspects.setdefault(pid, (now_ns, switches))
            waited_ms = (now_ns - first_ns) // _NS_PER_MS
            if waited_ms >= _SEEN_TWICE_MS and switches > first_switches:
                self._effect_ns = now_ns
                seen = {"op": one.operation.op_id, "pid": pid, "seen_waiting_ms": waited_ms}
                self.took_effect(seen)
                return

    def _start(self, now_ns: int) -> None:
        # The cache starts empty: whoever comes first makes the folder, as a user of it would.
        self.site.lock_path.parent.mkdir(parents=True, exist_ok=True)
        self._holder = Holder(self.site.lock_path, self.plan.params["max_hold_ms"] + _START_MS)
        self._started_ns = now_ns

    def _await_lock(self, holder: Holder, now_ns: int) -> None:
        said = holder.said()
        if said.startswith(b"held"):
            self._fired_ns = now_ns
            self._say(
                "fired", {"hold_ms": self.plan.params["hold_ms"], "lock": self.site.lock_path.name}
            )
        elif said or holder.ended():
            self._give_up(holder, f"the holder did not get the lock (it said {said!r})")
        elif now_ns - self._started_ns > _START_MS * _NS_PER_MS:
            self._give_up(holder, f"the holder did not get the lock within {_START_MS} ms")

    def _release_when_due(self, holder: Holder, now_ns: int, fired_ns: int) -> None:
        held_ms = (now_ns - fired_ns) // _NS_PER_MS
        if held_ms >= self.plan.params["max_hold_ms"]:
            self._let_go(holder, "nobody came" if self._effect_ns is None else "longest hold")
        elif self._effect_ns is not None:
            after_ms = (now_ns - self._effect_ns) // _NS_PER_MS
            if after_ms >= _AFTER_EFFECT_MS and held_ms >= self.plan.params["hold_ms"]:
                self._let_go(holder, "done")

    def _let_go(self, holder: Holder, why: str) -> None:
        forced = not holder.release(_START_MS / 1000)
        self.done = True
        self._say("healed", {"why": f"{why}; the holder had to be killed" if forced else why})

    def _give_up(self, holder: Holder, why: str) -> None:
        holder.release(0)
        self.give_up(why)


KIND: Final = FaultKind(
    name="lock_hold",
    about="another process holds the cache's lock file until a writer was seen waiting",
    draw=draw,
    make=LockHold,
    waits_for_writer=True,
)
