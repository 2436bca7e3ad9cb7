"""From the calls of a trace to what they did to a folder. Pure.

A call of which nobody can say here what it did to the folder's bytes is not passed over: it ends
the rebuilding with a :class:`CannotRebuildError`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from soakproof.deep.calls import Call, fd_of, path_of, text_of, texts_of
from soakproof.deep.disk import (
    Acknowledged,
    Data,
    Effect,
    Folder,
    Gone,
    Name,
    Rename,
    Size,
    Sync,
    SyncFolder,
    Tree,
)

__all__ = ["RECORDED", "CannotRebuildError", "Recorder"]

RECORDED: Final = (
    "open,openat,creat,close,dup,dup2,dup3,fcntl,lseek,read,readv,write,pwrite64,writev,pwritev,"
    "pwritev2,ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,link,linkat,symlink,symlinkat,fsync,fdatasync,sync,syncfs,sync_file_range,mmap,"
    "copy_file_range,sendfile,splice,io_uring_setup,clone,clone3,fork,vfork,chdir,fchdir"
)
"""The calls that a recording needs: those that change files, and those that say which."""

_STDOUT: Final = 1


class CannotRebuildError(Exception):
    """A call did something to the folder that cannot be rebuilt from the trace."""


@dataclass(slots=True)
class _Open:
    """An open file: several descriptors may share it, and with it the position."""

    file: int | None
    path: str
    position: int | None = 0
    append: bool = False


@dataclass(slots=True)
class Recorder:
    """Takes calls, gives effects.

    Args:
        root: the folder, without symbolic links in its path.
        base: what lay in it before; its files are numbered as :meth:`Disk.of` does.
        cwd: working directory of the first process.
        left_out: paths (relative to the root) of files that are not followed.
    """

    root: str
    base: Tree
    cwd: str
    left_out: Callable[[str], bool]
    effects: list[Effect] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    _tables: dict[int, dict[int, _Open]] = field(default_factory=dict)
    _cwds: dict[int, str] = field(default_factory=dict)
    _next: int = 0

    def __post_init__(self) -> None:
        """Number the files that are there."""
        for path in sorted(self.base.files):
            self._names[path] = self._number()
        self._folders = set(self.base.folders)

    def take(self, calls: Iterable[Call]) -> None:
        """Take the calls of one process (and those that it starts); may be called again.

        Raises:
            CannotRebuildError: a call did something that cannot be rebuilt.
        """
        self._tables, self._cwds = {}, {}
        for call in calls:
            if call.result is None or call.result < 0 or call.injected:
                continue
            handler = _HANDLERS.get(call.name)
            if handler is not None:
                handler(self, call)

    # ------------------------------------------------------------- names and places

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _inside(self, path: str) -> str | None:
        """Return a path relative to the root; ``None``: it is outside, or left out."""
        if path != self.root and not path.startswith(self.root + "/"):
            return None
        relative = path[len(self.root) + 1 :] or "."
        return None if self.left_out(relative) else relative

    def _at(self, call: Call, path_at: int, folder_at: int | None = None) -> str | None:
        """Return where a call's path argument lies, relative to the root."""
        given = path_of(call.arguments[path_at])
        if given is None:
            raise CannotRebuildError(f"{call.name}: its path cannot be read")
        folder = self._cwds.get(call.pid, self.cwd)
        if folder_at is not None:
            folder = path_of(call.arguments[folder_at]) or folder
        return self._inside(posixpath.normpath(posixpath.join(folder, given)))

    def _opened(self, call: Call, at: int = 0) -> _Open | None:
        """Return the open file of a descriptor argument; ``None``: it is none in the folder."""
        fd = fd_of(call.arguments[at])
        table = self._tables.setdefault(call.pid, {})
        if fd in table:
            return table[fd]
        path = path_of(call.arguments[at])
        inside = None if path is None or fd is None else self._inside(path)
        if inside is None or fd is None:
            return None
        # Inherited from a process whose trace told of it later: its position is not known.
        return table.setdefault(fd, _Open(self._names.get(inside), inside, position=None))

    # ------------------------------------------------------------- what calls do

    def open(self, call: Call) -> None:
        """Take an open."""
        at = 1 if call.name == "openat" else 0
        flags = "O_WRONLY|O_CREAT|O_TRUNC" if call.name == "creat" else call.arguments[at + 1]
        path = self._at(call, at, 0 if at else None)
        table = self._tables.setdefault(call.pid, {})
        fd = call.result or 0
        table.pop(fd, None)
        if path is None:
            return
        if "O_TMPFILE" in flags:
            raise CannotRebuildError(f"{call.name}: a file without a name")
        asked = set(flags.split("|"))
        file = self._names.get(path)
        if file is None and "O_CREAT" in asked and path not in self._folders:
            file = self._names[path] = self._number()
            self.effects.append(Name(path, file))
        elif file is not None and "O_TRUNC" in asked:
            self.effects.append(Size(file, 0))
        table[fd] = _Open(file, path, append="O_APPEND" in asked)

    def close(self, call: Call) -> None:
        """Take a close."""
        fd = fd_of(call.arguments[0])
        if fd is not None:
            self._tables.setdefault(call.pid, {}).pop(fd, None)

    def duplicate(self, call: Call) -> None:
        """Take a dup, or a fcntl that is one."""
        if call.name == "fcntl" and not call.arguments[1].startswith("F_DUPFD"):
            return
        opened = self._opened(call)
        table = self._tables.setdefault(call.pid, {})
        table.pop(call.result or 0, None)
        if opened is not None:
            table[call.result or 0] = opened

    def move(self, call: Call) -> None:
        """Take a seek or a read, which move the position."""
        opened = self._opened(call)
        if opened is None or opened.position is None:
            return
        moved = call.result or 0
        opened.position = moved if call.name == "lseek" else opened.position + moved

    def write(self, call: Call) -> None:
        """Take a write of any kind."""
        opened = self._opened(call)
        vector = "v" in call.name
        if opened is None:
            if fd_of(call.arguments[0]) == _STDOUT:
                told = texts_of(call.arguments[1]) if vector else text_of(call.arguments[1])
                self.effects.append(Acknowledged(told or b""))
            return
        data = texts_of(call.arguments[1]) if vector else text_of(call.arguments[1])
        if data is None or opened.file is None:
            raise CannotRebuildError(f"{call.name} on {opened.path}: its bytes cannot be read")
        data = data[: call.result]
        if call.name.startswith("pwrite"):
            offset = int(call.arguments[3])
        else:
            if opened.append:
                opened.position = self._length(opened.file)
            if opened.position is None:
                raise CannotRebuildError(f"{call.name} on {opened.path}: nobody knows where to")
            offset = opened.position
            opened.position += len(data)
        if data:
            self.effects.append(Data(opened.file, offset, data))

    def cut(self, call: Call) -> None:
        """Take a truncate, by descriptor or by path."""
        if call.name == "ftruncate":
            opened = self._opened(call)
            file = None if opened is None else opened.file
        else:
            path = self._at(call, 0)
            file = None if path is None else self._names.get(path)
        if file is not None:
            self.effects.append(Size(file, int(call.arguments[1])))

    def allocate(self, call: Call) -> None:
        """Take a fallocate: the plain one extends the file with zeros."""
        opened = self._opened(call)
        if opened is None or opened.file is None:
            return
        if call.arguments[1] not in {"0", "FALLOC_FL_KEEP_SIZE"}:
            raise CannotRebuildError(f"fallocate on {opened.path}: {call.arguments[1]}")
        end = int(call.arguments[2]) + int(call.arguments[3])
        if call.arguments[1] == "0" and end > self._length(opened.file):
            self.effects.append(Size(opened.file, end))

    def rename(self, call: Call) -> None:
        """Take a rename."""
        plain = call.name == "rename"
        old = self._at(call, 0) if plain else self._at(call, 1, 0)
        new = self._at(call, 1) if plain else self._at(call, 3, 2)
        if old is None and new is None:
            return
        swapped = call.name == "renameat2" and "RENAME_EXCHANGE" in call.arguments[4]
        if old is None or new is None or old in self._folders or swapped:
            raise CannotRebuildError(f"{call.name} of {old} to {new}")
        file = self._names.pop(old)
        self._names[new] = file
        self.effects.append(Rename(old, new, file))

    def remove(self, call: Call) -> None:
        """Take an unlink or a rmdir."""
        path = self._at(call, 1, 0) if call.name == "unlinkat" else self._at(call, 0)
        if path is not None:
            self._names.pop(path, None)
            self._folders.discard(path)
            self.effects.append(Gone(path))

    def folder(self, call: Call) -> None:
        """Take a mkdir."""
        path = self._at(call, 1, 0) if call.name == "mkdirat" else self._at(call, 0)
        if path is not None:
            self._folders.add(path)
            self.effects.append(Folder(path))

    def link(self, call: Call) -> None:
        """Take a link."""
        plain = call.name == "link"
        old = self._at(call, 0) if plain else self._at(call, 1, 0)
        new = self._at(call, 1) if plain else self._at(call, 3, 2)
        if new is None:
            return
        if old is None or old not in self._names:
            raise CannotRebuildError(f"{call.name} of {old} to {new}")
        self._names[new] = self._names[old]
        self.effects.append(Name(new, self._names[new]))

    def sync(self, call: Call) -> None:
        """Take a fsync or fdatasync, of a file or a folder."""
        opened = self._opened(call)
        if opened is not None and opened.path in self._folders | {"."}:
            self.effects.append(SyncFolder(opened.path))
        elif opened is not None and opened.file is not None:
            self.effects.append(Sync(opened.file))

    def sync_all(self, _call: Call) -> None:
        """Take a sync or syncfs: everything lasts."""
        self.effects += [Sync(file) for file in sorted(set(self._names.values()))]
        self.effects += [SyncFolder(path) for path in (".", *sorted(self._folders))]

    def map(self, call: Call) -> None:
        """Take a mmap: what is written through it is in no trace."""
        if "MAP_SHARED" not in call.arguments[3] or "PROT_WRITE" not in call.arguments[2]:
            return
        path = path_of(call.arguments[4])
        if path is not None and self._inside(path) is not None:
            raise CannotRebuildError(f"{self._inside(path)} is written through memory (mmap)")

    def fork(self, call: Call) -> None:
        """Take the start of a process or thread."""
        child = call.result or 0
        table = self._tables.setdefault(call.pid, {})
        shared = any("CLONE_FILES" in argument for argument in call.arguments)
        known = self._tables.get(child, {})
        self._tables[child] = table if shared else dict(table) | known
        self._cwds[child] = self._cwds.get(call.pid, self.cwd)

    def change_folder(self, call: Call) -> None:
        """Take a change of the working directory."""
        path = path_of(call.arguments[0])
        if path is not None:
            before = self._cwds.get(call.pid, self.cwd)
            self._cwds[call.pid] = posixpath.normpath(posixpath.join(before, path))

    def unknown(self, call: Call) -> None:
        """Take a call that moves bytes past the trace."""
        folders = (path_of(argument) for argument in call.arguments)
        if call.name == "io_uring_setup" or any(path and self._inside(path) for path in folders):
            raise CannotRebuildError(f"{call.name}: what it writes is in no trace")

    def _length(self, file: int) -> int:
        """Return a file's size by now."""
        paths = sorted(self.base.files)
        size = len(self.base.files[paths[file]]) if file < len(paths) else 0
        for effect in self.effects:
            if isinstance(effect, Size) and effect.file == file:
                size = effect.size_bytes
            elif isinstance(effect, Data) and effect.file == file:
                size = max(size, effect.offset + len(effect.data))
        return size


