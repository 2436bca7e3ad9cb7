"""A tool whose cache is one file a key, written in a way that is known to be wrong, or right.

``python deep_toy.py get KEY --segment DIR``; ``DEEP_WAY`` says how it writes:

``in_place``  over what is there, in two writes: who dies between leaves half an answer
``no_sync``   beside it, then renamed, but never synced: a power cut leaves an empty answer
``sound``     beside it, synced, renamed, and the folder synced
``mapped``    through memory: nothing of it is in a trace
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from pathlib import Path


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, however many calls it takes."""
    while data:
        data = data[os.write(fd, data) :]


def in_place(path: Path, data: bytes) -> None:
    """Write over what is there."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    write_all(fd, data[: len(data) // 2])
    write_all(fd, data[len(data) // 2 :])
    os.close(fd)


def beside(path: Path, data: bytes, *, synced: bool) -> None:
    """Write beside it and rename."""
    temporary = path.with_suffix(".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    write_all(fd, data)
    if synced:
        os.fsync(fd)
    os.close(fd)
    temporary.rename(path)
    if synced:
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def mapped(path: Path, data: bytes) -> None:
    """Write through memory."""
    with path.open("w+b") as file:
        file.truncate(len(data))
        with mmap.mmap(file.fileno(), len(data)) as memory:
            memory[:] = data


def store(path: Path, data: bytes) -> None:
    """Keep an answer, the way that was asked for."""
    way = os.environ["DEEP_WAY"]
    if way == "in_place":
        path.parent.mkdir(exist_ok=True)
        in_place(path, data)
    elif way == "mapped":
        path.parent.mkdir(exist_ok=True)
        mapped(path, data)
    else:
        try:
            path.parent.mkdir(exist_ok=True)
            beside(path, data, synced=way == "sound")
        except OSError:
            return  # it was not kept: the next one works it out again


def main() -> None:
    """Answer one question."""
    _, key, _, segment = sys.argv[1:]
    path = Path(segment) / ".deep" / f"{key}.json"
    cached = os.environ.get("DEEP_CACHE") != "off"
    if cached:
        try:
            answer = path.read_bytes()
        except OSError:
            pass
        else:
            write_all(1, answer)
            return
    try:
        source = Path(segment).joinpath(*key.split(".")).with_suffix(".py").read_bytes()
    except OSError as problem:
        sys.exit(f"the module cannot be read: {problem}")
    told = {"status": "ok", "key": key, "bytes": len(source), "more": "x" * 3000}
    answer = json.dumps(told).encode() + b"\n"
    write_all(1, answer)
    if cached:
        store(path, answer)


main()
