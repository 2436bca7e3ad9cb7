"""Files that many calls share: made whole, or not at all."""

from __future__ import annotations

import os

__all__ = ["append", "content", "linked", "made", "put"]


def made(path: str, body: bytes) -> bool:
    """Make a file with its content, whole; false: it is there already."""
    part = f"{path}.{os.getpid()}"
    with open(part, "wb") as file:
        file.write(body)
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(part)
    return True


def put(path: str, body: bytes) -> None:
    """Write a file, whole, in place of one that may be there."""
    part = f"{path}.{os.getpid()}"
    with open(part, "wb") as file:
        file.write(body)
    os.replace(part, path)


def content(path: str) -> bytes | None:
    """Return what a file holds, or nothing where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def append(path: str, data: bytes) -> None:
    """Append with one write."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, data)
    os.close(fd)


def linked(source: str, goal: str, hidden: str) -> None:
    """Make a copy of a folder out of hard links, without one of the folders in it."""
    for folder, folders, files in os.walk(source):
        folders[:] = [name for name in folders if os.path.join(folder, name) != hidden]
        place = goal + folder[len(source) :]
        os.makedirs(place, exist_ok=True)
        if folder == hidden:
            folders.clear()
            continue
        for name in files:
            try:
                os.link(os.path.join(folder, name), os.path.join(place, name))
            except FileNotFoundError:  # edited meanwhile: as if we had come a moment later
                continue
