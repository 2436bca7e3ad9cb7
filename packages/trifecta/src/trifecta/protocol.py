"""What every cache of answers can do."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Cache(Protocol):
    """A store of bytes under content-addressed keys.

    As a key is a digest of all that its value depends on, a value never changes: a cache may
    forget, it cannot be stale.  ``slot`` files the versions of one question together; a cache
    may use it to forget old ones.
    """

    def get(self, key: bytes) -> bytes | None:
        """Give the value of *key*, or None."""
        ...

    def set(self, key: bytes, value: bytes, *, slot: int = 0) -> bool:
        """Store a value; true when it is stored.  Never raises for trouble with the medium."""
        ...

    def clear(self) -> int | None:
        """Forget everything; give the number of entries, or None when that was not possible."""
        ...

    def stats(self) -> dict[str, object]:
        """Say what is held."""
        ...

    def close(self) -> None:
        """Let go of files; the cache can be used again."""
        ...
