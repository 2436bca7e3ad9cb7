"""When an entry was last used, without writing to the database on a read.

A row carries the minute in which it was written.  A hit on a row older than an hour leaves the
present hour in a small table beside the database: two bytes, at a place that the key determines,
written without a lock.  Eviction looks there before it deletes a row, and renews the row instead
(the second chance of the CLOCK algorithm).  Two keys may share a place, and a byte may be torn:
either costs an entry's fair turn, never an answer.
"""

import os

_PLACES = 1 << 16
_BYTES = 2
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


def path_of(db_path: str) -> str:
    """Give the path of the table."""
    return db_path + ".used"


def touch(db_path: str, row: int, now_minute: int) -> None:
    """Note that *row* is in use.  Writes at most once an hour; trouble is ignored."""
    hour = _hour(now_minute)
    place = (row % _PLACES) * _BYTES
    try:
        descriptor = os.open(path_of(db_path), _FLAGS, 0o644)
    except OSError:
        return
    try:
        if os.pread(descriptor, _BYTES, place) != hour:
            os.pwrite(descriptor, hour, place)
    except OSError:
        return
    finally:
        os.close(descriptor)


class Recency:
    """The table as eviction sees it."""

    __slots__ = ("_hours", "_now")

    def __init__(self, db_path: str, now_minute: int) -> None:
        """Read the table, which may be absent or short."""
        self._now = now_minute
        try:
            with open(path_of(db_path), "rb") as handle:
                self._hours = handle.read(_PLACES * _BYTES)
        except OSError:
            self._hours = b""

    def minute_of(self, row: int) -> int:
        """Give the minute in which *row* was last noted, 0 if it never was.

        Hours are kept modulo 7 years; one that would lie ahead is of no use.
        """
        place = (row % _PLACES) * _BYTES
        raw = self._hours[place : place + _BYTES]
        if len(raw) != _BYTES or raw == b"\0\0":
            return 0
        age = (self._now // 60 - int.from_bytes(raw, "big")) % _PLACES
        return (self._now // 60 - age) * 60 if age < _PLACES // 2 else 0


def _hour(minute: int) -> bytes:
    return ((minute // 60) % _PLACES or 1).to_bytes(_BYTES, "big")
