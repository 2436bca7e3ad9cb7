"""A table for each kind of fault, as a campaign for the toy writes it."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["TABLES", "toml"]

_HOLD: Final = {"hold_ms": [20, 40], "max_hold_ms": 20_000}

TABLES: Final[dict[str, dict[str, Any]]] = {
    "lock_hold": {"kind": "lock_hold", **_HOLD},
    "db_exclusive": {"kind": "db_exclusive", **_HOLD},
    "kill-random": {
        "kind": "kill",
        "modes": ["random"],
        "after_ms": [0, 5],
        "after_wal_us": [0, 0],
        "max_hold_ms": 20_000,
    },
    "kill-writing": {
        "kind": "kill",
        "modes": ["writing"],
        "after_ms": [5, 60],
        "after_wal_us": [0, 0],
        "max_hold_ms": 20_000,
    },
    "kill-wal": {
        "kind": "kill",
        "modes": ["wal"],
        "after_ms": [0, 5],
        "after_wal_us": [0, 0],
        "max_hold_ms": 20_000,
    },
    "pause-holding": {
        "kind": "pause",
        "modes": ["holding"],
        "after_ms": [5, 60],
        "pause_ms": [20, 40],
        "max_pause_ms": 20_000,
        "max_hold_ms": 20_000,
    },
    "pause-random": {
        "kind": "pause",
        "modes": ["random"],
        "after_ms": [0, 5],
        "pause_ms": [20, 40],
        "max_pause_ms": 20_000,
        "max_hold_ms": 20_000,
    },
    **{
        f"damage-{mode}": {"kind": "damage", "modes": [mode], "bits": [1, 9]}
        for mode in (
            "bit_flip",
            "old_page",
            "truncate",
            "zero_length",
            "garbage_header",
            "garbage_page",
            "wal_flip",
            "wal_truncate",
        )
    },
    "remove_files": {"kind": "remove_files", "max_hold_ms": 20_000},
    "replace_files": {"kind": "replace_files", "max_hold_ms": 20_000},
    "remove_folder": {"kind": "remove_folder", "max_hold_ms": 20_000},
    "read_only": {"kind": "read_only"},
    "disk_full": {"kind": "disk_full", "free_kb": [0, 4]},
    "fd_limit": {"kind": "fd_limit", "spare_fds": [2, 8]},
    "clock_jump": {"kind": "clock_jump", "jump_days": [1, 31]},
    "stampede": {"kind": "stampede"},
    "foreign_format-newer": {"kind": "foreign_format", "modes": ["newer"]},
    "foreign_format-foreign": {"kind": "foreign_format", "modes": ["foreign"]},
}
"""Name → table; kinds with modes once for each."""


def toml(table: dict[str, Any]) -> str:
    """Write a table as TOML: strings, numbers and lists of them look alike in JSON and there."""
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in table.items()]
    return "\n[[faults]]\n" + "\n".join(lines) + "\n"
