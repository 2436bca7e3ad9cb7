"""Fault ``replace_files``: older copies are renamed over the databases while operations use them.

That is what restoring a backup, a synchronised folder or a container's layer does. The companions
of the newer file stay: a log that belongs to another database is part of the fault.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.faults.earlier import earlier_copy, keep_earlier
from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.taking_away import TakingAway
from soakproof.model import FaultPlan

__all__ = ["KIND", "ReplaceFiles", "draw"]


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return the parameters as they are: the moment is made, not drawn."""
    del dice
    return {"max_hold_ms": params["max_hold_ms"]}


class ReplaceFiles(TakingAway):
    """One replacement of all databases."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._copies: dict[Path, Path] = {}

    def begin(self, now_ns: int) -> None:
        """Get older copies ready: an earlier fault's, else of this moment, before the writer."""
        databases = self.site.files("database")
        if not databases:
            self.skip("no database to replace")
            return
        known = {database: earlier_copy(self.site, database) for database in databases}
        keep_earlier(self.site, databases)
        for database, copy in known.items():
            ready = database.with_name(f".{database.name}.soakproof")
            shutil.copyfile(copy or database, ready)
            self._copies[database] = ready
        super().begin(now_ns)

    def take(self) -> dict[str, Any]:
        """Rename the copies over the databases."""
        for database, ready in self._copies.items():
            ready.replace(database)
        return {"replaced": sorted(path.name for path in self._copies)}

    def undo(self) -> dict[str, Any]:
        """Let go; take away copies that were not used."""
        for ready in self._copies.values():
            ready.unlink(missing_ok=True)
        return super().undo()


KIND: Final = FaultKind(
    name="replace_files",
    about="older copies are renamed over the databases while operations use them",
    draw=draw,
    make=ReplaceFiles,
    waits_for_writer=True,
)
