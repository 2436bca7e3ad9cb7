"""The points of a scan: at which call of an operation something is done, and what. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from soakproof.deep.calls import Call, fd_of, path_of, text_of

__all__ = [
    "BEHIND",
    "CHANGING",
    "Point",
    "Touch",
    "beyond_points",
    "bounded",
    "error_points",
    "kill_points",
    "short_points",
    "touches",
]

T = TypeVar("T")

_WRITES: Final = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
_SIZES: Final = ("ftruncate", "truncate", "fallocate")
_SYNCS: Final = ("fsync", "fdatasync", "sync_file_range")
_NAMES: Final = (
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat"),
)
_OPENS: Final = ("open", "openat", "creat")

CHANGING: Final = (*_OPENS, *_WRITES, *_SIZES, *_SYNCS, *_NAMES)
"""The calls that change a disk, or may."""

_ERRORS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (_OPENS, ("EMFILE", "ENOSPC", "EIO")),
    (_WRITES, ("ENOSPC", "EIO", "EAGAIN", "EINTR")),
    (_SIZES, ("ENOSPC", "EIO")),
    (_SYNCS, ("ENOSPC", "EIO")),
    (_NAMES, ("ENOSPC", "EIO")),
)

BEHIND: Final = "behind the last"
"""In place of the path of a call that an undisturbed operation does not make."""

_ONCE: Final = frozenset({"EINTR"})
"""Who is interrupted tries again: an error that never ends would be an endless loop by contract."""


@dataclass(frozen=True, slots=True)
class Touch:
    """A call of the undisturbed operation that touches the cache.

    Args:
        name: of the call.
        nth: which call of that name it was in its process, from 1: what strace counts by.
        path: of the file, relative to the room.
        writes: the call asks for a change, or makes one.
        offset: where a write goes; ``None``: not told by the call.
        length: how many bytes it writes.
    """

    name: str
    nth: int
    path: str
    writes: bool
    offset: int | None = None
    length: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """What is done at which call.

    Args:
        touch: the call.
        error: it fails with this error; ``None``: something else is done there.
        persists: so do all calls of its name after it.
        limit_bytes: the process may make no file longer than this.
    """

    touch: Touch
    error: str | None = None
    persists: bool = False
    limit_bytes: int | None = None

    @property
    def starves(self) -> bool:
        """No file can be opened any more, the tool's own code included: it may refuse, cleanly."""
        return self.persists and self.touch.name in _OPENS

    def told(self) -> str:
        """Return the point in words."""
        where = f"{self.touch.name} {self.touch.nth} ({self.touch.path})"
        if self.limit_bytes is not None:
            return f"no file beyond {self.limit_bytes} bytes, in the middle of {where}"
        if self.error is None:
            return where
        return f"{self.error} from {where} on" if self.persists else f"{self.error} at {where}"


def touches(calls: Sequence[Call], inside: Callable[[str], str | None]) -> Iterator[Touch]:
    """Yield the calls of the first process that touch the cache.

    Args:
        calls: of the undisturbed operation.
        inside: absolute path → path relative to the room, or ``None`` where it is not the cache's.
    """
    first = calls[0].pid if calls else 0
    counted: dict[str, int] = {}
    places = _Places()
    for call in calls:
        if call.pid != first or call.name not in CHANGING:
            continue
        nth = counted[call.name] = counted.get(call.name, 0) + 1
        named = (path_of(argument) for argument in call.arguments)
        paths = [path for one in named if one and (path := inside(one)) is not None]
        if not paths:
            continue
        opens = call.name in _OPENS
        flags = " ".join(call.arguments) if opens else ""
        writes = not opens or "O_CREAT" in flags or "O_TRUNC" in flags or call.name == "creat"
        data = text_of(call.arguments[1]) if call.name in {"write", "pwrite64"} else None
        offset = places.of(call)
        yield Touch(call.name, nth, paths[-1], writes, offset, len(data or b""))


class _Places:
    """Where writes go, as far as opens and writes alone tell it: nobody seeks who begins a file.

    A wrong guess makes another length of a file, not a wrong finding.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def of(self, call: Call) -> int | None:
        """Return where a call writes; ``None``: it does not, or nobody knows."""
        if call.name == "pwrite64":
            return int(call.arguments[3])
        if call.name in _OPENS and call.result is not None:
            self._next.pop(call.result, None)
            if "O_APPEND" not in " ".join(call.arguments):
                self._next[call.result] = 0
        fd = fd_of(call.arguments[0])
        if call.name != "write" or fd is None or fd not in self._next:
            return None
        offset = self._next[fd]
        self._next[fd] += max(call.result or 0, 0)
        return offset


def kill_points(found: Sequence[Touch]) -> list[Point]:
    """Return a point for each call that changes the disk."""
    return [Point(touch) for touch in found if touch.writes]


def beyond_points(totals: Mapping[str, int]) -> list[Point]:
    """Return a point behind the last call of each name: the operation must end unharmed there.

    If it does not, it made more calls than the undisturbed one, and there are more points.
    """
    return [
        Point(Touch(name, nth + 1, BEHIND, writes=True)) for name, nth in sorted(totals.items())
    ]


def error_points(found: Sequence[Touch]) -> list[Point]:
    """Return the points of an error scan: each error that the call may give, once and for ever."""
    points = []
    for touch in found:
        for error in _errors_of(touch):
            points.append(Point(touch, error))
            # What follows a plain write would be the answer itself, which no cache can save.
            if error not in _ONCE and touch.name != "write":
                points.append(Point(touch, error, persists=True))
    return points


def short_points(found: Sequence[Touch]) -> list[Point]:
    """Return a point for each length in the middle of a write at a place the call names."""
    points: dict[int, Point] = {}
    for touch in found:
        if touch.offset is not None and touch.length > 1:
            limit = touch.offset + touch.length // 2
            points.setdefault(limit, Point(touch, limit_bytes=limit))
    return list(points.values())


def bounded(points: Sequence[T], most: int) -> list[tuple[int, T]]:
    """Return the points with their numbers, from 1; of too many an evenly spread choice."""
    numbered = list(enumerate(points, 1))
    if len(points) <= most:
        return numbered
    return [numbered[at * len(points) // most] for at in range(most)]


def _errors_of(touch: Touch) -> tuple[str, ...]:
    for names, errors in _ERRORS:
        if touch.name in names:
            reads = touch.name in _OPENS and not touch.writes
            return tuple(one for one in errors if not (reads and one == "ENOSPC"))
    return ()
