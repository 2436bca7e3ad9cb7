"""Fault ``db_exclusive``: another process holds ``BEGIN EXCLUSIVE`` on the databases.

That is what a long transaction of any other user of the cache looks like, a backup or a browser of
databases among them: one who does not know of the lock file. A busy database is not a broken one.
"""

from __future__ import annotations

from typing import Any, Final

from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.hold import SelfHealingHold, hold_databases
from soakproof.faults.lock_hold import draw
from soakproof.model import FaultPlan, Live
from soakproof.notices import Notices

__all__ = ["KIND", "DbExclusive"]


class DbExclusive(SelfHealingHold):
    """One hold of all databases."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._openings: Notices | None = None
        self._met: dict[str, Any] = {}

    def begin(self, now_ns: int) -> None:
        """Start the process that holds them."""
        del now_ns
        databases = self.site.files("database")
        if not databases:
            self.skip("no database yet")
            return
        self.names = [path.name for path in databases]
        self.hold(hold_databases(databases, self.plan.params["max_hold_ms"]), *databases)

    def in_place(self, now_ns: int) -> None:
        """Watch for who opens them from now on."""
        self._openings = Notices(self.site.cache_folder, self.names)
        super().in_place(now_ns)

    def ended(self, live: Live, signal_number: int | None) -> None:
        """Note an operation that came and went while all databases were held."""
        del signal_number
        if self._openings is not None and (opened := self._openings.seen()):
            self._met = {"op": live.operation.op_id, "pid": live.pid, "opened_while_held": opened}

    def undo(self) -> dict[str, Any]:
        """Let go; when nobody waited, one that had a database open is the effect."""
        if self._met:
            self.took_effect(self._met)
        if self._openings is not None:
            self._openings.close()
        return super().undo()


KIND: Final = FaultKind(
    name="db_exclusive",
    about="another process holds BEGIN EXCLUSIVE on the databases until a writer was seen waiting",
    draw=draw,
    make=DbExclusive,
    waits_for_writer=True,
)
