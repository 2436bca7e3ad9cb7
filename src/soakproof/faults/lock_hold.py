"""Fault ``lock_hold``: another process holds the cache's lock file while a writer comes.

A hold at a random moment mostly meets nobody. This one fires just before an operation that is sure
to write, and stays until a writer has been *seen* waiting, so it takes effect on a fast machine and
on a slow one alike. The probe looks at the kernel's tables and not at the subject's telemetry,
so that the telemetry can be held against it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.faults.holder import Holder
from soakproof.dice import stream, uniform_int
from soakproof.model import FaultPlan, Operation
from soakproof.proc import context_switches, open_paths

__all__ = ["KIND", "LockHold", "Planner"]

KIND: Final = "lock_hold"

_NS_PER_MS: Final = 1_000_000

_SEEN_TWICE_MS: Final = 40
"""Between the two looks at a waiter. A writer that has opened the lock file, has gone to sleep
since, and still has the file open 40 ms later while we hold the lock, has been refused it."""

_AFTER_EFFECT_MS: Final = 60
"""How much longer the lock is held once a waiter was seen, so that the wait is no blink."""

_START_MS: Final = 10_000
"""A hang guard for the holder's own start and for a lock that others do not let go."""


class Planner:
    """Decides before which operations a hold is placed: the first sure writer, others by the dice.

    Args:
        params: ``per_writer``, ``min_gap_ops``, ``hold_ms`` (two bounds), ``max_hold_ms``.
        seed: of the dice.
        writers: operation kinds whose first operation on a key writes under the lock.
    """

    def __init__(self, params: Mapping[str, Any], seed: int, writers: frozenset[str]) -> None:
        self._params = params
        self._seed = seed
        self._writers = writers
        self._last: int | None = None
        self._count = 0

    def consider(self, operation: Operation) -> FaultPlan | None:
        """Return the hold before an operation, or nothing; ask in the order of the schedule."""
        if not (operation.first_ask and operation.kind in self._writers):
            return None
        dice = stream(self._seed, "fault", KIND, operation.index)
        wanted = dice.random() < self._params["per_writer"]
        first = self._last is None
        near = self._last is not None and operation.index - self._last < self._params["min_gap_ops"]
        if not first and (near or not wanted):
            return None
        low, high = self._params["hold_ms"]
        params = {"hold_ms": uniform_int(dice, low, high), "max_hold_ms": self._params["max_hold_ms"]}
        plan = FaultPlan(f"{KIND}-{self._count}", KIND, operation.index, params)
        self._last = operation.index
        self._count += 1
        return plan


class LockHold:
    """One hold, driven by ticks.

    Args:
        plan: when and how long.
        lock_path: the lock file.
        say: called as ``say(event, detail)`` for the ledger: ``fired``, ``took_effect``, ``healed``,
            ``failed``.
    """

    def __init__(
        self, plan: FaultPlan, lock_path: Path, say: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self.plan = plan
        self._lock_path = lock_path
        self._say = say
        self._holder: Holder | None = None
        self._started_ns = 0
        self._fired_ns: int | None = None
        self._effect_ns: int | None = None
        self._suspects: dict[int, tuple[int, int]] = {}
        self.done = False

    @property
    def fired(self) -> bool:
        """Whether the operation it waits for may start: it holds the lock, or never will."""
        return self._fired_ns is not None or self.done

    def tick(self, now_ns: int, live: Mapping[int, str]) -> None:
        """Go on: start the holder, look for waiters, let go.

        Args:
            now_ns: ``CLOCK_MONOTONIC``.
            live: process id → operation id of the operations under way.
        """
        if self.done:
            return
        if self._holder is None:
            self._start(now_ns)
        elif self._fired_ns is None:
            self._await_lock(self._holder, now_ns)
        else:
            self._probe(now_ns, live)
            self._release_when_due(self._holder, now_ns, self._fired_ns)

    def heal(self) -> None:
        """Let go now, whatever the state; the holder is reaped."""
        if not self.done and self._holder is not None:
            self._let_go(self._holder, "the run ended")
        self.done = True

    def _start(self, now_ns: int) -> None:
        # The cache starts empty: whoever comes first makes the folder, as a user of it would.
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        self._holder = Holder(self._lock_path, self.plan.params["max_hold_ms"] + _START_MS)
        self._started_ns = now_ns

    def _await_lock(self, holder: Holder, now_ns: int) -> None:
        said = holder.said()
        if said.startswith(b"held"):
            self._fired_ns = now_ns
            self._say("fired", {"hold_ms": self.plan.params["hold_ms"], "lock": self._lock_path.name})
        elif said or holder.ended():
            self._give_up(holder, f"the holder did not get the lock (it said {said!r})")
        elif now_ns - self._started_ns > _START_MS * _NS_PER_MS:
            self._give_up(holder, f"the holder did not get the lock within {_START_MS} ms")

    def _probe(self, now_ns: int, live: Mapping[int, str]) -> None:
        if self._effect_ns is not None:
            return
        path = os.path.realpath(self._lock_path)
        for pid, op in live.items():
            switches = context_switches(pid)
            if switches is None or path not in open_paths(pid):
                self._suspects.pop(pid, None)
                continue
            first_ns, first_switches = self._suspects.setdefault(pid, (now_ns, switches))
            waited_ms = (now_ns - first_ns) // _NS_PER_MS
            if waited_ms >= _SEEN_TWICE_MS and switches > first_switches:
                self._effect_ns = now_ns
                self._say("took_effect", {"op": op, "pid": pid, "seen_waiting_ms": waited_ms})
                return

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
        self.done = True
        self._say("failed", {"why": why})
