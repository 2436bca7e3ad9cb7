"""Fault ``pause``: SIGSTOP of an operation that holds the lock, while others go on; then SIGCONT.

A stopped process is what a laptop's lid, a debugger or a starved container makes. In mode
``holding`` a writer is kept inside the database by another process's transaction, so it owns the
cache's lock; it is stopped there, and then the database is let go: the lock belongs to somebody who
does not run. Others have to wait for it, so keep ``max_pause_ms`` below the subject's deadline.

Until one stands still only a few operations are let in, and then the others: however slow the
machine is, somebody is left to meet the one that is stopped. One that has ended just before the
signal came is let go, and another is stopped; where few operations are left, the next that is given
one, before it can answer.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Mapping
from typing import Any, Final

from soakproof.dice import pick, uniform_int
from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.hold import Midway
from soakproof.faults.victims import Victims, age_us
from soakproof.faults.waiting import Waiter, Waiters
from soakproof.model import FaultPlan, Live
from soakproof.proc import lock_owners, run_state

__all__ = ["KIND", "Pause", "draw"]

_NS_PER_MS: Final = 1_000_000
_LET_PASS: Final = 2
"""A random pause lets so many operations pass, at most: with the one that it stops, fewer than the
fewest that an episode asks."""

_STOPPED: Final = "T"
_STOPS_WITHIN_NS: Final = 250 * _NS_PER_MS
"""A signal takes effect as soon as its process is to run again."""


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return the mode, the moment and how long."""
    return {
        "mode": pick(dice, params["modes"]),
        "after_ms": uniform_int(dice, *params["after_ms"]),
        "let_pass": uniform_int(dice, 0, _LET_PASS),
        "pause_ms": uniform_int(dice, *params["pause_ms"]),
        "max_pause_ms": params["max_pause_ms"],
        "max_hold_ms": params["max_hold_ms"],
    }


class Pause(Midway):
    """One pause."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._mode: str = plan.params["mode"]
        self._victims = Victims(plan.params["let_pass"], plan.params["after_ms"])
        self._victim: Live | None = None
        self._since_ns = 0
        self._others = Waiters(())
        self._admitted = 0
        self._under_way: set[int] = set()

    @property
    def admits(self) -> bool:
        """Whether an operation may start: a few before one is stopped, then all."""
        if self.done or self._victim is not None:
            return super().admits
        few = self._admitted <= self.plan.params["let_pass"]
        return super().admits and (few or not self._under_way)

    def begin(self, now_ns: int) -> None:
        """Keep a writer inside, unless any moment is right."""
        if self._mode == "random":
            self.in_place(now_ns)
        else:
            super().begin(now_ns)

    def held(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Stop one when the moment has come, look for the effect, let it go on when due."""
        if self._victim is not None:
            self._look(now_ns, live, self._victim)
        elif self._mode != "random":
            super().held(now_ns, live)
        elif (victim := self._victims.due(now_ns, live)) is not None:
            self._stop(now_ns, victim)

    def act(self, now_ns: int, waiter: Waiter | None, live: Mapping[int, Live]) -> None:
        """Stop the one that is inside, then let the others in."""
        del live
        if waiter is None:
            self._mode = "random"
        else:
            self._stop(now_ns, waiter.live)
        self.release()

    def hurry(self, now_ns: int, live: Live) -> None:
        """Stop this one: there may be no other that somebody is left to meet."""
        if self._mode == "random" and self._victim is None:
            self._stop(now_ns, live)

    def started(self, live: Live) -> None:
        """Count it."""
        self._admitted += 1
        self._under_way.add(live.pid)
        self._victims.started(live)

    def ended(self, live: Live, signal_number: int | None) -> None:
        """Another that ended while one stood still is an effect."""
        del signal_number
        self._under_way.discard(live.pid)
        self._victims.ended(live)
        victim = self._victim
        if victim is not None and live.pid != victim.pid:
            self._effect(victim, {"other_ended": live.operation.op_id})

    def undo(self) -> dict[str, Any]:
        """Let everybody go on."""
        if self._victim is not None:
            self._victim.send(signal.SIGCONT)
        return super().undo()

    def _stop(self, now_ns: int, victim: Live) -> None:
        if not victim.send(signal.SIGSTOP):
            return
        until_ns = time.monotonic_ns() + _STOPS_WITHIN_NS
        while run_state(victim.pid) != _STOPPED and time.monotonic_ns() < until_ns:
            os.sched_yield()
        self._victim, self._since_ns = victim, now_ns
        lock_path = self.site.lock_path
        locks = [] if lock_path is None else [lock_path]
        self._others = Waiters([*locks, *self.site.files("database")])
        owns = lock_path is not None and victim.pid in lock_owners(lock_path)
        op = victim.operation.op_id
        if self._fired_ns is None:
            told = {"mode": self._mode, "op": op, "age_us": age_us(now_ns, victim)}
            self.has_fired(now_ns, {**told, "owns_the_lock": owns})

    def _look(self, now_ns: int, live: Mapping[int, Live], victim: Live) -> None:
        others = {pid: one for pid, one in live.items() if pid != victim.pid}
        waiter = self._others.look(now_ns, others)
        if waiter is not None:
            self._effect(victim, {"other_waited": waiter.told})
        if victim.pid not in live and not self.effective:  # it had ended before it stood still
            victim.send(signal.SIGCONT)
            self._victim = None
            return
        paused_ms = (now_ns - self._since_ns) // _NS_PER_MS
        params = self.plan.params
        done = self.effective and paused_ms >= params["pause_ms"]
        if done or paused_ms >= params["max_pause_ms"] or victim.pid not in live:
            self.done = True
            self._say("healed", {"paused_ms": paused_ms, **self.undo()})

    def _effect(self, victim: Live, seen: dict[str, Any]) -> None:
        # An edit may have sent SIGCONT meanwhile: only one that stands still counts.
        if run_state(victim.pid) == _STOPPED:
            self.took_effect({"stopped": victim.operation.op_id, "pid": victim.pid, **seen})


KIND: Final = FaultKind(
    name="pause",
    about="SIGSTOP of an operation that holds the lock while others go on, then SIGCONT",
    draw=draw,
    make=Pause,
    waits_for_writer=True,
)
