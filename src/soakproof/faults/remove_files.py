"""Fault ``remove_files``: the cache's files are removed while operations use them.

That is what a user does who has read "when in doubt, delete the cache" and does not stop the tool
first, and what a cleaner of old files does at night.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from soakproof.faults.fault import FaultKind
from soakproof.faults.soundness import remove
from soakproof.faults.taking_away import TakingAway

__all__ = ["KIND", "RemoveFiles", "draw"]


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return the parameters as they are: the moment is made, not drawn."""
    del dice
    return {"roles": list(params.get("roles", [])), "max_hold_ms": params["max_hold_ms"]}


class RemoveFiles(TakingAway):
    """One removal."""

    def take(self) -> dict[str, Any]:
        """Remove the files of the roles, all without any."""
        return {"removed": remove(self.site.files(*self.plan.params["roles"]))}


KIND: Final = FaultKind(
    name="remove_files",
    about="the cache's files are removed while operations use them",
    draw=draw,
    make=RemoveFiles,
    waits_for_writer=True,
)
