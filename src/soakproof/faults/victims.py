"""Which operation a fault picks out: by how many were started before it, and how old it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from soakproof.model import Live

__all__ = ["Victims", "age_us"]

_NS_PER_MS: Final = 1_000_000
_NS_PER_US: Final = 1000


def age_us(now_ns: int, victim: Live) -> int:
    """Return how long an operation has been under way, in microseconds."""
    return max(0, now_ns - victim.started_ns) // _NS_PER_US  # in a hurry, the tick came before it


class Victims:
    """Operations of an episode in the order in which they were started.

    One that ended before it was due says how long operations last here: half of that is the moment
    from then on, so that a quick machine is met as well as a slow one.

    Args:
        first: how many are let pass.
        after_ms: how long one has been under way when it is picked.
    """

    def __init__(self, first: int, after_ms: int) -> None:
        self._first = first
        self._after_ns = after_ms * _NS_PER_MS
        self._order: list[int] = []
        self._age_ns: dict[int, int] = {}
        """Process → how long it was under way when it was last looked at."""

    def started(self, live: Live) -> None:
        """Note that one was started."""
        self._order.append(live.pid)
        self._age_ns[live.pid] = 0

    def ended(self, live: Live) -> None:
        """Note that one has ended."""
        if live.pid in self._order[self._first :]:
            lasted_ns = self._age_ns.pop(live.pid, self._after_ns)
            self._after_ns = min(self._after_ns, lasted_ns // 2)

    def due(self, now_ns: int, live: Mapping[int, Live]) -> Live | None:
        """Return the first that is due, or nothing."""
        for pid in self._order[self._first :]:
            one = live.get(pid)
            if one is None:
                continue
            self._age_ns[pid] = now_ns - one.started_ns
            if self._age_ns[pid] >= self._after_ns:
                return one
        return None
