"""Fault ``kill``: SIGKILL of an operation, at a random moment or while it writes.

A kill that falls after the writes tests nothing, so two of the modes make the moment: a writer is
kept inside the database by another process's transaction, and is killed there (``writing``), or is
let go and killed as soon as the write-ahead log is seen to change (``wal``). A random one that was
still waiting for its moment when few operations are left takes the next, ``after_wal_us`` after it
was given something to do. Killed are the operation and all that it started; the history says so in
its reason, ``fault:<id>``.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.dice import pick, uniform_int
from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.hold import Midway
from soakproof.faults.victims import Victims, age_us
from soakproof.faults.waiting import Waiter
from soakproof.model import FaultPlan, Live
from soakproof.proc import open_paths

__all__ = ["KIND", "Kill", "draw"]

_NS_PER_US: Final = 1_000
_SPIN_NS: Final = 250 * 1_000_000
"""How long a log is watched for a change: writers that poll wait some 25 ms between two tries."""

_LET_PASS: Final = 3
"""A random kill lets so many operations pass, at most."""

_SIGKILL: Final = 9


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return the mode and the moment."""
    low, high = params["after_ms"]
    return {
        "mode": pick(dice, params["modes"]),
        "after_ms": uniform_int(dice, low, high),
        "after_wal_us": uniform_int(dice, *params["after_wal_us"]),
        "let_pass": uniform_int(dice, 0, _LET_PASS),
        "max_hold_ms": params["max_hold_ms"],
    }


class Kill(Midway):
    """One kill."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._mode: str = plan.params["mode"]
        self._victims = Victims(plan.params["let_pass"], plan.params["after_ms"])
        self._killed: dict[int, dict[str, Any]] = {}
        self._log: Path | None = None
        self._hurried_ns: int | None = None

    def begin(self, now_ns: int) -> None:
        """Keep writers inside, unless any moment is right."""
        if self._mode == "random":
            self.in_place(now_ns)
        else:
            super().begin(now_ns)

    def held(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Kill when the moment has come."""
        if self._mode != "random":
            super().held(now_ns, live)
        elif not self.effective and (victim := self._victims.due(now_ns, live)) is not None:
            self._kill(now_ns, victim, {})

    def act(self, now_ns: int, waiter: Waiter | None, live: Mapping[int, Live]) -> None:
        """Kill the one that is inside; where nobody was, whoever is under way."""
        del live
        if waiter is None:  # better a random kill than none, and the ledger says which it was
            self._mode = "random"
        else:
            inside = self._inside(waiter.live)
            seen = waiter.told | {"open": sorted(path.name for path in inside)}
            logs = [path for path in inside if path.name.endswith("-wal")]
            if self._mode == "wal" and logs:
                self._log = logs[0]
                seen["log_changed"] = self._await_change(logs[0])
            self._kill(now_ns, waiter.live, seen)
        self.release()

    def hurry(self, now_ns: int, live: Live) -> None:
        """Let the next one be it: there may be no other."""
        del live
        self._hurried_ns = now_ns if self._mode == "random" else None

    def started(self, live: Live) -> None:
        """Count it; in a hurry, kill it while it is at what it was just given."""
        self._victims.started(live)
        if self._hurried_ns is not None and not self.effective:
            _spin(self.plan.params["after_wal_us"])
            self._kill(self._hurried_ns, live, {})

    def ended(self, live: Live, signal_number: int | None) -> None:
        """Whether it died of it; one that was faster than the signal does not count."""
        self._victims.ended(live)
        seen = self._killed.pop(live.pid, None)
        if seen is None:
            return
        if signal_number != _SIGKILL:
            self._mode = "random"  # so the next one that is due
            return
        if self._log is not None:
            seen["log_bytes_left"] = self._log.stat().st_size if self._log.exists() else 0
        self.took_effect({"op": live.operation.op_id, "pid": live.pid, "signal": 9, **seen})

    def _kill(self, now_ns: int, victim: Live, seen: dict[str, Any]) -> None:
        if self._killed:  # one at a time: how it ends says whether another is needed
            return
        self._killed[victim.pid] = seen
        victim.kill(f"fault:{self.plan.fault_id}")
        if self._fired_ns is None:
            told = {"mode": self._mode, "op": victim.operation.op_id}
            self.has_fired(now_ns, {**told, "age_us": age_us(now_ns, victim)})

    def _inside(self, victim: Live) -> list[Path]:
        folder = Path(os.path.realpath(self.site.cache_folder))
        paths = (Path(path) for path in open_paths(victim.pid))
        return [path for path in paths if folder in path.parents]

    def _await_change(self, log: Path) -> bool:
        """Let the writer go and look at its log, without a pause, until it changes.

        The loop of the harness stands still for as long: a tick's ten milliseconds are more than
        a whole transaction takes.
        """
        before = _state(log)
        if self._holder is not None:
            self._holder.let_go()
        until_ns = time.monotonic_ns() + _SPIN_NS
        while _state(log) == before:
            if time.monotonic_ns() > until_ns:
                return False
            os.sched_yield()
        _spin(self.plan.params["after_wal_us"])
        return True


def _spin(wait_us: int) -> None:
    """Let a few microseconds pass, which no timer can be asked for."""
    until_ns = time.monotonic_ns() + wait_us * _NS_PER_US
    while time.monotonic_ns() < until_ns:
        os.sched_yield()


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


KIND: Final = FaultKind(
    name="kill",
    about="SIGKILL of an operation, at a random moment, inside the database, or as it writes",
    draw=draw,
    make=Kill,
    waits_for_writer=True,
)
