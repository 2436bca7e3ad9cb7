"""A disk as a list of what was done to it, and what of that a crash may leave. Pure.

Data and names are told apart, as fsync(2) does: syncing a file makes its bytes last, syncing a
folder makes the names in it last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

__all__ = [
    "SECTOR_BYTES",
    "Acknowledged",
    "Data",
    "Disk",
    "Effect",
    "Folder",
    "Gone",
    "Name",
    "Rename",
    "Size",
    "Sync",
    "SyncFolder",
    "Tree",
    "sectors",
]

SECTOR_BYTES: Final = 512
"""What a disk writes whole or not at all."""


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes were written into a file."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Size:
    """A file was cut or extended to a size."""

    file: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Sync:
    """All bytes that a file had were made to last."""

    file: int


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """The names in a folder were made to last."""

    path: str


@dataclass(frozen=True, slots=True)
class Name:
    """A file got a name (it was made, or linked)."""

    path: str
    file: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder was made."""

    path: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A file got another name in place of the one it had; what had that name lost it."""

    old: str
    new: str
    file: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A name was removed (a file's, or an empty folder's)."""

    path: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The process told somebody something: from here on it counts as done."""

    text: bytes


Effect = Data | Size | Sync | SyncFolder | Name | Folder | Rename | Gone | Acknowledged


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies on the disk: path → bytes, and the folders."""

    files: Mapping[str, bytes]
    folders: frozenset[str]

    def digest(self) -> str:
        """Return the SHA-256 over folders, paths and contents."""
        sha = hashlib.sha256("\n".join(sorted(self.folders)).encode())
        for path, content in sorted(self.files.items()):
            sha.update(f"\0{path}\0{hashlib.sha256(content).hexdigest()}".encode())
        return sha.hexdigest()


@dataclass(slots=True)
class Disk:
    """A disk under way.

    Args:
        names: path → file.
        contents: file → bytes.
        folders: those that are there.
    """

    names: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytearray] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, base: Tree) -> Disk:
        """Return a disk on which a tree lies; its files are 0, 1, 2 … in the order of paths."""
        disk = cls(folders=set(base.folders))
        for file, (path, content) in enumerate(sorted(base.files.items())):
            disk.names[path] = file
            disk.contents[file] = bytearray(content)
        return disk

    def apply(self, effect: Effect) -> None:
        """Do what was done."""
        match effect:
            case Data(file, offset, data):
                content = self.contents.setdefault(file, bytearray())
                if len(content) < offset:
                    content.extend(bytes(offset - len(content)))
                content[offset : offset + len(data)] = data
            case Size(file, size_bytes):
                content = self.contents.setdefault(file, bytearray())
                del content[size_bytes:]
                content.extend(bytes(size_bytes - len(content)))
            case Name(path, file):
                self.names[path] = file
                self.contents.setdefault(file, bytearray())
            case Folder(path):
                self.folders.add(path)
            case Rename(old, new, file):
                self.names.pop(old, None)
                self.names[new] = file
                self.contents.setdefault(file, bytearray())
            case Gone(path):
                self.names.pop(path, None)
                self.folders.discard(path)
            case Sync() | SyncFolder() | Acknowledged():
                pass

    def tree(self) -> Tree:
        """Return what lies there now; a name in a folder that is not there cannot be reached."""
        files = {
            path: bytes(self.contents[file])
            for path, file in self.names.items()
            if _reachable(path, self.folders)
        }
        folders = {path for path in self.folders if _reachable(path, self.folders)}
        return Tree(files, frozenset(folders))


def sectors(data: Data) -> Iterator[Data]:
    """Yield a write in the pieces that a disk writes whole: aligned sectors of the file."""
    at = 0
    while at < len(data.data):
        offset = data.offset + at
        size = SECTOR_BYTES - offset % SECTOR_BYTES
        yield Data(data.file, offset, data.data[at : at + size])
        at += size


def _reachable(path: str, folders: set[str]) -> bool:
    parents = [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
    return folders.issuperset(parents)
