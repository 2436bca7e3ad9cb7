"""Keys and values, the same in every process: a value follows from its number."""

from hashlib import blake2b
from random import Random

VALUE_BYTES = 2048
_BLOCK = Random(20_000).randbytes(4 * VALUE_BYTES)  # noqa: S311 - nothing secret
_HEAD_BYTES = 16


def digest(number: int) -> bytes:
    """Give a key as trifecta has them."""
    return blake2b(b"%d" % number, digest_size=16).digest()


def value(number: int) -> bytes:
    """Give 2 kB that no other number has and that do not compress."""
    start = number % (3 * VALUE_BYTES)
    body = _BLOCK[start : start + VALUE_BYTES - _HEAD_BYTES]
    return number.to_bytes(_HEAD_BYTES, "big") + body
