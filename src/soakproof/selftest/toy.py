"""A small tool with a real cache, sound or with one defect of its own. Standard library only.

``python -I -S toy.py [--defect NAME] names|classes KEY --segment DIR`` answers which functions and
classes, or which classes, a module defines; from a SQLite database behind a lock file, told in
JSON lines. ``TOY_CACHE=off`` answers without cache, telemetry and defect: the oracle.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

__all__ = ["DEFECTS", "Cache", "Teller", "main"]

DEFECTS: Final = (
    "no_lock",
    "no_content_hash",
    "mtime_key",
    "deletes_busy",
    "swallows_write",
    "no_checksum",
    "unbounded",
    "half_written",
    "caches_unknown",
    "wrong_options",
    "fails_when_locked",
    "rewrites_log",
    "leaves_temporary",
    "bad_disk",
)
"""What can be wrong with it; ``docs/selftest.md`` says what each means.

``bad_disk`` is wrong with the disk, not with the cache, which has to notice; ``no_checksum`` is a
cache that does not."""

_LOCK_S: Final = 4.0
_POLL_S: Final = 0.005
_WINDOW_S: Final = 0.04
"""A defect that needs two processes at once keeps its window open for so long."""

_CALM: Final = 15
"""An oracle has to hold while all is calm: what crashes often does not begin at once."""

_LOG_BYTES: Final = 600_000

_DEFINED: Final = {
    "names": re.compile(rb"^(?:async )?(?:def|class) +(\w+)", re.MULTILINE),
    "classes": re.compile(rb"^class +(\w+)", re.MULTILINE),
}

_TABLE: Final = "CREATE TABLE IF NOT EXISTS {} (name TEXT PRIMARY KEY, answer TEXT, checksum TEXT)"


class Teller:
    """Telemetry: one append-mode write an event, each with its number.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0

    def tell(
        self, cmd: str, result: dict[str, object] | None = None, *, last: bool = False
    ) -> None:
        """Append one event; the last says how many there were."""
        self._number += 1
        x: dict[str, object] = {
            "op": os.environ.get("TOY_OP", ""),
            "seq": self._number,
            "pid": os.getpid(),
            "mono_ns": time.monotonic_ns(),
        }
        event = {
            "ts": "2026-01-01T00:00:00Z",
            "run_id": os.environ.get("TOY_RUN", ""),
            "segment_id": "segment",
            "cmd": cmd,
            "result": result or {},
            "x": x | ({"events": self._number} if last else {}),
        }
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(fd, b"\n" + json.dumps(event).encode() + b"\n")
        os.close(fd)

    def rewrite(self) -> None:
        """Defect: tidy up the log at start, while others append to it."""
        with suppress(FileNotFoundError):
            kept = self._path.read_bytes()
            time.sleep(_WINDOW_S)
            self._path.write_bytes(kept)


