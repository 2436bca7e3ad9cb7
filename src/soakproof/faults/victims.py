"""Which operation a fault picks out: by how many were started before it, and how old it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from soakproof.model import Live

__all__ = ["Victims"]

_NS_PER_MS: Final = 1_000_000


class Victims:
    """Operations of an episode in the order in which they were started.

    Args:
        first: how many are let pass.
        after_ms: how long one has been under way when it is picked.
    """

    def __init__(self, first: int, after_ms: int) -> None:
        self._first = first
        self._after_ms = after_ms
        self._order: list[int] = []

    def started(self, live: Live) -> None:
        """Note that one was started."""
        self._order.append(live.pid)

    def due(self, now_ns: int, live: Mapping[int, Live]) -> Live | None:
        """Return the first that is due, or nothing."""
        for pid in self._order[self._first :]:
            one = live.get(pid)
            if one is not None and now_ns - one.started_ns >= self._after_ms * _NS_PER_MS:
                return one
        return None