_HANDLERS: Final[dict[str, Callable[[Recorder, Call], None]]] = {
    **dict.fromkeys(("open", "openat", "creat"), Recorder.open),
    "close": Recorder.close,
    **dict.fromkeys(("dup", "dup2", "dup3", "fcntl"), Recorder.duplicate),
    **dict.fromkeys(("lseek", "read", "readv"), Recorder.move),
    **dict.fromkeys(("write", "writev", "pwrite64", "pwritev", "pwritev2"), Recorder.write),
    **dict.fromkeys(("ftruncate", "truncate"), Recorder.cut),
    "fallocate": Recorder.allocate,
    **dict.fromkeys(("rename", "renameat", "renameat2"), Recorder.rename),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), Recorder.remove),
    **dict.fromkeys(("mkdir", "mkdirat"), Recorder.folder),
    **dict.fromkeys(("link", "linkat"), Recorder.link),
    **dict.fromkeys(("fsync", "fdatasync"), Recorder.sync),
    **dict.fromkeys(("sync", "syncfs"), Recorder.sync_all),
    "mmap": Recorder.map,
    **dict.fromkeys(("clone", "clone3", "fork", "vfork"), Recorder.fork),
    **dict.fromkeys(("chdir", "fchdir"), Recorder.change_folder),
    **dict.fromkeys(
        ("copy_file_range", "sendfile", "splice", "io_uring_setup", "symlink", "symlinkat"),
        Recorder.unknown,
    ),
}