class Cache:
    """Answers by name, in a database behind a lock file; what it cannot do, it does without.

    Args:
        folder: where its files lie.
        teller: is told.
        defect: what is wrong with it, if anything.
    """

    def __init__(self, folder: Path, teller: Teller, defect: str | None) -> None:
        folder.mkdir(exist_ok=True)
        self._path = folder / "toy.db"
        self._lock = folder / "toy.lock"
        self._values = folder / "values"
        self._teller = teller
        self._defect = defect

    def read(self, name: str) -> str | None:
        """Return the answer of a name, if it is here and whole."""
        if self._defect == "half_written":
            path = self._value(name)
            return path.read_text("utf-8") if path.exists() else None
        if not self._path.exists():
            return None
        try:
            with closing(self._connect()) as db:
                query = f"SELECT answer, checksum FROM {self._table(name)} WHERE name = ?"  # noqa: S608
                row = db.execute(query, (name,)).fetchone()
        except sqlite3.OperationalError:  # made, and its table not yet; or busy for very long
            return None
        except sqlite3.DatabaseError:
            self._set_aside()
            return None
        if row is None or (row[1] != _checksum(name, row[0]) and self._defect != "no_checksum"):
            return None
        return str(row[0])

    def write(self, name: str, answer: str) -> None:
        """Keep an answer; without the lock, or with a database that refuses, do without."""
        fd = None
        if self._defect not in {"no_lock", "deletes_busy"}:
            fd = self._locked()
            if fd is None:
                self._teller.tell("cache.lock_timeout", {"for": "file_lock"})
                return
        try:
            self._store(name, answer)
        except sqlite3.Error as problem:
            if self._defect != "swallows_write":
                self._teller.tell("cache.degraded", {"why": type(problem).__name__})
                return
        finally:
            if fd is not None:
                os.close(fd)
        self._teller.tell("cache.write")

    def grow(self) -> None:
        """Defect: keep a log of every question, for ever."""
        with closing(self._connect()) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS log (entry BLOB)")
            db.execute("INSERT INTO log VALUES (zeroblob(?))", (_LOG_BYTES,))

    # How it writes.

    def _store(self, name: str, answer: str) -> None:
        if self._defect == "half_written":
            self._store_in_place(name, answer)
        elif self._defect == "deletes_busy":
            self._store_or_delete(name, answer)
        else:
            self._insert(name, answer)
        if self._defect == "leaves_temporary":
            self._path.with_name(f"toy.{os.getpid()}.part").write_text(answer, "utf-8")

    def _insert(self, name: str, answer: str) -> None:
        table = self._table(name)
        with closing(self._connect()) as db, db:
            if self._defect == "no_lock":
                db.execute("PRAGMA journal_mode=MEMORY")
            db.execute("BEGIN" if self._defect == "no_lock" else "BEGIN IMMEDIATE")
            if self._defect != "swallows_write":
                db.execute(_TABLE.format(table))
            if self._defect == "no_lock":
                db.execute("CREATE TABLE IF NOT EXISTS odd (name TEXT, answer TEXT, checksum TEXT)")
                db.execute("SELECT count(*) FROM answers").fetchone()
            self._dawdle()
            row = (name, self._as_stored(name, answer), _checksum(name, answer))
            db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", row)  # noqa: S608

    def _as_stored(self, name: str, answer: str) -> str:
        """Return what a disk makes of an answer: a bad one alters the bytes of some."""
        bad = self._defect in {"bad_disk", "no_checksum"} and _checksum("disk", name)[0] in "048c"
        return answer.replace('"bytes": ', '"bytes": 1') if bad else answer

    def _store_or_delete(self, name: str, answer: str) -> None:
        """Defect: take a busy database for a broken one."""
        try:
            self._insert(name, answer)
        except sqlite3.OperationalError as problem:
            self._path.unlink(missing_ok=True)
            raise RuntimeError("the cache was broken and has been deleted") from problem

    def _dawdle(self) -> None:
        """Keep the window of a defect open that needs two writers at once."""
        if self._defect == "no_lock":
            time.sleep(10 * _WINDOW_S)
        elif self._defect == "deletes_busy" and _number() > _CALM and _number() % 5 == 0:
            time.sleep(4 * _WINDOW_S)

    def _store_in_place(self, name: str, answer: str) -> None:
        """Defect: readers see what is not yet whole."""
        self._values.mkdir(exist_ok=True)
        with self._value(name).open("w", encoding="utf-8") as file:
            file.write(answer[: len(answer) // 2])
            file.flush()
            time.sleep(5 * _WINDOW_S)
            file.write(answer[len(answer) // 2 :])

    # What it is made of.

    def _connect(self) -> sqlite3.Connection:
        impatient = self._defect == "deletes_busy" and _number() > _CALM
        timeout_s = 0.0 if impatient else _LOCK_S
        if self._defect == "no_lock":  # nor SQLite's own, as on a share without locks
            return sqlite3.connect(f"{self._path.as_uri()}?nolock=1", uri=True, timeout=timeout_s)
        return sqlite3.connect(self._path, timeout=timeout_s)

    def _table(self, name: str) -> str:
        return (
            "odd"
            if self._defect == "no_lock" and _checksum(name, "")[0] in "13579bdf"
            else "answers"
        )

    def _value(self, name: str) -> Path:
        return self._values / hashlib.sha256(name.encode()).hexdigest()

    def _locked(self) -> int | None:
        """Take the lock, telling a wait that was one; nothing: it was not to be had in time."""
        fd = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o644)
        began = time.monotonic()
        waited = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if self._defect == "fails_when_locked":
                    raise SystemExit("toy: the cache is locked by another process") from None
                waited = True
                if time.monotonic() - began > _LOCK_S:
                    os.close(fd)
                    return None
                time.sleep(_POLL_S)
        if waited:
            waited_ms = (time.monotonic() - began) * 1e3
            self._teller.tell("cache.lock_wait", {"waited_ms": waited_ms, "for": "file_lock"})
        return fd

    def _set_aside(self) -> None:
        """Put a damaged database out of the way; it is not deleted: somebody may have it open."""
        if self._defect in {"no_lock", "deletes_busy"}:
            return
        fd = self._locked()
        if fd is None:
            return
        with suppress(FileNotFoundError):
            self._path.replace(self._path.with_name("toy.db.broken"))
            self._path.with_name("toy.db-journal").unlink(missing_ok=True)
        os.close(fd)
        self._teller.tell("cache.recovered")


def answer_of(what: str, key: str, source: bytes) -> str:
    """Return the right answer."""
    names = [name.decode() for name in _DEFINED[what].findall(source)]
    return json.dumps({"status": "ok", "key": key, what: names, "bytes": len(source)})


def ask(what: str, key: str, segment: Path, defect: str | None) -> tuple[int, str]:
    """Return exit code and answer, from the cache where it has it."""
    unknown = json.dumps({"status": "error", "key": key, "error": "unknown module"})
    path = segment / (key.replace(".", "/") + ".py")
    source, mtime_ns = _read(path)
    if os.environ.get("TOY_CACHE") == "off":
        return (1, unknown) if source is None else (0, answer_of(what, key, source))
    teller = Teller(Path(os.environ["TOY_TELEMETRY"]) / "events.jsonl")
    if defect == "rewrites_log":
        teller.rewrite()
    cache = Cache(segment / ".toy", teller, defect)
    if defect == "unbounded":
        cache.grow()
    nowhere = f"{key}:unknown"
    if defect == "caches_unknown" and cache.read(nowhere):
        return 1, unknown
    if source is None:
        if defect == "caches_unknown":
            cache.write(nowhere, unknown)
        return 1, unknown
    name = _name(what, key, source, mtime_ns, defect)
    answer = cache.read(name)
    teller.tell("cache.miss" if answer is None else "cache.hit")
    if answer is None:
        answer = answer_of(what, key, source)
        cache.write(name, answer)
    teller.tell(f"toy.{what}", {"status": "ok"}, last=True)
    return 0, answer


def _name(what: str, key: str, source: bytes, mtime_ns: int, defect: str | None) -> str:
    """Return all that an answer depends on; a defect forgets some of it."""
    version = hashlib.sha256(source).hexdigest()
    if defect == "no_content_hash":
        version = ""
    elif defect == "mtime_key":
        version = str(mtime_ns)
    return f"{key}:{'' if defect == 'wrong_options' else what}:{version}"


def _read(path: Path) -> tuple[bytes | None, int]:
    """Return what a file holds and its time stamp, of one and the same file."""
    try:
        with path.open("rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None, 0


def _number() -> int:
    """Return the number of the operation."""
    return int(os.environ.get("TOY_OP", "0").rpartition("-")[2])


def _checksum(name: str, answer: str) -> str:
    return hashlib.sha256(f"{name}\0{answer}".encode()).hexdigest()


def main() -> int:
    """Do one operation."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--defect", choices=DEFECTS)
    parser.add_argument("command", choices=["names", "classes", "about"])
    parser.add_argument("key", nargs="?", default="")
    parser.add_argument("--segment", type=Path)
    args = parser.parse_args()
    if args.command == "about":
        print(json.dumps({"version": "1.0", "package_dir": str(Path(__file__).parent)}))
        return 0
    code, answer = ask(args.command, args.key, args.segment, args.defect)
    print(answer)
    return code


if __name__ == "__main__":
    sys.exit(main())
