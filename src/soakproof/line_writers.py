"""How records of many lines are written: each line at once, chained, and cut into parts when full.

A line once written is there even if the writer dies at the next instant.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from soakproof.rundir import as_json

__all__ = ["ChainedLineWriter", "Cut", "LineWriter"]


@dataclass(frozen=True, slots=True)
class Cut:
    """When a file of lines is full, and who takes it then.

    Args:
        at_bytes: with the line that reaches this size the file is full.
        take: gives the file another name, so that its own is free.
    """

    at_bytes: int
    take: Callable[[Path], None]


class LineWriter:
    """Append JSON lines, one ``write`` each, in append mode.

    A harness that is killed loses nothing that it had written (the bytes are the kernel's).

    Args:
        path: the file.
        cut: says when the file is full, and takes it away; ``None``: it grows without end.
    """

    def __init__(self, path: Path, cut: Cut | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._cut = path, cut
        self._fd = _opened_to_append(path)
        self._bytes = os.fstat(self._fd).st_size

    def write(self, line: object) -> None:
        """Append a dataclass (fields that are ``None`` left out) as one line."""
        self._append(as_json(line, compact=True))

    def _append(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # a disk that is nearly full takes a part
                written += os.write(self._fd, data[written:])
        except OSError as problem:
            problem.filename = str(self._path)  # a write does not know where it writes to
            raise
        self._bytes += len(data)
        if self._cut is not None and self._bytes >= self._cut.at_bytes:
            self._begin_anew(self._cut)

    def _begin_anew(self, cut: Cut) -> None:
        cut.take(self._path)
        full, self._fd, self._bytes = self._fd, _opened_to_append(self._path), 0
        os.close(full)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


class ChainedLineWriter(LineWriter):
    """Append JSON objects, each with a hash over itself and all before it as its last field.

    The rule: ``head 0 = sha256(run id)``; ``head n = sha256(head n-1 + body n)``, where the body is
    the line up to (not with) ``,"chain":"``; the field holds the first 16 hex digits of the head.
    So a line that is changed, dropped or moved breaks the chain right there.

    Args:
        path: a file that is not there yet.
        run_id: begins the chain, which goes on through all parts of the file.
        hide: takes what must not be published out of the line.
        cut: as of any file of lines.
    """

    def __init__(
        self,
        path: Path,
        run_id: str,
        hide: Callable[[bytes], bytes] = lambda data: data,
        cut: Cut | None = None,
    ) -> None:
        super().__init__(path, cut)
        self._head = hashlib.sha256(run_id.encode()).digest()
        self._hide = hide

    def write(self, line: object) -> None:
        """Append a dataclass (fields that are ``None`` left out) as one line of the chain."""
        self.write_json_object(as_json(line, compact=True).removesuffix(b"\n"))

    def write_json_object(self, data: bytes) -> None:
        """Append a JSON object that is encoded already, on one line, as a line of the chain."""
        body = self._hide(data.removesuffix(b"}"))
        self._head = hashlib.sha256(self._head + body).digest()
        self._append(b'%b,"chain":"%b"}\n' % (body, self._head.hex()[:16].encode()))


def _opened_to_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
