"""Serve a store over standard input and output: protocol 1 of ``docs/reference/worker.md``.

Lines are handled strictly one after another; answers of lines that came together leave together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

__all__ = ["OPERATIONS", "PROTOCOL", "Request", "serve"]

PROTOCOL: Final = 1

OPERATIONS: Final = ("get", "set", "delete", "incr", "add", "expire", "evict")
"""All that a worker may offer; a store offers those that it has as methods."""

_CHUNK_BYTES: Final = 1 << 18
_ERROR_CHARS: Final = 300


class Request(msgspec.Struct):
    """One line of standard input."""

    id: int
    op: str
    key: str = ""
    value: Any = None


def serve(store: Any, library: str, version: str) -> int:  # noqa: ANN401 - operations are methods
    """Say hello, answer lines until standard input ends; returns the exit code.

    Args:
        store: has a method for each operation that it offers: ``get(key)``, ``set(key, value)``,
            ``delete(key)``, ``incr(key, by)``, ``add(key, value)``, ``expire(key)``,
            ``evict(key)``; what it raises is the answer's error.
        library: what is soaked.
        version: its version.
    """
    encode = msgspec.json.encode
    calls: dict[str, Callable[[Request], Any]] = dict(_calls(store))
    known = ", ".join(sorted(calls))

    def unknown(request: Request) -> None:
        raise LookupError(f"expected an operation of {known}, found {request.op!r}")

    hello = {"protocol": PROTOCOL, "library": library, "version": version}
    _write(encode({**hello, "operations": sorted(calls)}) + b"\n")
    decode = msgspec.json.Decoder(Request).decode
    for lines in _lines():
        said = []
        for line in lines:
            number: int | None = None
            try:
                request = decode(line)
                number = request.id
                answer = calls.get(request.op, unknown)(request)
            except Exception as problem:  # noqa: BLE001 - whatever a library raises is an answer
                text = f"{type(problem).__name__}: {problem}"[:_ERROR_CHARS]
                said.append(encode({"id": number, "ok": False, "error": text}))
            else:
                said.append(encode({"id": number, "ok": True, "answer": answer}))
        said.append(b"")
        _write(b"\n".join(said))
    return 0


def _calls(store: Any) -> Iterator[tuple[str, Callable[[Request], Any]]]:  # noqa: ANN401 - as above
    for name in OPERATIONS:
        method = getattr(store, name, None)
        if method is None:
            continue
        if name in {"set", "add", "incr"}:
            yield name, _with_value(method)
        else:
            yield name, _with_key(method)


def _with_value(method: Callable[[str, Any], Any]) -> Callable[[Request], Any]:
    return lambda request: method(request.key, request.value)


def _with_key(method: Callable[[str], Any]) -> Callable[[Request], Any]:
    return lambda request: method(request.key)


def _lines() -> Iterator[list[bytes]]:
    rest = b""
    while chunk := os.read(0, _CHUNK_BYTES):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if lines:
            yield lines


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]
