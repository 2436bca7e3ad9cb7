"""Finding a module's file in a segment and reading its bytes, of one version and inside it.

Sources are read as bytes: what they decode to is the parser's business and never the locale's.
"""

import os
import stat
import time

from trifecta.errors import InvalidInputError
from trifecta.segment import Segment
from trifecta.uri import Target

MAX_BYTES = 64 * 1024 * 1024
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # a FIFO must not block us
# A file touched this recently may be in the middle of a rewrite, and its timestamps (which tick
# every 1-10 ms) would not show it: read it again until two readings agree.
_FRESH_NS = 20_000_000
_SETTLE_S = 0.002
_MAX_READINGS = 16


def find(segment: Segment, target: Target) -> tuple[str, int]:
    """Open the module's file; give its path relative to the segment and the descriptor.

    A package wins over a module of the same name, the segment's own folder over its ``src``,
    as Python's import system would have it.  Raises FileNotFoundError and InvalidInputError.
    """
    for path in _candidates(target):
        try:
            return path, os.open(f"{segment.root}/{path}", _READ_FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as problem:
            raise _unreadable(path, problem) from None
    raise FileNotFoundError


def _candidates(target: Target) -> "tuple[str, ...]":
    stem = "/".join(target.parts)
    if target.language != "python":
        return (stem,)
    return f"{stem}/__init__.py", f"{stem}.py", f"src/{stem}/__init__.py", f"src/{stem}.py"


def _namespace(segment: Segment, target: Target) -> str:
    """Give the folder of a namespace package (PEP 420) with a slash at its end, or nothing."""
    if target.language != "python" or target.member:
        return ""
    stem = "/".join(target.parts)
    for path in (f"{stem}/", f"src/{stem}/"):
        folder = f"{segment.root}/{path}"
        inside = os.path.realpath(folder).startswith(segment.root.rstrip("/") + "/")
        if inside and os.path.isdir(folder) and _holds_python(folder):
            return path
    return ""


def _holds_python(folder: str) -> bool:
    """Tell whether there is a module in *folder* or in a folder in it."""
    try:
        with os.scandir(folder) as entries:
            names = [(entry.name, entry.is_dir()) for entry in entries]
    except OSError:
        return False
    if any(name.endswith(".py") and not is_dir for name, is_dir in names):
        return True
    nested = (f"{folder}{name}/__init__.py" for name, is_dir in names if is_dir)
    return any(map(os.path.isfile, nested))


def read(segment: Segment, target: Target) -> tuple[str, bytes]:
    """Give the module's relative path and the bytes of one version of it.

    A namespace package is a folder: its path ends with a slash, and it has no bytes.
    """
    try:
        path, descriptor = find(segment, target)
    except FileNotFoundError:
        folder = _namespace(segment, target)
        if folder:
            return folder, b""
        raise _unknown(segment, target) from None
    try:
        _check_regular(path, descriptor)
        _check_inside(segment, path, descriptor)
        try:
            return path, _read_settled(path, descriptor)
        except OSError as problem:
            raise _unreadable(path, problem) from None
    finally:
        os.close(descriptor)


def _read_settled(path: str, descriptor: int) -> bytes:
    """Read until nothing changed meanwhile (or give the last reading of a file that never rests).

    A rename over the path gives a new file and leaves ours whole.  A rewrite in place shows in the
    size or the times, or, within one tick of them, in a second reading.
    """
    data = b""
    for reading in range(_MAX_READINGS):
        before = os.fstat(descriptor)
        again = _read_all(path, descriptor, before.st_size)
        after = os.fstat(descriptor)
        steady = (
            before.st_size == after.st_size == len(again)
            and before.st_ctime_ns == after.st_ctime_ns
            and before.st_mtime_ns == after.st_mtime_ns
        )
        fresh = abs(time.time_ns() - after.st_ctime_ns) < _FRESH_NS
        # an empty fresh file is most likely one that was truncated to be written
        if steady and (not fresh or (reading and again == data and again)):
            return again
        data = again
        time.sleep(_SETTLE_S)
    return data


def _read_all(path: str, descriptor: int, size: int) -> bytes:
    if size > MAX_BYTES:
        raise InvalidInputError(
            "too_large",
            "the source file is too large",
            expected=f"at most {MAX_BYTES} bytes",
            found=str(size),
            where=repr(path),
            hint="ask about another module",
        )
    chunks: list[bytes] = []
    offset = 0
    while offset <= MAX_BYTES:
        chunk = os.pread(descriptor, max(size - offset, 0) + 1, offset)
        if not chunk:
            break
        chunks.append(chunk)
        offset += len(chunk)
        if offset == size:
            break  # what was appended since shows in the size afterwards
    return b"".join(chunks) if len(chunks) != 1 else chunks[0]


def _check_regular(path: str, descriptor: int) -> None:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        raise InvalidInputError(
            "not_a_file",
            "the module is not a regular file",
            expected="a regular file",
            found="a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket",
            where=repr(path),
            hint="rename it or ask about another module",
        )


def _check_inside(segment: Segment, path: str, descriptor: int) -> None:
    """Refuse a file that lies elsewhere: what was opened counts, not what the name said before."""
    try:
        opened = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # no /proc here
        opened = os.path.realpath(f"{segment.root}/{path}")
    if not opened.startswith(segment.root.rstrip("/") + "/"):
        raise InvalidInputError(
            "outside_segment",
            "the module lies outside the segment",
            expected=f"a file below {segment.root!r}",
            found=f"a link to {opened!r}",
            where=repr(path),
            hint="copy the file into the segment or choose another segment",
        )


def _unknown(segment: Segment, target: Target) -> InvalidInputError:
    stem = "/".join(target.parts)
    wanted = f"{stem}.py or {stem}/__init__.py (or below src/)"
    return InvalidInputError(
        "unknown_module",
        f"unknown module {target.module!r}",
        expected=wanted if target.language == "python" else stem,
        found="nothing",
        where=repr(segment.root),
        hint="check the name or give another --segment",
    )


def _unreadable(path: str, problem: OSError) -> InvalidInputError:
    return InvalidInputError(
        "unreadable",
        "the source file cannot be read",
        expected="a readable file",
        found=problem.strerror or type(problem).__name__,
        where=repr(path),
        hint="check its permissions",
    )
