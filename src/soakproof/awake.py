"""The time in which the harness ran: what a stopped, suspended or starved machine lost is left out.

Deadlines and durations are counted in it, so a machine that stood still for an hour has no hung
operation and has soaked no hour. The wall clock is for display; that it was stepped is noted only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Awake", "Clocks", "Lapse"]

_NS_PER_MS: Final = 1_000_000

_STOPPED_FROM_NS: Final = 2_000_000_000
"""A turn of the loop that does nothing takes milliseconds; on a machine that is merely busy, less
than this."""
_NOTED_FROM_NS: Final = 1_000_000_000
"""Clocks are slewed by less than a thousandth: no turn of the loop is long enough for a second."""


def _boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where the time comes from; the system's clocks but for tests.

    Args:
        monotonic_ns: stands still while the machine is suspended.
        boottime_ns: goes on then.
        wall_ns: may be set by anybody.
        cpu_ns: what this thread has computed.
    """

    monotonic_ns: Callable[[], int] = time.monotonic_ns
    boottime_ns: Callable[[], int] = _boottime_ns
    wall_ns: Callable[[], int] = time.time_ns
    cpu_ns: Callable[[], int] = time.thread_time_ns


@dataclass(frozen=True, slots=True)
class Lapse:
    """A clock did not go on as it does.

    Args:
        what: ``stopped``: we stood still and computed nothing, though the machine ran (a signal, a
            debugger, a machine that is starved or waits for its disk); ``suspended``: the machine
            did not run either; ``wall_stepped``: somebody set the clock.
        ms: by how much; of a clock that was set back less than zero.
    """

    what: Literal["stopped", "suspended", "wall_stepped"]
    ms: int


@dataclass(slots=True)
class _Look:
    monotonic_ns: int
    boottime_ns: int
    wall_ns: int
    cpu_ns: int


class Awake:
    """A clock that is looked at in each turn of a loop.

    Args:
        clocks: the clocks.
    """

    def __init__(self, clocks: Clocks | None = None) -> None:
        self._clocks = clocks or Clocks()
        self._last = self._look()
        self._stopped_ns = 0
        self._ms: dict[str, int] = {"stopped": 0, "suspended": 0, "wall_stepped": 0}

    def now_ns(self) -> int:
        """Return the time, to be compared with other times of this clock only."""
        return self._clocks.monotonic_ns() - self._stopped_ns

    def seen_ns(self) -> int:
        """Return the time of the last look.

        What was lost since is not known yet: whoever ends something because its time is up asks
        for this one.
        """
        return self._last.monotonic_ns - self._stopped_ns

    def look(self, waited_ns: int) -> list[Lapse]:
        """Look whether time was lost since the last look; at most one lapse of a kind.

        Args:
            waited_ns: for how long the loop had meant to wait meanwhile, at most.
        """
        before, now = self._last, self._look()
        self._last = now
        passed_ns = now.monotonic_ns - before.monotonic_ns
        booted_ns = now.boottime_ns - before.boottime_ns
        lost_ns = passed_ns - waited_ns - (now.cpu_ns - before.cpu_ns)
        lapses = []
        if lost_ns >= _STOPPED_FROM_NS:
            self._stopped_ns += lost_ns
            lapses.append(Lapse("stopped", lost_ns // _NS_PER_MS))
        if (suspended_ns := booted_ns - passed_ns) >= _NOTED_FROM_NS:
            lapses.append(Lapse("suspended", suspended_ns // _NS_PER_MS))
        stepped_ns = now.wall_ns - before.wall_ns - booted_ns
        if abs(stepped_ns) >= _NOTED_FROM_NS:
            lapses.append(Lapse("wall_stepped", int(stepped_ns / _NS_PER_MS)))
        for lapse in lapses:
            self._ms[lapse.what] += lapse.ms
        return lapses

    def document(self) -> dict[str, int]:
        """Return what was lost so far, and by how much the wall clock was set in all."""
        return {f"{what}_ms": ms for what, ms in self._ms.items()}

    def _look(self) -> _Look:
        clocks = self._clocks
        return _Look(clocks.monotonic_ns(), clocks.boottime_ns(), clocks.wall_ns(), clocks.cpu_ns())
