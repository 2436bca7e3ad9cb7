"""See in the kernel's tables that an operation waits for a file that somebody holds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.model import Live
from soakproof.proc import context_switches, family, open_paths

__all__ = ["Waiter", "Waiters"]

_NS_PER_MS: Final = 1_000_000

_SEEN_TWICE_MS: Final = 40
"""Between the two looks at a waiter. An operation that has opened the file, has gone to sleep
since, and still has the file open 40 ms later while somebody holds it, has been refused it."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """An operation that waits, and since when it was seen to."""

    live: Live
    waited_ms: int

    @property
    def told(self) -> dict[str, Any]:
        """What the ledger says of it."""
        live = self.live
        return {"op": live.operation.op_id, "pid": live.pid, "seen_waiting_ms": self.waited_ms}


class Waiters:
    """Looks again and again for one that waits.

    Args:
        paths: files that are held; a waiter has one of them open.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = {os.path.realpath(path) for path in paths}
        self._suspects: dict[int, tuple[int, int]] = {}

    def look(self, now_ns: int, live: Mapping[int, Live]) -> Waiter | None:
        """Return one that waits, or nothing; ``live``: those that may, with all they started."""
        members = ((pid, one) for leader, one in live.items() for pid in family(leader))
        for pid, one in members:
            switches = context_switches(pid)
            if switches is None or self._paths.isdisjoint(open_paths(pid)):
                self._suspects.pop(pid, None)
                continue
            first_ns, first_switches = self._suspects.setdefault(pid, (now_ns, switches))
            waited_ms = (now_ns - first_ns) // _NS_PER_MS
            if waited_ms >= _SEEN_TWICE_MS and switches > first_switches:
                return Waiter(one, waited_ms)
        return None
