"""Read what strace wrote: system calls with their arguments and results. Pure.

The form is that of ``strace -f -y -xx``: every text is written in hexadecimal, so no comma, quote
or bracket inside a text can be taken for one of the call's own (strace(1)).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Call", "Told", "Trace", "fd_of", "path_of", "read_trace", "text_of", "texts_of"]

_LINE: Final = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_RESUMED: Final = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_CALL: Final = re.compile(r"(?P<name>\w+)\((?P<rest>.*)")
_RESULT: Final = re.compile(
    r"\) *= (?P<value>-?\d+|0x[0-9a-f]+|\?)(?:<[^>]*>(?:\(deleted\))?)?"
    r"(?: (?P<error>[A-Z][A-Z0-9]+) \([^)]*\))?(?P<note>(?: \([^()]*\))*)\s*$"
)
_UNFINISHED: Final = "<unfinished ...>"
_FD: Final = re.compile(r"(?P<fd>\d+|AT_FDCWD)(?:<(?P<path>[^>]*)>(?:\(deleted\))?)?")
_OPEN: Final = "([{<"
_CLOSE: Final = ")]}>"


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    Args:
        pid: who made it.
        name: its name, such as ``pwrite64``.
        arguments: as strace wrote them.
        result: what it returned; ``None``: it never did (its process was killed in it).
        error: the error's name, such as ``ENOSPC``.
        injected: the result is not the kernel's, or a signal was sent for it.
    """

    pid: int
    name: str
    arguments: tuple[str, ...]
    result: int | None
    error: str | None = None
    injected: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Something else that strace tells of a process, such as ``killed by SIGKILL``."""

    pid: int
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole trace.

    Args:
        calls: in the order in which they ended; one that never ended is at its process's end.
        told: signals, stops and ends.
        unreadable: lines that are none of these; a trace with any proves nothing.
    """

    calls: tuple[Call, ...]
    told: tuple[Told, ...]
    unreadable: tuple[str, ...]


def read_trace(lines: Iterable[str]) -> Trace:
    """Read the lines of a trace."""
    calls: list[Call] = []
    told: list[Told] = []
    unreadable: list[str] = []
    begun: dict[int, tuple[str, str]] = {}
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            unreadable.append(line)
            continue
        pid, rest = int(match["pid"]), match["rest"]
        if rest.startswith(("+++", "---")):
            told.append(Told(pid, rest.strip("+- ")))
            if rest.startswith("+++") and pid in begun:
                name, arguments = begun.pop(pid)
                calls.append(Call(pid, name, _split(arguments), None))
            continue
        call = _read_call(pid, rest, begun)
        if call is None:
            unreadable.append(line)
        elif isinstance(call, Call):
            calls.append(call)
    for pid, (name, arguments) in begun.items():
        calls.append(Call(pid, name, _split(arguments), None))
    return Trace(tuple(calls), tuple(told), tuple(unreadable))


def _read_call(
    pid: int, rest: str, begun: dict[int, tuple[str, str]]
) -> Call | Literal["begun"] | None:
    """Return the call that a line ends; one that it begins goes to ``begun``.

    ``None``: it is neither.
    """
    resumed = _RESUMED.match(rest)
    if resumed is not None:
        name, before = begun.pop(pid, (resumed["name"], ""))
        body = before + resumed["rest"]
    else:
        match = _CALL.match(rest)
        if match is None:
            return None
        name, body = match["name"], match["rest"]
        if body.rstrip().endswith(_UNFINISHED):
            begun[pid] = name, body.rstrip().removesuffix(_UNFINISHED).rstrip()
            return "begun"
    result = _RESULT.search(body)
    if result is None:
        return None
    value = None if result["value"] == "?" else int(result["value"], 0)
    injected = "INJECTED" in result["note"]
    return Call(pid, name, _split(body[: result.start()]), value, result["error"], injected)


def _split(body: str) -> tuple[str, ...]:
    """Return the arguments of a call: what stands between commas outside of all brackets."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(body):
        if char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
        elif char == "," and not depth:
            parts.append(body[start:at].strip())
            start = at + 1
    last = body[start:].strip()
    return (*parts, last) if last else tuple(parts)


def text_of(argument: str) -> bytes | None:
    """Return the bytes of a text argument; ``None``: it is none, or strace cut it off."""
    match = re.fullmatch(r'"((?:\\x[0-9a-f]{2})*)"', argument)
    return None if match is None else _bytes(match[1])


def texts_of(argument: str) -> bytes | None:
    """Return the bytes of a vector of buffers (``writev``), joined; ``None``: cannot be told."""
    bases = re.findall(r'iov_base=("[^"]*"(?:\.\.\.)?|[^,}]*)', argument)
    found = [text_of(base) for base in bases]
    whole = [part for part in found if part is not None]
    return b"".join(whole) if len(whole) == len(found) else None


def fd_of(argument: str) -> int | None:
    """Return the number of a descriptor; ``None``: it is ``AT_FDCWD``, or no descriptor."""
    match = _FD.fullmatch(argument)
    return int(match["fd"]) if match is not None and match["fd"].isdigit() else None


def path_of(argument: str) -> str | None:
    """Return the path that strace shows for a descriptor, or that a text argument is."""
    match = _FD.fullmatch(argument)
    if match is not None:
        return None if match["path"] is None else _bytes(match["path"]).decode("utf-8", "replace")
    found = text_of(argument)
    return None if found is None else found.decode("utf-8", "replace")


def _bytes(hexadecimal: str) -> bytes:
    try:
        return bytes.fromhex(hexadecimal.replace("\\x", ""))
    except ValueError:  # a pipe or a socket: strace does not write its name in hexadecimal
        return hexadecimal.encode()
