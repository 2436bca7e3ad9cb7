"""Put a folder in its place, whole or not at all.

It is built beside its place, made durable, and then renamed; a folder that is there already is
exchanged in one step (``renameat2(2)``, ``RENAME_EXCHANGE``). Killed anywhere, its place holds the
old folder or the new one; what is left beside it is removed the next time.
"""

from __future__ import annotations

import ctypes
import filecmp
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["put_folder"]

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_CHUNK_BYTES: Final = 1 << 20


def put_folder(place: Path, files: Mapping[str, bytes | Path]) -> bool:
    """Make ``place`` a folder with exactly these files.

    Args:
        place: the folder.
        files: path in it, with ``/`` between its parts → content, or a file that has it.

    Returns:
        Whether it had to be written: false, it was there just so and was not touched.

    One process at a time may put folders beside ``place``: the caller holds a lock.
    """
    part = place.parent / f".{place.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    if _holds(place, files):
        return False
    for name, data in files.items():
        _write(part / name, data)
    for folder in sorted({part, *((part / name).parent for name in files)}, reverse=True):
        _sync_folder(folder)
    if place.exists():
        _exchange(part, place)
    else:
        part.rename(place)
    _sync_folder(place.parent)
    shutil.rmtree(part, ignore_errors=True)
    return True


def _holds(place: Path, files: Mapping[str, bytes | Path]) -> bool:
    if not place.is_dir():
        return False
    there = {
        path.relative_to(place).as_posix(): path
        for path in place.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }
    return there.keys() == files.keys() and all(
        not path.is_symlink() and _is(path, files[name]) for name, path in there.items()
    )


def _is(path: Path, data: bytes | Path) -> bool:
    if isinstance(data, Path):
        return filecmp.cmp(path, data, shallow=False)
    return path.read_bytes() == data


def _write(path: Path, data: bytes | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if isinstance(data, Path):
            with data.open("rb") as source:
                shutil.copyfileobj(source, file, _CHUNK_BYTES)
        else:
            file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders; where the system cannot, rename twice.

    Between the two renames the place is empty for a moment, and only then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rename = getattr(libc, "renameat2", None)
    if rename is not None:
        paths = (os.fsencode(one), os.fsencode(other))
        if rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
            return
    aside = one.with_suffix(".old.part")
    shutil.rmtree(aside, ignore_errors=True)
    other.rename(aside)
    one.rename(other)
    shutil.rmtree(aside)
