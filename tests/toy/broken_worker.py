"""A worker with one defect, planted on purpose: ``python broken_worker.py DEFECT``.

Storage is the sound worker's; the defect stands between it and the protocol.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from soakproof.workers import loop
from soakproof.workers.sqlite_kv import SqliteStore

EVERY = 397
"""A defect shows once in so many operations."""


class Sound(SqliteStore):
    """No defect; counts operations."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.count = 0

    def due(self) -> bool:
        self.count += 1
        return self.count % EVERY == 0


class LostWrite(Sound):
    """Acknowledges a write that it does not store."""

    def set(self, key: str, value: Any) -> bool:
        return True if self.due() else super().set(key, value)


class StaleRead(Sound):
    """Keeps the value before last and answers with it now and then."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.before: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> bool:
        self.before[key] = super().get(key)
        return super().set(key, value)

    def get(self, key: str) -> Any:
        if self.due() and self.before.get(key) is not None:
            return self.before[key]
        return super().get(key)


class WrongKey(Sound):
    """Answers with the value of another key."""

    def get(self, key: str) -> Any:
        other = super().get("k1" if key == "k0" else "k0")
        return other if self.due() and other is not None else super().get(key)


class TornValue(Sound):
    """Answers with half of one value and half of another."""

    def get(self, key: str) -> Any:
        value, other = super().get(key), super().get("k1" if key == "k0" else "k0")
        if self.due() and isinstance(value, str) and isinstance(other, str):
            return value[: len(value) // 2] + other[len(other) // 2 :]
        return value


class DirtyCache(Sound):
    """Stores a write only with the next hundred: what is acknowledged dies with the process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.dirty: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> bool:
        self.dirty[key] = value
        if len(self.dirty) >= 100:
            for name, one in self.dirty.items():
                super().set(name, one)
            self.dirty.clear()
        return True

    def get(self, key: str) -> Any:
        return self.dirty[key] if key in self.dirty else super().get(key)

    def delete(self, key: str) -> bool:
        dirty = self.dirty.pop(key, None) is not None
        return super().delete(key) or dirty

    def add(self, key: str, value: Any) -> bool:
        return self.get(key) is None and self.set(key, value)


class LostUpdate(Sound):
    """Answers an addition that it does not store; the next one overwrites it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.claimed: dict[str, int] = {}

    def incr(self, key: str, by: int) -> int:
        self.claimed.pop(key, None)
        self.count += 1
        if self.count % 29 == 0:
            self.claimed[key] = int(super().get(key) or 0) + by
            return self.claimed[key]
        return super().incr(key, by)

    def get(self, key: str) -> Any:
        return self.claimed.get(key) or super().get(key)


class Crash(Sound):
    """Ends by itself."""

    def get(self, key: str) -> Any:
        if self.due():
            os._exit(3)
        return super().get(key)


class Hang(Sound):
    """Never answers again."""

    def get(self, key: str) -> Any:
        while self.due():
            self.count -= 1
            time.sleep(3600)
        return super().get(key)


class Garbage(Sound):
    """Prints what is no answer."""

    def get(self, key: str) -> Any:
        if self.due():
            os.write(1, b"Warning: something is odd\n")
        return super().get(key)


class WrongId(Sound):
    """Answers a question that nobody asked."""

    def get(self, key: str) -> Any:
        if self.due():
            os.write(1, b'{"id":123456789,"ok":true,"answer":null}\n')
        return super().get(key)


class Flood(Sound):
    """Writes megabytes on its standard error."""

    def get(self, key: str) -> Any:
        if self.due():
            os.write(2, b"trouble, trouble, trouble\n" * 40_000)
        return super().get(key)


class Refuses(Sound):
    """Answers with an error."""

    def set(self, key: str, value: Any) -> bool:
        if self.due():
            raise OSError("no room today")
        return super().set(key, value)


class Leaks(Sound):
    """Leaves a process behind that holds on to its output."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if os.fork() == 0:
            time.sleep(3600)


class Forgets(Sound):
    """A cache: drops keys now and then, which a cache may."""

    def get(self, key: str) -> Any:
        if self.due():
            super().delete(key)
        return super().get(key)


DEFECTS = {
    "none": Sound,
    "lost_write": LostWrite,
    "stale_read": StaleRead,
    "wrong_key": WrongKey,
    "torn_value": TornValue,
    "dirty_cache": DirtyCache,
    "lost_update": LostUpdate,
    "crash": Crash,
    "hang": Hang,
    "garbage": Garbage,
    "wrong_id": WrongId,
    "flood": Flood,
    "refuses": Refuses,
    "leaks": Leaks,
    "forgets": Forgets,
}


def main() -> int:
    store = DEFECTS[sys.argv[1]](Path(os.environ["SOAKPROOF_CACHE"]))
    return loop.serve(store, f"broken: {sys.argv[1]}", "1")


if __name__ == "__main__":
    sys.exit(main())
