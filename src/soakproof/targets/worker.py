"""Talk to a worker: lines out, lines in, decoded and checked; pure but for the clock of nobody.

The protocol is ``docs/reference/worker.md``. What a worker says is never believed: an answer that
is no answer, or one to another question, is a finding about the worker and ends it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = [
    "OPERATIONS",
    "PROTOCOL",
    "BadHello",
    "Hello",
    "LineBuffer",
    "Reply",
    "decode_hello",
    "decode_reply",
    "request",
]

PROTOCOL: Final = 1

OPERATIONS: Final = ("get", "set", "delete", "incr", "add", "expire", "evict")
"""All operations of the protocol."""

_SHOWN: Final = 160

MOST_LINE_BYTES: Final = 64 << 20
"""A line that is longer is no answer of anybody who means to give one."""


class Hello(msgspec.Struct, frozen=True):
    """The first line of a worker."""

    protocol: int
    library: str
    version: str
    operations: list[str]


class Reply(msgspec.Struct, frozen=True):
    """An answer; ``id`` is ``None`` where the worker could not read the question."""

    id: int | None
    ok: bool
    answer: Any = None
    error: str = ""


class BadHello(ValueError):
    """The first line is no hello of this protocol."""


_REPLY: Final = msgspec.json.Decoder(Reply)
_HELLO: Final = msgspec.json.Decoder(Hello)

decode_reply = _REPLY.decode
"""Return the answer of a line; raises ``msgspec.DecodeError`` where it is none."""


def decode_hello(line: bytes) -> Hello:
    """Return what a worker says of itself.

    Raises:
        BadHello: it is no hello, or of a protocol that is not known here.
    """
    try:
        hello = _HELLO.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        shown = line[:_SHOWN].decode("utf-8", "replace")
        raise BadHello(f"expected a hello line ({problem}), found {shown!r}") from None
    if hello.protocol != PROTOCOL:
        raise BadHello(f"expected protocol {PROTOCOL}, found {hello.protocol}")
    strange = sorted(set(hello.operations) - set(OPERATIONS))
    if strange:
        raise BadHello(f"expected operations of {', '.join(OPERATIONS)}, found {strange[0]!r}")
    return hello


_encode = msgspec.json.Encoder().encode


def request(number: int, op: str, key: str, value: object = None) -> bytes:
    """Return the line of one operation."""
    asked: dict[str, Any] = {"id": number, "op": op, "key": key}
    if value is not None:
        asked["value"] = value
    return _encode(asked) + b"\n"


class LineBuffer:
    """Whole lines out of the bytes of a pipe, in any pieces."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the lines that are whole now, without their ends.

        A line that comes in many pieces is put together once, not with each piece.
        """
        cut = data.rfind(b"\n")
        if cut < 0:
            self._parts.append(data)
            self._size += len(data)
            return []
        self._parts.append(data[:cut])
        lines = b"".join(self._parts).split(b"\n")
        rest = data[cut + 1 :]
        self._parts, self._size = ([rest], len(rest)) if rest else ([], 0)
        return lines

    @property
    def waiting_bytes(self) -> int:
        """Bytes of a line that is not whole yet."""
        return self._size
