"""Fault ``damage``: the bytes of a database, or of its write-ahead log, are not what was written.

It is done while no operation runs, as a bad disk, a torn copy or a crash would leave it. Files are
chosen by their role. For the log another process commits pages and is killed before its checkpoint,
so that there is one. Modes that may alter a stored value unseen say ``random: true``: they are a
tier of their own, and gated only where the target promises checksums.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from soakproof.dice import pick, stream, uniform_int
from soakproof.faults.damage_modes import RANDOM_MODES, WAL_MODES, Change, Content, changes
from soakproof.faults.earlier import earlier_copy, keep_earlier
from soakproof.faults.fault import FaultKind, Say, Site
from soakproof.faults.holder import Holder
from soakproof.faults.opening import OpeningFault
from soakproof.faults.soundness import remove_unsound
from soakproof.model import FaultPlan

__all__ = ["KIND", "Damage", "draw"]

_NOISE: Final = 2**31 - 1
_CRASH_MS: Final = 30_000
_TOLD_PATCHES: Final = 8


def draw(params: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return the mode, and the seed of the places, which depend on the file as it is then."""
    return {
        "mode": pick(dice, params["modes"]),
        "bits": uniform_int(dice, *params["bits"]),
        "noise": uniform_int(dice, 0, _NOISE),
        "roles": list(params.get("roles", ["database"])),
    }


class Damage(OpeningFault):
    """Damage to one file, before the operations come."""

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._mode: str = plan.params["mode"]
        self._dice = stream(plan.params["noise"], "damage")
        self._holder: Holder | None = None
        self._database: Path | None = None
        self._damaged: tuple[Path, int, Change] | None = None

    def apply(self, now_ns: int) -> None:
        """Choose a file and damage it; for a log, have one made first."""
        if self._holder is not None and self._database is not None:
            self._await_crash(now_ns, self._holder, self._database)
            return
        databases = self.site.files(*self.plan.params["roles"])
        databases = [path for path in databases if path.stat().st_size]
        if not databases:
            self.skip("no database to damage")
            return
        self._database = pick(self._dice, databases)
        if self._mode in WAL_MODES:
            self._holder = Holder("db_holder", "crash", str(_CRASH_MS), str(self._database))
        else:
            self._damage(now_ns, self._database, databases)

    def undo(self) -> dict[str, Any]:
        """Remove what SQLite finds unsound, as a user would; tell who healed it."""
        super().undo()
        if self._holder is not None:
            self._holder.kill()
            self._holder = None
        if self._damaged is None or self._database is None:
            return {}
        # What is no database of SQLite only its tool can judge: it is left as it is.
        is_database = self.site.role_of(self._database) in self.site.databases
        removed = remove_unsound([self._database] if is_database else [])
        if removed:
            return {"by": "harness", "removed": removed}
        return {"by": "nobody" if _still_there(*self._damaged) else "subject"}

    def _await_crash(self, now_ns: int, holder: Holder, database: Path) -> None:
        if not holder.holds():
            if (why := holder.refusal()) is not None:
                self.skip(why)
            return
        holder.kill()
        self._holder = None
        log = database.with_name(f"{database.name}-wal")
        if not log.exists() or not log.stat().st_size:
            self.skip("no WAL to damage: the log is empty")
            return
        self._damage(now_ns, log, [])

    def _damage(self, now_ns: int, path: Path, copied: Sequence[Path]) -> None:
        size, inode = path.stat().st_size, path.stat().st_ino
        earlier = earlier_copy(self.site, path)
        content = Content.of(size, _reader(path), _reader(earlier))
        change = changes(self._mode, content, self._dice, self.plan.params["bits"])
        keep_earlier(self.site, copied)
        before = {at: content.read(at, len(new)) for at, new in change.patches.items()}
        _write(path, change)
        self._damaged = (path, inode, change)
        if before == change.patches and change.size in {None, size}:
            self.skip("the damage changed nothing")
            return
        self.watch([path.name])
        patches = [[at, len(new)] for at, new in sorted(change.patches.items())]
        told = {"file": path.name, "mode": self._mode, "random": self._mode in RANDOM_MODES}
        told |= {"bytes_before": size, "bytes_after": path.stat().st_size}
        told |= {"patches_at_length": patches[:_TOLD_PATCHES]}
        self.has_fired(now_ns, told)


def _reader(path: Path | None) -> Callable[[int, int], bytes]:
    def read(at: int, length: int) -> bytes:
        if path is None:
            return b""
        with path.open("rb") as file:
            file.seek(at)
            return file.read(length)

    return read


def _write(path: Path, change: Change) -> None:
    """Damage in place: the file stays the same one, as on a bad disk."""
    with path.open("r+b") as file:
        for at, new in change.patches.items():
            file.seek(at)
            file.write(new)
        if change.size is not None:
            file.truncate(change.size)
        file.flush()
        os.fsync(file.fileno())


def _still_there(path: Path, inode: int, change: Change) -> bool:
    try:
        state = path.stat()
    except OSError:
        return False
    if state.st_ino != inode or change.size not in {None, state.st_size}:
        return False
    read = _reader(path)
    return all(read(at, len(new)) == new for at, new in change.patches.items())


KIND: Final = FaultKind(
    name="damage",
    about="bytes of a database or of its log altered while no operation runs",
    draw=draw,
    make=Damage,
)
