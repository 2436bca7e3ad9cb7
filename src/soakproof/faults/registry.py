"""All fault packages, by the name that campaigns use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from soakproof.faults import (
    clock_jump,
    damage,
    db_exclusive,
    disk_full,
    fd_limit,
    foreign_format,
    kill,
    lock_hold,
    pause,
    read_only,
    remove_files,
    remove_folder,
    replace_files,
    stampede,
)
from soakproof.faults.fault import FaultKind

__all__ = ["EXCUSING", "KEEPING", "KINDS"]

_PACKAGES: Final = (
    lock_hold,
    db_exclusive,
    kill,
    pause,
    damage,
    remove_files,
    replace_files,
    remove_folder,
    read_only,
    disk_full,
    fd_limit,
    clock_jump,
    stampede,
    foreign_format,
)

KINDS: Final[Mapping[str, FaultKind]] = {package.KIND.name: package.KIND for package in _PACKAGES}
"""Name → fault package."""

KEEPING: Final = frozenset({"kill", "pause", "lock_hold", "db_exclusive"})
"""Faults under which a store has to keep what it has acknowledged."""

EXCUSING: Final = frozenset(KINDS) - KEEPING
"""Faults that take files away, damage them, or leave no room: what was stored may be gone."""
