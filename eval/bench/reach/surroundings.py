"""What a reader must know of where and with what the harness was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from typing import Final

__all__ = ["facts"]

PACKAGES: Final = ("soakproof", "trifecta", "distributed", "duckdb", "polars")


def facts() -> list[str]:
    """Give sentences about machine and versions."""
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    return [
        f"Taken on {datetime.now(UTC):%Y-%m-%d} on {platform.python_implementation()} "
        f"{platform.python_version()}: {versions}.",
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"load average at the end {load}.",
    ]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
