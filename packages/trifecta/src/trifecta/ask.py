"""Answering "which symbols are in this module?": the one path that must be short.

Order on a hit: read the source, digest it, look the key up, write the answer, then telemetry.
Order on a miss: …, parse, write the answer, and only then think of storing it.
"""

import os
import time

from trifecta import telemetry as telemetry_module
from trifecta.errors import TrifectaError
from trifecta.jsontext import quote
from trifecta.keys import GRAMMAR, content_key, slot_of
from trifecta.output import SHOWN, fail, put_line, say
from trifecta.peek import CHANGED, peek
from trifecta.segment import Segment, locate
from trifecta.source import read
from trifecta.uri import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trifecta.sqlite_cache import SQLiteCache
    from trifecta.telemetry import Telemetry

_STALE_S = 3600  # see recency

# Taking a syntax tree apart costs a tenth of a miss; a process that ends anyway leaves it.
_left_for_the_end: "list[object]" = []


class Question:
    """One question, with the bytes that it is answered from."""

    __slots__ = ("args", "data", "key", "path", "slot", "target", "uri")

    def __init__(self, segment: Segment, uri: str, args: "dict[str, object]") -> None:
        """Find and read the source; *args* gets the path as soon as it is known.

        Raises InvalidInputError.
        """
        self.uri = uri
        self.args = args
        self.target = parse(uri)
        grammar = GRAMMAR
        if self.target.language != "python":
            from trifecta.languages import grammar_of

            grammar = grammar_of(self.target.language)
        self.path, self.data = read(segment, self.target)
        args["path"] = self.path
        self.key = content_key(uri, self.path, self.data, grammar)
        self.slot = slot_of(uri, grammar)

    def solve(self, keep: "list[object] | None" = None) -> bytes:
        """Give the answer by parsing.  Raises SourceError, or InvalidInputError (no such name)."""
        target = self.target
        more = ""
        if self.path.endswith("/"):
            symbols, more = "[]", '"namespace":true,'
        elif target.language == "python":
            from trifecta.python_symbols import extract

            symbols = extract(self.data, self.path, target.member, keep)
        else:
            from trifecta.languages import extract as extract_other

            symbols, more = extract_other(self.data, self.path, target.language)
        text = (
            f'{{"status":"ok","uri":{quote(self.uri)},"path":{quote(self.path)},'
            f'"language":"{target.language}",{more}"symbols":{symbols}}}'
        )
        return text.encode("ascii")


class Operation:
    """Answers one question, through the persistent cache if that is wanted."""

    def __init__(self, segment: Segment, telemetry: "Telemetry", *, persist: bool) -> None:
        """Keep what the steps share; nothing is opened."""
        self.segment = segment
        self.telemetry = telemetry
        self.persist = persist
        self.args: dict[str, object] = {}

    def run(self, uri: str) -> int:
        """Print the answer to *uri*; give the exit code."""
        started = time.monotonic_ns()
        self.args["uri"] = uri[:SHOWN]
        result: dict[str, object]
        try:
            source = self._answer(Question(self.segment, uri, self.args))
        except TrifectaError as error:
            code = error.exit_code
            result = {"status": "error", "kind": error.kind, "source": "none", "exit_code": code}
            try:
                fail(error, self.args)
            finally:
                self._emit("ast.symbols", result, started, last=True)
            return code
        result = {"status": "ok", "source": source, "exit_code": 0}
        self._emit("ast.symbols", result, started, last=True)
        return 0

    def _answer(self, question: Question) -> str:
        """Print the answer; say where it came from."""
        if not self.persist:
            put_line(question.solve(_left_for_the_end))
            return "parse"
        started = time.monotonic_ns()
        found = peek(self.segment.ast_db_path, question.key, question.slot)
        cache = None
        if found.value is None:
            cache = self._open_cache()
            found = cache.look_again(question.key, question.slot, found)
        if found.value is not None:
            put_line(found.value)
            self._emit(
                "ast.cache.hit", self._sizes({"status": "hit"}, question, found.value), started
            )
            if time.time() - found.used * 60 > _STALE_S:
                self._note_use(question.key)
            return "cache"
        result: dict[str, object] = {"status": "miss", "reason": found.reason}
        parsing = time.monotonic_ns()
        try:
            value = question.solve(_left_for_the_end)
        except TrifectaError:
            self._emit("ast.cache.miss", result, started)
            raise
        put_line(value)
        if self.telemetry.full:
            result["parse_ms"] = (time.monotonic_ns() - parsing) / 1e6
        self._emit("ast.cache.miss", self._sizes(result, question, value), started)
        if cache is not None:
            self._store(cache, question, value, found.reason)
        return "parse"

    def _note_use(self, key: bytes) -> None:
        from trifecta.bounds import minute
        from trifecta.keys import row_id
        from trifecta.recency import touch

        touch(self.segment.ast_db_path, row_id(key), minute())

    def _open_cache(self) -> "SQLiteCache":
        from trifecta.sqlite_cache import SQLiteCache

        return SQLiteCache(self.segment.ast_db_path, on_event=self._on_event, keep_open=False)

    def _store(self, cache: "SQLiteCache", question: Question, value: bytes, reason: str) -> None:
        started = time.monotonic_ns()
        suspect = reason in {"damaged_row", "database_damaged"}
        if cache.set(question.key, value, slot=question.slot, suspect=suspect):
            result = {"status": "written", "bytes": len(value), "replaces": reason == CHANGED}
            self._emit("ast.cache.write", result, started)

    def _sizes(
        self, result: "dict[str, object]", question: Question, value: bytes
    ) -> "dict[str, object]":
        if self.telemetry.full:
            result.update(source_bytes=len(question.data), answer_bytes=len(value))
        return result

    def _on_event(self, name: str, result: "dict[str, object]") -> None:
        waited = result.get("waited_ms")
        timing = waited if isinstance(waited, float) else 0.0
        self.telemetry.emit(f"ast.cache.{name}", self.args, result, timing)

    def _emit(
        self, cmd: str, result: "dict[str, object]", started: int, *, last: bool = False
    ) -> None:
        elapsed = (time.monotonic_ns() - started) / 1e6
        self.telemetry.emit(cmd, self.args, result, elapsed, last=last)


def persist_wanted() -> bool:
    """Tell whether the environment turns the persistent cache on."""
    return os.environ.get("TRIFECTA_AST_PERSIST") == "1"


def ask(uri: str, folder: str, *, persist: bool, level: str) -> int:
    """Answer *uri* about the segment at *folder*; give the exit code."""
    segment = locate_or_fail("ast.symbols", {"uri": uri[:SHOWN]}, folder, level)
    if segment is None:
        return 2
    telemetry = telemetry_module.for_segment(segment.root, segment.id, level)
    code = Operation(segment, telemetry, persist=persist).run(uri)
    say_trouble(telemetry)
    return code


def locate_or_fail(
    cmd: str, args: "dict[str, object]", folder: str, level: str
) -> "Segment | None":
    """Find the segment, or print why not, with the operation's one event, and give None."""
    try:
        return locate(folder)
    except TrifectaError as error:
        fail(error, args)
        telemetry = telemetry_module.for_segment("", "", level)
        result = {"status": "error", "kind": error.kind, "exit_code": error.exit_code}
        telemetry.emit(cmd, args, result, last=True)
        return None


def say_trouble(telemetry: "Telemetry") -> None:
    """Say on standard error that telemetry was lost, if it was."""
    if telemetry.trouble:
        say(f"note: telemetry cannot be written: {telemetry.trouble}")
