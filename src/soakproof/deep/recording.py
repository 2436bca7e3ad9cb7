"""Record what commands do to a folder, as effects from which crash states are rebuilt."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from soakproof.deep.calls import read_trace
from soakproof.deep.disk import Disk, Effect, Tree
from soakproof.deep.effects import CannotRebuildError, Recorder
from soakproof.deep.room import begin, tree_of
from soakproof.deep.strace import Strace

__all__ = ["Recording"]

_SHARED_MEMORY: Final = "-shm"
"""SQLite's shared memory is written through memory, which no trace shows.

Whoever opens the database first after a crash makes it anew (https://sqlite.org/walformat.html),
so it is in no state.
"""


class Recording:
    """The effects of several commands on one folder, one after the other.

    Args:
        strace: a strace that works.
        folder: what is recorded; what lies in it now counts as synced.
        left_out: folders directly in it that are not followed.
    """

    def __init__(self, strace: Strace, folder: Path, left_out: Sequence[str] = ()) -> None:
        self._strace = strace
        self._folder = folder.resolve()
        self._left_out = tuple(left_out)
        whole = tree_of(self._folder)
        self.base = Tree(
            {path: data for path, data in whole.files.items() if not self._is_left_out(path)},
            frozenset(path for path in whole.folders if not self._is_left_out(path)),
        )
        root = str(self._folder)
        self._recorder = Recorder(root, self.base, root, self._is_left_out)

    @property
    def effects(self) -> Sequence[Effect]:
        """What was done by now."""
        return tuple(self._recorder.effects)

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], trace: Path, cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command that is recorded; without ``cwd`` it works in the folder."""
        self._recorder.cwd = str(cwd or self._folder)
        return begin(self._strace.record(argv, trace), env, cwd or self._folder)

    def take(self, trace: Path) -> None:
        """Take the trace of a command that has ended, and hold what it tells against the disk.

        Raises:
            CannotRebuildError: the folder is not what the trace tells: something went past it.
        """
        with trace.open("r", encoding="ascii", errors="replace") as lines:
            read = read_trace(lines)
        if read.unreadable:
            raise CannotRebuildError(f"strace wrote {read.unreadable[0][:200]!r}")
        self._recorder.take(read.calls)
        disk = Disk.of(self.base)
        for effect in self.effects:
            disk.apply(effect)
        told, there = disk.tree().files, tree_of(self._folder).files
        for path in sorted(told.keys() | there.keys()):
            if not self._is_left_out(path) and told.get(path) != there.get(path):
                raise CannotRebuildError(f"{path}: the disk does not hold what the trace tells")

    def _is_left_out(self, path: str) -> bool:
        return path.endswith(_SHARED_MEMORY) or path.partition("/")[0] in self._left_out
