"""Earlier copies of the cache's databases, kept by the faults of a run for later ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from soakproof.faults.fault import Site

__all__ = ["earlier_copy", "keep_earlier"]


def keep_earlier(site: Site, databases: Iterable[Path]) -> None:
    """Copy databases as they are, one copy each; only while no operation runs."""
    folder = _folder(site)
    folder.mkdir(parents=True, exist_ok=True)
    for database in databases:
        part = folder / f"{database.name}.part"
        shutil.copyfile(database, part)
        part.replace(folder / database.name)


def earlier_copy(site: Site, database: Path) -> Path | None:
    """Return the copy that an earlier fault of this run kept, or nothing."""
    copy = _folder(site) / database.name
    return copy if copy.is_file() else None


def _folder(site: Site) -> Path:
    return site.scratch / "earlier"
