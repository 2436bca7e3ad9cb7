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

from soakproof.faults.fault import FaultKind
from soakproof.faults.mounting import Mounted, why_not
from soakproof.model import Live

__all__ = ["KIND", "ReadOnly", "draw"]


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return nothing: there is nothing to choose."""
    del params, dice
    return {}


class ReadOnly(Mounted):
    """One episode of it; an operation sure to write that ends under it is the effect."""

    mode = "read_only"

    def in_place(self) -> dict[str, Any]:
        """Say what the kernel says."""
        return {"read_only": self._read_only()}

    def ended(self, live: Live, signal_number: int | None) -> None:
        """Whether the folder was read-only until now, and the operation wanted to write."""
        del signal_number
        if live.operation.first_ask and self._read_only():
            self.took_effect({"op": live.operation.op_id, "pid": live.pid, "read_only": True})

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
