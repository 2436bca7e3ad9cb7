"""What a reader must know of where and with what the figures were taken."""

import importlib.metadata
import os
import platform
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from speed.tools import universal_ctags, version_line

COMPARED = (
    "diskcache",
    "sqlitedict",
    "joblib",
    "lmdb",
    "griffe",
    "tree-sitter",
    "tree-sitter-python",
)


def facts(counter: str) -> list[str]:
    """Give sentences about machine, versions and method."""
    versions = ", ".join(f"{name} {_version(name)}" for name in COMPARED)
    ctags = universal_ctags()
    said = version_line(ctags).partition(",")[0] if ctags else "Universal Ctags not installed"
    sqlite = sqlite3.sqlite_version
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    return [
        f"Taken on {datetime.now(UTC):%Y-%m-%d} with trifecta {_version('trifecta')}"
        f" on {python}, SQLite {sqlite}.",
        f"Machine: {os.cpu_count()} cores of {_processor()}, {platform.system()}"
        f" {platform.release()}, load average at the end {load}.",
        f"Compared with: {versions}, {said}.",
        f"Instructions counted by: {counter}.",
    ]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
