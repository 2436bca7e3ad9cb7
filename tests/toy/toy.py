"""A small tool with a real cache, to test the pipeline with: sound, or with one planted defect.

``python toy.py [--defect NAME] get KEY --segment DIR`` answers how long the module is, from a
SQLite cache behind a lock file, and tells it in JSON lines as the target's file says.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

DEFECTS = (
    "other_key",  # while its file's time stamp is days off, the answer of the last other key
    "crash",  # now and then a traceback instead of an answer
    "empty_answer",  # exit 0 and nothing printed
    "fickle",  # another answer when asked again
    "hang",  # one key never comes back
    "invent",  # tells an event of an operation that nobody asked for
    "lose",  # does not tell every event
    "mute",  # tells nothing at all of one key
    "no_hit",  # never finds what it wrote
    "twice",  # tells an event twice
    "tear",  # leaves half a line
)


class Teller:
    """Telemetry: one append-mode write an event."""

    def __init__(self, folder: Path, defect: str | None) -> None:
        self._path = folder / "events.jsonl"
        self._defect = defect
        self._number = 0

    def tell(self, cmd: str, result: dict[str, object], *, last: bool = False) -> None:
        """Append one event."""
        self._number += 1
        x: dict[str, object] = {"op": os.environ["TOY_OP"], "seq": self._number, "pid": os.getpid()}
        x["mono_ns"] = time.monotonic_ns()
        if last:
            x["events"] = self._number
        event = {
            "ts": "2026-01-01T00:00:00Z",
            "run_id": os.environ["TOY_RUN"],
            "segment_id": "segment",
            "cmd": cmd,
            "result": result,
            "x": x,
        }
        if self._defect == "lose" and cmd == "cache.write":
            return
        if self._defect == "invent" and last:
            self._append(json.dumps(event | {"x": x | {"op": "op-999999"}}))
        line = json.dumps(event)
        self._append(line)
        if self._defect == "twice" and last:
            self._append(line)
        if self._defect == "tear" and last:
            self._append(line[: len(line) // 2])

    def _append(self, line: str) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(fd, b"\n" + line.encode() + b"\n")
        os.close(fd)


def locked(path: Path, teller: Teller) -> int:
    """Take the lock, telling a wait that was one."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    began = time.monotonic_ns()
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.005)
        waited_ms = (time.monotonic_ns() - began) / 1e6
        teller.tell("cache.lock_wait", {"waited_ms": waited_ms, "for": "file_lock"})
    return fd


def other_answer(db: sqlite3.Connection, key: str) -> str | None:
    """Return what was stored last of another key."""
    ask = "SELECT answer FROM answers WHERE name NOT LIKE ? ORDER BY rowid DESC LIMIT 1"
    row = db.execute(ask, (f"{key}:%",)).fetchone()
    return row[0] if row else None


def get(key: str, segment: Path, defect: str | None) -> str:
    """Return the answer, from the cache where it has it."""
    source = (segment / (key.replace(".", "/") + ".py")).read_bytes()
    if os.environ.get("TOY_CACHE") == "off":
        return json.dumps({"status": "ok", "key": key, "bytes": len(source)})
    teller = Teller(Path(os.environ["TOY_TELEMETRY"]), defect)
    folder = segment / ".toy"
    folder.mkdir(exist_ok=True)
    name = f"{key}:{hashlib.sha256(source).hexdigest()}"
    path = folder / "toy.db"
    answer = None
    if path.exists():
        with closing(sqlite3.connect(path, timeout=30)) as db:
            try:
                row = db.execute("SELECT answer FROM answers WHERE name = ?", (name,)).fetchone()
            except sqlite3.OperationalError:
                row = None  # made, and its table not yet
            answer = row[0] if row and defect != "no_hit" else None
            if defect == "other_key" and abs(time.time() - path.stat().st_mtime) > 3600:
                answer = other_answer(db, key) or answer
    teller.tell("cache.hit" if answer else "cache.miss", {})
    if answer is None:
        answer = json.dumps({"status": "ok", "key": key, "bytes": len(source)})
        fd = locked(folder / "toy.lock", teller)
        with closing(sqlite3.connect(path, timeout=30)) as db, db:
            if os.environ.get("TOY_JOURNAL") == "wal":
                db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE IF NOT EXISTS answers (name TEXT PRIMARY KEY, answer TEXT)")
            db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (name, answer))
        os.close(fd)
        teller.tell("cache.write", {})
    if not (defect == "mute" and len(key) % 2):
        teller.tell("toy.get", {"status": "ok"}, last=True)
    return answer


def main() -> int:
    """Do one operation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--defect", choices=DEFECTS)
    parser.add_argument("command", choices=["get", "about"])
    parser.add_argument("key", nargs="?", default="")
    parser.add_argument("--segment", type=Path)
    args = parser.parse_args()
    if args.command == "about":
        print(json.dumps({"version": "1.0", "package_dir": str(Path(__file__).parent)}))
        return 0
    if os.environ.get("TOY_CACHE") == "off":
        args.defect = None  # the oracle is the sound tool
    chance = hashlib.sha256(os.environ["TOY_OP"].encode()).digest()[0]
    if args.defect == "crash" and chance < 64:
        message = "planted"
        raise RuntimeError(message)
    if args.defect == "hang" and chance < 32:
        fcntl.flock(os.open(__file__, os.O_RDONLY), fcntl.LOCK_SH)
        time.sleep(3600)
    answer = get(args.key, args.segment, args.defect)
    if args.defect == "fickle":
        answer = answer.replace("{", '{"op": "' + os.environ["TOY_OP"] + '", ', 1)
    if args.defect == "empty_answer" and chance < 64:
        return 0
    sys.stdout.write(answer + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
