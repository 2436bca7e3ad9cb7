"""Worker ``lmdb_kv``: LMDB, the fastest store of those here.

No sync to the disk: what a process has committed is the kernel's, and survives the process.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

from soakproof.workers.loop import serve

__all__ = ["LmdbStore", "main"]

_MAP_BYTES: Final = 1 << 30


class LmdbStore:
    """One database; a transaction an operation.

    Args:
        folder: the environment's folder.
    """

    def __init__(self, folder: Path) -> None:
        import lmdb

        folder.mkdir(parents=True, exist_ok=True)
        self._env = lmdb.open(str(folder), map_size=_MAP_BYTES, sync=False, metasync=False)
        self._encode = msgspec.json.encode
        self._decode = msgspec.json.decode

    def get(self, key: str) -> Any:  # noqa: ANN401 - text or number
        """Return the value, or nothing."""
        with self._env.begin() as transaction:
            found = transaction.get(key.encode())
        return None if found is None else self._decode(found)

    def set(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value."""
        with self._env.begin(write=True) as transaction:
            return bool(transaction.put(key.encode(), self._encode(value)))

    def add(self, key: str, value: Any) -> bool:  # noqa: ANN401 - text or number
        """Store a value where there is none; returns whether it did."""
        with self._env.begin(write=True) as transaction:
            return bool(transaction.put(key.encode(), self._encode(value), overwrite=False))

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        with self._env.begin(write=True) as transaction:
            return bool(transaction.delete(key.encode()))

    def incr(self, key: str, by: int) -> int:
        """Add to a number (from nothing: to 0) and return it."""
        with self._env.begin(write=True) as transaction:
            found = transaction.get(key.encode())
            number: int = by + (0 if found is None else self._decode(found))
            transaction.put(key.encode(), self._encode(number))
        return number


def main() -> int:
    """Serve until standard input ends."""
    store = LmdbStore(Path(os.environ["SOAKPROOF_CACHE"]))
    return serve(store, "lmdb", metadata.version("lmdb"))


if __name__ == "__main__":
    sys.exit(main())
