"""Fault ``foreign_format``: another version of the tool has left its format in the shared folder.

A real other process writes it (:mod:`soakproof.faults.format_writer`). A newer format is best left
alone, as its owner may be using it; so when it is still there at the end, removing it is our part.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from soakproof.dice import pick
from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.format_writer import AHEAD, FOREIGN_COLUMN
from soakproof.faults.holder import Holder
from soakproof.faults.opening import OpeningFault
from soakproof.faults.soundness import companions, remove, remove_unsound
from soakproof.model import FaultPlan

__all__ = ["KIND", "ForeignFormat", "draw"]


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return which format."""
    roles = list(params.get("roles", ["database"]))
    return {"mode": pick(dice, params["modes"]), "roles": roles}


class ForeignFormat(OpeningFault):
    """One database of another format."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._writer: Holder | None = None
        self._database: Path | None = None

    def apply(self, now_ns: int) -> None:
        """Have another process write it."""
        if self._writer is None or self._database is None:
            databases = self.site.files(*self.plan.params["roles"])
            if not databases:
                self.skip("no database yet")
                return
            self._database = databases[0]
            mode = self.plan.params["mode"]
            self._writer = Holder("format_writer", mode, str(self._database))
        elif self._writer.holds():
            self._writer.release()
            self.watch([self._database.name])
            mode = self.plan.params["mode"]
            self.has_fired(now_ns, {"mode": mode, "file": self._database.name})
        elif (why := self._writer.refusal()) is not None:
            self.give_up(why)

    def undo(self) -> dict[str, Any]:
        """Remove the foreign database if it is still there; tell who healed it."""
        super().undo()
        if self._writer is not None:
            self._writer.release()
        if self._database is None or self._fired_ns is None:
            return {}
        if _is_foreign(self._database):
            return {"by": "harness", "removed": remove(companions(self._database))}
        removed = remove_unsound([self._database])
        return {"by": "harness", "removed": removed} if removed else {"by": "subject"}


def _is_foreign(path: Path) -> bool:
    """Whether a database is still one of those that we had written."""
    if not path.exists():
        return False
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            number = database.execute("PRAGMA user_version").fetchone()[0]
            named = database.execute(
                "SELECT count(*) FROM sqlite_schema WHERE sql LIKE ?", (f"%{FOREIGN_COLUMN}%",)
            ).fetchone()[0]
    except sqlite3.Error:
        return False  # unsound: that is another finding
    return bool(number >= AHEAD or named)


KIND: Final = FaultKind(
    name="foreign_format",
    about="another version of the tool has left a newer or a foreign format",
    draw=draw,
    make=ForeignFormat,
)
