"""Caches that leave nothing on disk."""

from collections import OrderedDict
from threading import Lock


class NullCache:
    """Remembers nothing; what is used where no cache is wanted."""

    def get(self, key: bytes) -> bytes | None:  # noqa: ARG002 - the protocol's signature
        """Give None."""
        return None

    def set(self, key: bytes, value: bytes, *, slot: int = 0) -> bool:  # noqa: ARG002
        """Store nothing."""
        return False

    def clear(self) -> int | None:
        """Forget nothing."""
        return 0

    def stats(self) -> dict[str, object]:
        """Say that nothing is held."""
        return {"state": "ok", "entries": 0, "bytes": 0}

    def close(self) -> None:
        """Do nothing."""


class InMemoryLRUCache:
    """The least recently used entries go first; bounded in number and in bytes; thread-safe."""

    def __init__(self, *, max_entries: int = 4096, max_bytes: int = 64 * 1024 * 1024) -> None:
        """Begin empty."""
        if max_entries < 1 or max_bytes < 1:
            raise ValueError(f"bounds must be positive, found {max_entries} and {max_bytes}")
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0
        self._evicted = 0
        self._lock = Lock()

    def get(self, key: bytes) -> bytes | None:
        """Give the value of *key* and make it the most recently used, or None."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def set(self, key: bytes, value: bytes, *, slot: int = 0) -> bool:  # noqa: ARG002 - protocol
        """Store a value; false when it is larger than all the room there is."""
        if len(value) > self.max_bytes:
            return False
        with self._lock:
            self._bytes += len(value) - len(self._entries.pop(key, b""))
            self._entries[key] = value
            while len(self._entries) > self.max_entries or self._bytes > self.max_bytes:
                _, old = self._entries.popitem(last=False)
                self._bytes -= len(old)
                self._evicted += 1
        return True

    def clear(self) -> int | None:
        """Forget everything; give the number of entries."""
        with self._lock:
            count = len(self._entries)
            self._entries.clear()
            self._bytes = 0
        return count

    def stats(self) -> dict[str, object]:
        """Say what is held."""
        with self._lock:
            return {
                "state": "ok",
                "entries": len(self._entries),
                "bytes": self._bytes,
                "evicted": self._evicted,
            }

    def close(self) -> None:
        """Do nothing; there is no file."""
