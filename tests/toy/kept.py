"""A small tool with a cache of files: `kept.py stat|content FILE FOLDER` prints a file in capitals.

By `content` an answer is kept under the SHA-256 of the text; by `stat` under path, size and time
stamp, so that new content under an old time stamp is answered with the old.
"""

import hashlib
import os
import sys
from pathlib import Path


def main() -> None:
    if sys.argv[1] == "--version":
        print("kept 1.0")
        return
    by, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    text, told = source.read_text("utf-8"), source.stat()
    known = text if by == "content" else f"{source} {told.st_size} {told.st_mtime_ns}"
    entry = folder / f"{digest(known)}.kept"
    kept = entry.read_text("utf-8") if entry.exists() else ""
    sha256, _, answer = kept.partition("\n")
    if digest(answer) != sha256:
        answer = text.upper()
        folder.mkdir(parents=True, exist_ok=True)
        part = entry.with_suffix(f".{os.getpid()}")
        part.write_text(f"{digest(answer)}\n{answer}", "utf-8")
        part.replace(entry)
    print(answer, end="")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


main()
