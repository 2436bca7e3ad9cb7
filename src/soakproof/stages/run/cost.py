"""What the harness itself costs while the storm lasts, and whether it stood in the way.

One thread starts operations, writes the history and drives faults. Where it is busy for most of the
wall time it cannot start the next operation at once, and what the soak shows of throughput and
contention is the harness's own limit.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

__all__ = ["Cost"]

_BOTTLENECK_SHARE: Final = 0.5
"""Busier than this, a free slot waits for the harness as often as not."""

_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1000
_PAGE_KB: Final = resource.getpagesize() // 1024


@dataclass(frozen=True, slots=True)
class _Look:
    wall_ns: int
    own_ms: float
    thread_ms: float
    children_ms: float
    rss_kb: int

    @classmethod
    def now(cls) -> Self:
        own, children = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return cls(
            time.monotonic_ns(),
            (own.ru_utime + own.ru_stime) * _MS_PER_S,
            time.thread_time_ns() / _NS_PER_MS,
            (children.ru_utime + children.ru_stime) * _MS_PER_S,
            pages * _PAGE_KB,
        )


class Cost:
    """Looks at this process when it is made, and once more at the end."""

    def __init__(self) -> None:
        self._begin = _Look.now()

    def document(self, ops: int) -> dict[str, Any]:
        """Return what the storm cost so far.

        Args:
            ops: operations that ended.
        """
        begin, end = self._begin, _Look.now()
        wall_ms = (end.wall_ns - begin.wall_ns) / _NS_PER_MS
        own_ms = end.own_ms - begin.own_ms
        # Not what a thread beside it packs: that is CPU time, and holds nobody up.
        share = (end.thread_ms - begin.thread_ms) / wall_ms if wall_ms else 0.0
        return {
            "wall_ms": round(wall_ms, 1),
            "cpu_ms": round(own_ms, 1),
            "children_cpu_ms": round(end.children_ms - begin.children_ms, 1),
            "cpu_ms_per_op": round(own_ms / ops, 3) if ops else None,
            "busy_share": round(share, 4),
            "bottleneck": share > _BOTTLENECK_SHARE,
            "rss_begin_kb": begin.rss_kb,
            "rss_end_kb": end.rss_kb,
        }
