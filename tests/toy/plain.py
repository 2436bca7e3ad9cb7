"""A small compiler of notes with a real cache and no telemetry, to soak other tools than Python's.

``python plain.py list FILE`` prints the numbers of a note and of what it includes, ``lint FILE``
finds those above 5000 and then ends with 1, ``build FILE --out OUT`` writes them to a file. Answers
are kept in ``.plain/``, a file each under a name that covers content, includes and command.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

ODD = (
    "change_input",  # writes into the file it is asked about
    "flood",  # megabytes on standard error
    "half_json",  # half a document
    "ignores_term",  # neither ends nor takes SIGTERM
    "option_blind",  # the cache's name leaves out the command
    "stale_include",  # the cache's name leaves out what is included
)


def parts_of(file: Path) -> list[str]:
    """Return the texts that an answer depends on."""
    text = file.read_text("utf-8")
    names = re.findall(r"^include (\S+)$", text, re.MULTILINE)
    return [text, *((file.parent / name).read_text("utf-8") for name in names)]


def answer(command: str, parts: list[str], took_ms: float) -> tuple[int, str]:
    """Return exit code and text."""
    numbers = [
        int(found) for part in parts for found in re.findall(r"^value = (\d+)$", part, re.MULTILINE)
    ]
    if command == "lint":
        found = [f"{number} is above 5000" for number in numbers if number > 5000]
        return (1, "\n".join(found)) if found else (0, "clean")
    if command == "json":
        return 0, json.dumps({"numbers": numbers})
    return 0, "\n".join([*map(str, numbers), f"took {took_ms:.3f} ms"])


def cached(folder: Path, name: str, make: str | None) -> str | None:
    """Return what is kept under a name; with ``make``: keep it, whole or not at all."""
    path = folder / name[:2] / name
    if make is None:
        try:
            text = path.read_text("utf-8")
            sha256, _, body = text.partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        return body if hashlib.sha256(body.encode()).hexdigest() == sha256 else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(f"{hashlib.sha256(make.encode()).hexdigest()}\n{make}")
        Path(temporary).replace(path)
    except OSError:
        return make  # a cache may not make an operation fail
    return make


def main() -> int:
    """Do one operation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--odd", choices=ODD)
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("command", choices=["list", "lint", "json", "build"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    odd = None if args.no_cache else args.odd
    if odd == "ignores_term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    began = time.monotonic_ns()
    parts = parts_of(args.file)
    named = [args.file.name, "" if odd == "option_blind" else args.command]
    named += parts[:1] if odd == "stale_include" else parts
    name = hashlib.sha256("\0".join(named).encode()).hexdigest()
    folder = Path.cwd() / ".plain"
    kept = None if args.no_cache else cached(folder, name, None)
    print("found in cache" if kept else "computed", file=sys.stderr)
    if kept is None:
        code, text = answer(args.command, parts, (time.monotonic_ns() - began) / 1e6)
        kept = f"{code} {text}"
        if not args.no_cache:
            cached(folder, name, kept)
    status, _, text = kept.partition(" ")
    if odd == "flood":
        print("x" * (4 << 20), file=sys.stderr)
    if odd == "change_input":
        args.file.write_text(args.file.read_text("utf-8") + "\n", "utf-8")
    if odd == "half_json":
        text = text[: len(text) // 2]
    if args.out is not None:
        args.out.write_text(text + "\n", "utf-8")
    else:
        print(text)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
