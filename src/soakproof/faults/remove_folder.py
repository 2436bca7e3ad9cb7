"""Fault ``remove_folder``: the whole cache folder is removed while operations use it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from typing import Any, Final

from soakproof.faults.fault import FaultKind
from soakproof.faults.soundness import remove
from soakproof.faults.taking_away import TakingAway

__all__ = ["KIND", "RemoveFolder", "draw"]


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return the parameters as they are: the moment is made, not drawn."""
    del dice
    return {"max_hold_ms": params["max_hold_ms"]}


class RemoveFolder(TakingAway):
    """One removal, as ``rm -rf`` does it: file by file, then the folder."""

    def take(self) -> dict[str, Any]:
        """Remove it; somebody may put a file into it meanwhile, and then the folder stays."""
        names = [path.name for path in self.site.files()]
        if self.site.protected:  # it cannot go without what must not be touched
            return {"removed": remove(self.site.files()), "folder_gone": False}
        shutil.rmtree(self.site.cache_folder, ignore_errors=True)
        return {"removed": names, "folder_gone": not self.site.cache_folder.exists()}


KIND: Final = FaultKind(
    name="remove_folder",
    about="the cache folder is removed while operations use it",
    draw=draw,
    make=RemoveFolder,
    waits_for_writer=True,
)
