"""Worker ``diskcache_kv``: ``diskcache`` as it comes."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Any

from soakproof.workers.loop import serve

__all__ = ["DiskcacheStore", "main"]


class DiskcacheStore:
    """A ``diskcache.Cache``; what it does not find it answers with nothing.

    Args:
        folder: the cache's folder.
    """

    def __init__(self, folder: str) -> None:
        import diskcache

        self._cache = diskcache.Cache(folder)
        self.get = self._cache.get

    def set(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value."""
        return bool(self._cache.set(key, value, retry=True))

    def add(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value where there is none; returns whether it did."""
        return bool(self._cache.add(key, value, retry=True))

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        return bool(self._cache.delete(key, retry=True))

    def incr(self, key: str, by: int) -> int:
        """Add to a number (from nothing: to 0) and return it."""
        return int(self._cache.incr(key, by, default=0, retry=True))

    def expire(self, key: str) -> bool:
        """Let a key's time be over; returns whether it was there."""
        return bool(self._cache.touch(key, expire=-1.0, retry=True))


def main() -> int:
    """Serve until standard input ends."""
    store = DiskcacheStore(os.environ["SOAKPROOF_CACHE"])
    return serve(store, "diskcache", metadata.version("diskcache"))


if __name__ == "__main__":
    sys.exit(main())
