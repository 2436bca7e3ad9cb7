"""All fault packages, by the name that campaigns use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from soakproof.faults import lock_hold
from soakproof.faults.fault import FaultKind

__all__ = ["KINDS"]

KINDS: Final[Mapping[str, FaultKind]] = {kind.name: kind for kind in (lock_hold.KIND,)}
"""Name → fault package."""
