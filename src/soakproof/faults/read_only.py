"""Fault ``read_only``: the cache folder is read-only, for root too.

Permissions do not bind root, so the folder is mounted over itself read-only, as a container's
image or a snapshot is. Needs the right to mount.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Mapping
from typing import Any, Final

from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.mounting import Mounted, why_not
from soakproof.model import FaultPlan, Live
from soakproof.notices import Notices

__all__ = ["KIND", "ReadOnly", "draw"]


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return nothing: there is nothing to choose."""
    del params, dice
    return {}


class ReadOnly(Mounted):
    """One episode of it; an operation sure to write that ends under it is the effect.

    When none came, one that opened a file of the cache meanwhile.
    """

    mode = "read_only"

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._openings: Notices | None = None
        self._met: dict[str, Any] = {}

    def in_place(self) -> dict[str, Any]:
        """Say what the kernel says."""
        self._openings = Notices(self.site.cache_folder)
        return {"read_only": self._read_only()}

    def ended(self, live: Live, signal_number: int | None) -> None:
        """Whether the folder was read-only until now, and the operation wanted to write."""
        del signal_number
        if not self._read_only() or self._openings is None:
            return
        told = {"op": live.operation.op_id, "pid": live.pid, "read_only": True}
        if self.sure_writer(live):
            self.took_effect(told | {"wanted_to": "write"})
        elif opened := self._openings.seen():
            self._met = told | {"opened": opened}

    def undo(self) -> dict[str, Any]:
        """Unmount."""
        if self._met:
            self.took_effect(self._met)
        if self._openings is not None:
            self._openings.close()
        return super().undo()

    def _read_only(self) -> bool:
        return bool(os.statvfs(self.folder).f_flag & os.ST_RDONLY)


KIND: Final = FaultKind(
    name="read_only",
    about="the cache folder is mounted read-only, which binds root too",
    draw=draw,
    make=ReadOnly,
    unavailable=functools.partial(why_not, "read_only"),
    waits_for_writer=True,
)
