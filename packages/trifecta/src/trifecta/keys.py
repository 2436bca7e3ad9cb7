"""Content-addressed keys: what an answer depends on is in its key, so it cannot go stale."""

import sys
from _blake2 import blake2b

FORMAT = 1  # of the database; see sqlite_cache
EXTRACTOR = 1  # raise it whenever the same file would be answered differently
KEY_BYTES = 16
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


def checksum(key: bytes, value: bytes) -> bytes:
    """Bind a value to its key, so that a torn, foreign or altered row is noticed."""
    return blake2b(value, digest_size=KEY_BYTES, key=key).digest()
