"""Content-addressed keys: what an answer depends on is in its key, so it cannot go stale."""

import sys
from _blake2 import blake2b
from zlib import crc32

FORMAT = 2  # of the database; see sqlite_cache
EXTRACTOR = 1  # raise it whenever the same file would be answered differently
KEY_BYTES = 16
HEAD_BYTES = 24  # of a stored form, before the value
GRAMMAR = f"python-{sys.version_info[0]}.{sys.version_info[1]}"


def content_key(uri: str, path: str, data: bytes, grammar: str = GRAMMAR) -> bytes:
    """Digest the question, the path, the file's bytes, the grammar and the extractor's version."""
    preamble = f"trifecta {EXTRACTOR}\0{grammar}\0{uri}\0{path}\0"
    digest = blake2b(preamble.encode("utf-8", "surrogateescape"), digest_size=KEY_BYTES)
    digest.update(data)
    return digest.digest()


def slot_of(uri: str, grammar: str = GRAMMAR) -> int:
    """Give the number under which all versions of one question's answer are filed."""
    text = f"{grammar}\0{uri}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def row_id(key: bytes) -> int:
    """Give the row number of a key: an integer primary key needs no second tree."""
    return int.from_bytes(key[:8], "big", signed=True)


def pack(key: bytes, value: bytes, minute: int) -> bytes:
    """Give the stored form of a value: checksum, key, minute of writing, value.

    One column is read a tenth faster than four.  The checksum is there for torn, foreign and
    altered rows, not against an enemy: CRC-32 takes a quarter of the time of BLAKE2.
    It starts from a part of the key, so that a value under a foreign key does not pass either.
    """
    check = crc32(value, int.from_bytes(key[8:12], "big"))
    return check.to_bytes(4, "big") + key + minute.to_bytes(4, "big") + value


def unpack(blob: object, key: bytes) -> "tuple[bytes, int] | None":
    """Give value and minute of a stored form that is whole and belongs to *key*, else None."""
    if type(blob) is not bytes or blob[4:20] != key:
        return None
    value = blob[HEAD_BYTES:]
    if crc32(value, int.from_bytes(key[8:12], "big")) != int.from_bytes(blob[:4], "big"):
        return None
    return value, int.from_bytes(blob[20:24], "big")
