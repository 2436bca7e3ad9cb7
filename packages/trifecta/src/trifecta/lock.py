"""The writers' lock: ``flock`` on a file beside the database, with a deadline.

The same call on the same file as ``filelock.FileLock`` makes, so either sees the other; on a
platform without ``fcntl`` it is ``filelock`` itself.  Readers never come here.
"""

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from filelock import BaseFileLock

DEFAULT_TIMEOUT_MS = 5000
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.025


def timeout_from_environment() -> int:
    """Give the deadline in milliseconds that ``TRIFECTA_LOCK_TIMEOUT_MS`` sets."""
    text = os.environ.get("TRIFECTA_LOCK_TIMEOUT_MS", "")
    return int(text) if text.isascii() and text.isdigit() else DEFAULT_TIMEOUT_MS


class LockTimeoutError(Exception):
    """Somebody else held the lock until the deadline."""

    def __init__(self, path: str, waited_ms: float) -> None:
        """Keep the path and the time that was waited."""
        super().__init__(f"the lock {path} was not free within {waited_ms:.0f} ms")
        self.path = path
        self.waited_ms = waited_ms


class WriteLock:
    """An exclusive lock on *path*; ``waited_ms`` is None unless the first attempt failed."""

    __slots__ = ("_fd", "_portable", "path", "timeout_ms", "waited_ms")

    def __init__(self, path: str, timeout_ms: int) -> None:
        """Prepare; nothing is opened yet."""
        self.path = path
        self.timeout_ms = timeout_ms
        self.waited_ms: float | None = None
        self._fd = -1
        self._portable: BaseFileLock | None = None

    def acquire(self) -> None:
        """Open the lock file and lock it.

        Raises LockTimeoutError at the deadline, OSError where the file cannot be opened or the
        file system has no locks.  The file is left behind: removing it would let two in.
        """
        started = time.monotonic_ns()
        self.waited_ms = None
        pause = _FIRST_PAUSE_S
        while not self._attempt():
            self.waited_ms = (time.monotonic_ns() - started) / 1e6
            if self.waited_ms >= self.timeout_ms:
                self.release()
                raise LockTimeoutError(self.path, self.waited_ms)
            time.sleep(min(pause, max(self.timeout_ms - self.waited_ms, 0.1) / 1000))
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)
        if self.waited_ms is not None:
            self.waited_ms = (time.monotonic_ns() - started) / 1e6

    def _attempt(self) -> bool:
        """Try once; true when the lock is ours and its file is still the one at the path."""
        try:
            import fcntl
        except ImportError:
            return self._attempt_portably()
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            self.release()
            raise
        if self._still_there():
            return True
        self.release()  # it was removed or replaced meanwhile: whoever comes next has another
        return False

    def _attempt_portably(self) -> bool:
        from filelock import FileLock, Timeout

        if self._portable is None:
            self._portable = FileLock(self.path, timeout=0)
        try:
            self._portable.acquire()
        except Timeout:
            return False
        return True

    def _still_there(self) -> bool:
        mine = os.fstat(self._fd)
        try:
            named = os.stat(self.path)
        except OSError:
            return False
        return (mine.st_ino, mine.st_dev) == (named.st_ino, named.st_dev)

    def release(self) -> None:
        """Give the lock back by closing its descriptor."""
        if self._portable is not None:
            self._portable.release()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "Self":
        """Acquire."""
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Release."""
        self.release()
