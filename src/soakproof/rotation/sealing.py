"""Seal full parts and pack them beside the storm, in a thread that gives way to it.

At any moment each line is readable, and once: a part has its plain name until the packed one is
whole and durable, and of two names the reader takes one.
"""

from __future__ import annotations

import gzip
import os
import queue
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from soakproof.rotation.names import sealed

__all__ = ["GZIP_LEVEL", "Sealing", "pack", "pack_into"]

GZIP_LEVEL: Final = 6
_CHUNK_BYTES: Final = 1 << 18
_GIVE_WAY: Final = 10
"""Niceness of the thread that packs: operations and their harness come first."""

_NS_PER_MS: Final = 1_000_000


class Sealing:
    """Takes files that are full; leaving it waits until all of them are packed.

    Args:
        tell: is told, by the thread that packs, of a part that cannot be packed; it stays plain.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._number: Counter[Path] = Counter()
        self._full: queue.SimpleQueue[tuple[Path, Path] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.parts = 0
        self.packed = 0
        self.pack_cpu_ns = 0

    def seal(self, path: Path) -> None:
        """Give a full file the name of its next part; its own name is free afterwards."""
        self._number[path] += 1
        plain, packed = sealed(path, self._number[path])
        path.rename(plain)
        self.parts += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._pack_all, name="pack", daemon=True)
            self._thread.start()
        self._full.put((plain, packed))

    @property
    def pack_cpu_ms(self) -> float:
        """CPU time of the packing so far."""
        return round(self.pack_cpu_ns / _NS_PER_MS, 1)

    def close(self) -> None:
        """Wait until everything is packed."""
        if self._thread is not None:
            self._full.put(None)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until everything is packed."""
        self.close()

    def _pack_all(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _GIVE_WAY)
        while (full := self._full.get()) is not None:
            try:
                pack(*full)
                self.packed += 1
            except OSError as problem:  # a full disk, most likely: the lines are there all the same
                self._tell(f"{full[0].name} stays as it is, it cannot be packed: {problem}")
            self.pack_cpu_ns = time.thread_time_ns()


def pack(plain: Path, packed: Path) -> None:
    """Put a part in its packed form in place of its plain one; the same lines give the same bytes.

    Raises:
        OSError: it cannot be written; the plain one is untouched.
    """
    half = packed.with_name(f".{packed.name}.part")
    try:
        with half.open("wb") as raw:
            pack_into(plain, raw)
            raw.flush()
            os.fsync(raw.fileno())
        half.rename(packed)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    plain.unlink()


def pack_into(plain: Path, file: IO[bytes]) -> None:
    """Append a file in its packed form to another; both are left as they are otherwise."""
    # Neither a name nor a time in its header.
    with plain.open("rb") as source, gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packing:
        shutil.copyfileobj(source, packing, _CHUNK_BYTES)
