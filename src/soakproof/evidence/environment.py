"""What the run ran on: Python, machine, file system, SQLite, and the packages that judge.

Host names and paths are left out: the record is public.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sqlite3
from contextlib import closing
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any, Final

__all__ = ["DEPENDENCIES", "environment_record", "filesystem_type", "mounted_type"]

DEPENDENCIES: Final = (
    "filelock",
    "invoke",
    "jsonschema",
    "msgspec",
    "rich",
    "ruamel.yaml",
    "securesystemslib",
)
"""soakproof's own dependencies (a test holds them against pyproject.toml)."""

_MOUNTINFO: Final = Path("/proc/self/mountinfo")

_OCTAL: Final = re.compile(r"\\([0-7]{3})")

_UNKNOWN: Final = "unknown"

_MOUNT_POINT: Final = 4
"""0-based field of a line of mountinfo (proc(5))."""


def environment_record(run_path: Path) -> dict[str, Any]:
    """Return the ``environment`` object of ``schemas/run.schema.json``.

    Args:
        run_path: the run's folder, whose file system is named.
    """
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": _cpus(),
        "filesystem": filesystem_type(run_path),
        "sqlite": sqlite3.sqlite_version,
        "sqlite_compile_options": _sqlite_options(),
        "packages": _packages(),
        "package_records": _package_records(),
    }


def filesystem_type(path: Path) -> str:
    """Return the type of the file system that ``path`` lies on, such as ``ext4``.

    Returns:
        ``unknown`` where the system keeps no table of mounts.
    """
    try:
        table = _MOUNTINFO.read_text("utf-8", "surrogateescape")
    except OSError:
        return _UNKNOWN
    return mounted_type(path.resolve(), table)


def mounted_type(path: Path, mountinfo: str) -> str:
    """Return the type of the file system of the deepest mount above ``path``; pure.

    Args:
        path: absolute, without symbolic links.
        mountinfo: the kernel's table of mounts (proc(5)).
    """
    best, best_depth = _UNKNOWN, -1
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split(" ")
        if not separator or len(fields) <= _MOUNT_POINT:
            continue
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[_MOUNT_POINT]))
        # The last of equals wins: it was mounted over the others.
        if path.is_relative_to(point) and len(point.parts) >= best_depth:
            best, best_depth = right.split(" ")[0], len(point.parts)
    return best


def _cpus() -> int:
    """Return the processors this process may use, which in a container are not all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _sqlite_options() -> list[str]:
    with closing(sqlite3.connect(":memory:")) as database:
        return sorted(str(row[0]) for row in database.execute("PRAGMA compile_options"))


def _package_records() -> dict[str, str]:
    """Return distribution → SHA-256 of its RECORD, which has the hash of each of its files."""
    found: dict[str, str] = {}
    for name in DEPENDENCIES:
        try:
            record = distribution(name).read_text("RECORD")
        except PackageNotFoundError:
            continue
        if record is not None:
            found[name] = hashlib.sha256(record.encode()).hexdigest()
    return found


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in DEPENDENCIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
