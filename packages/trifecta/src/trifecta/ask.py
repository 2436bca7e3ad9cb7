"""Answering "which symbols are in this module?": the one path that must be short.

Order on a hit: read the source, digest it, look the key up, write the answer, then telemetry.
Order on a miss: …, parse, write the answer, and only then think of storing it.
"""

import os
import time

from trifecta import telemetry as telemetry_module
from trifecta.errors import OutputError, TrifectaError
from trifecta.jsontext import dumps, quote
from trifecta.keys import content_key, slot_of
from trifecta.peek import CHANGED, peek
from trifecta.segment import Segment, locate
from trifecta.source import read
from trifecta.uri import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trifecta.peek import Found
    from trifecta.sqlite_cache import SQLiteCache
    from trifecta.telemetry import Telemetry


def persist_wanted() -> bool:
    """Tell whether the environment turns the persistent cache on."""
    return os.environ.get("TRIFECTA_AST_PERSIST") == "1"


class Asker:
    """Answers questions about one segment."""

    def __init__(self, segment: Segment, telemetry: "Telemetry", *, persist: bool) -> None:
        """Keep what all questions share; nothing is opened."""
        self.segment = segment
        self.telemetry = telemetry
        self.persist = persist
        self._cache: SQLiteCache | None = None
        self._args: dict[str, object] = {}

    def answer(self, uri: str, *, last: bool = True) -> int:
        """Print the answer to *uri* and give the exit code; *last*: emit the final event."""
        started = time.monotonic_ns()
        args: dict[str, object] = {"uri": uri[:200]}
        result: dict[str, object]
        try:
            source, code, result = self._answer(uri, args)
        except TrifectaError as error:
            source, code = "none", error.exit_code
            result = {"status": "error", "kind": error.kind}
            fail(error, {"uri": uri[:200], **args})
        if code == 0:
            result["status"] = "ok"
        result["source"] = source
        result["exit_code"] = code
        self.telemetry.emit("ast.symbols", args, result, _since(started), last=last)
        return code

    def _answer(self, uri: str, args: dict[str, object]) -> tuple[str, int, dict[str, object]]:
        target = parse(uri)
        path, data = read(self.segment, target)
        args["path"] = path
        self._args = args
        if not self.persist:
            put_line(solve(uri, path, data))
            return "parse", 0, {}
        asked = time.monotonic_ns()
        key = content_key(uri, path, data)
        slot = slot_of(uri)
        db_path = self.segment.ast_db_path
        found = peek(db_path, key, slot)
        if found.value is None:
            found = self._cache_for(db_path).look_once(key, slot)
        if found.value is not None:
            put_line_bytes(found.value)
            result: dict[str, object] = {"status": "hit"}
            if self.telemetry.full:
                result.update(source_bytes=len(data), answer_bytes=len(found.value))
            self.telemetry.emit("ast.cache.hit", args, result, _since(asked))
            return "cache", 0, {}
        return self._miss(uri, path, data, key, slot, found)

    def _miss(  # noqa: PLR0913 - the parts of one question
        self, uri: str, path: str, data: bytes, key: bytes, slot: int, found: "Found"
    ) -> tuple[str, int, dict[str, object]]:
        started = time.monotonic_ns()
        result: dict[str, object] = {"status": "miss", "reason": found.reason}
        try:
            text = solve(uri, path, data)
        except TrifectaError:
            self.telemetry.emit("ast.cache.miss", self._args, result, _since(started))
            raise
        put_line(text)
        value = text.encode("ascii")
        if self.telemetry.full:
            result.update(source_bytes=len(data), answer_bytes=len(value))
        self.telemetry.emit("ast.cache.miss", self._args, result, _since(started))
        self._store(key, slot, value, found.reason)
        return "parse", 0, {}

    def _store(self, key: bytes, slot: int, value: bytes, reason: str) -> None:
        started = time.monotonic_ns()
        cache = self._cache_for(self.segment.ast_db_path)
        suspect = reason in {"damaged_row", "database_damaged"}
        if cache.set(key, value, slot=slot, suspect=suspect):
            result = {"status": "written", "bytes": len(value), "replaces": reason == CHANGED}
            self.telemetry.emit("ast.cache.write", self._args, result, _since(started))

    def _cache_for(self, db_path: str) -> "SQLiteCache":
        if self._cache is None:
            from trifecta.sqlite_cache import SQLiteCache

            self._cache = SQLiteCache(db_path, on_event=self._on_event, keep_open=False)
        return self._cache

    def _on_event(self, name: str, result: dict[str, object]) -> None:
        waited = result.get("waited_ms")
        timing = waited if isinstance(waited, float) else 0.0
        self.telemetry.emit(f"ast.cache.{name}", self._args, result, timing)


def solve(uri: str, path: str, data: bytes) -> str:
    """Give the answer's JSON text by parsing; raises SourceError."""
    from trifecta.python_symbols import extract

    return (
        f'{{"status":"ok","uri":{quote(uri)},"path":{quote(path)},"language":"python",'
        f'"symbols":{extract(data, path)}}}'
    )


def put_line(text: str) -> None:
    """Write one line to standard output, at once."""
    put_line_bytes(text.encode("ascii"))


def put_line_bytes(line: bytes) -> None:
    """Write one line of ASCII to standard output, at once.  Raises OutputError."""
    rest = memoryview(line + b"\n")
    try:
        while rest:
            try:
                rest = rest[os.write(1, rest) :]
            except BlockingIOError:  # a pipe that its owner made non-blocking and that is full
                time.sleep(0.001)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise OutputError("output", "the answer cannot be written", found=reason) from None


def say(text: str) -> None:
    """Write one line to standard error; nobody listening is no reason to fail."""
    try:
        os.write(2, f"trifecta: {text}\n".encode("ascii", "backslashreplace"))
    except OSError:
        return


def fail(error: TrifectaError, known: "dict[str, object]") -> None:
    """Print an error: the object on standard output, one line on standard error."""
    answer = {"status": "error", **known, "error": error.as_dict()}
    if not isinstance(error, OutputError):
        put_line(dumps(answer))
    line, path = error.fields.get("line"), known.get("path")
    where = f"{path}:{line}: " if path and line else (f"{path}: " if path else "")
    say(f"error: {where}{error.sentence()}")


def ask(uris: "list[str]", folder: str, *, persist: bool, level: str) -> int:
    """Answer *uris* about the segment at *folder*; give the exit code (the first that is not 0)."""
    started = time.monotonic_ns()
    try:
        segment = locate(folder)
    except TrifectaError as error:
        known: dict[str, object] = {"uri": uris[0][:200]}
        fail(error, known)
        telemetry = telemetry_module.for_segment("", "", level)
        result = {"status": "error", "kind": error.kind, "exit_code": error.exit_code}
        telemetry.emit("ast.symbols", known, result, _since(started), last=True)
        return error.exit_code
    telemetry = telemetry_module.for_segment(segment.root, segment.id, level)
    asker = Asker(segment, telemetry, persist=persist)
    code = asker.answer(uris[0])
    if telemetry.trouble and telemetry.level != "off":
        say(f"note: telemetry cannot be written: {telemetry.trouble}")
    return code


def _since(started: int) -> float:
    return (time.monotonic_ns() - started) / 1e6
