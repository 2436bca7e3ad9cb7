"""Many questions in one process: one line each, in the order asked.

Hits come from one open connection.  Misses are parsed by several processes where that pays, and
stored many at a time after their answers have been printed.
"""

import os
import sys
import time
from itertools import islice

from trifecta.ask import Question
from trifecta.errors import InvalidInputError, SourceError, TrifectaError
from trifecta.fan_out import solve, solve_all
from trifecta.output import SHOWN, fail, put_line
from trifecta.peek import CHANGED
from trifecta.search.scan import scan
from trifecta.sqlite_cache import SQLiteCache
from trifecta.uri import SUFFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trifecta.segment import Segment
    from trifecta.telemetry import Telemetry

_WINDOW = 256  # questions that are read ahead: bounds the memory
_FEWEST_FOR_PROCESSES = 24  # below it, starting them costs more than they save
_MOST_JOBS = 16


class _Item:
    """One question on its way."""

    __slots__ = ("args", "error", "question", "reason", "value")

    def __init__(self, uri: str) -> None:
        self.args: dict[str, object] = {"uri": uri[:SHOWN]}
        self.question: Question | None = None
        self.value: bytes | None = None
        self.error: TrifectaError | None = None
        self.reason = ""


class _Batch:
    """The state of one run."""

    def __init__(
        self, segment: "Segment", telemetry: "Telemetry", *, persist: bool, jobs: int
    ) -> None:
        self.segment = segment
        self.telemetry = telemetry
        self.jobs = jobs
        self.counts = {"asked": 0, "hits": 0, "parsed": 0, "failed": 0, "written": 0}
        self.exit_code = 0
        self.cache = SQLiteCache(segment.ast_db_path, on_event=self._on_event) if persist else None

    def run(self, uris: "Iterable[str]", *, speak: bool) -> None:
        """Answer all; print answers and errors if *speak*."""
        source = iter(uris)
        while window := list(islice(source, _WINDOW if self.jobs > 1 else 1)):
            items = [self._look(uri) for uri in window]
            self._parse([item for item in items if item.question and item.value is None])
            for item in items:
                self._finish(item, speak=speak)
            self._store(items)

    def _look(self, uri: str) -> _Item:
        item = _Item(uri)
        started = time.monotonic_ns()
        try:
            item.question = Question(self.segment, uri, item.args)
        except TrifectaError as error:
            item.error = error
            return item
        if self.cache is not None:
            found = self.cache.look(item.question.key, item.question.slot)
            item.value, item.reason = found.value, found.reason
            name = "miss" if found.value is None else "hit"
            result: dict[str, object] = {"status": name}
            if found.value is None:
                result["reason"] = found.reason
            elapsed = (time.monotonic_ns() - started) / 1e6
            self.telemetry.emit(f"ast.cache.{name}", item.args, result, elapsed)
            self.counts["hits"] += name == "hit"
        return item

    def _parse(self, items: "list[_Item]") -> None:
        questions = [item.question for item in items if item.question is not None]
        if self.jobs > 1 and len(questions) >= _FEWEST_FOR_PROCESSES:
            solved = solve_all(questions, self.jobs)
        else:
            solved = [solve(question) for question in questions]
        for item, answer in zip(items, solved, strict=True):
            if isinstance(answer, bytes):
                item.value = answer
                self.counts["parsed"] += 1
            else:
                code, kind, message, fields = answer
                made = SourceError if code == SourceError.exit_code else InvalidInputError
                item.error = made(kind, message, **fields)

    def _finish(self, item: _Item, *, speak: bool) -> None:
        self.counts["asked"] += 1
        if item.error is not None:
            self.counts["failed"] += 1
            self.exit_code = max(self.exit_code, item.error.exit_code)
            if speak:
                fail(item.error, item.args)
        elif speak and item.value is not None:
            put_line(item.value)

    def _store(self, items: "list[_Item]") -> None:
        if self.cache is None:
            return
        started = time.monotonic_ns()
        fresh = [item for item in items if item.reason and item.value is not None]
        entries = [
            (item.question.key, item.value, item.question.slot)
            for item in fresh
            if item.question is not None and item.value is not None
        ]
        suspect = any(item.reason in {"damaged_row", "database_damaged"} for item in fresh)
        if not entries or not self.cache.set_many(entries, suspect=suspect):
            return
        elapsed = (time.monotonic_ns() - started) / 1e6 / len(fresh)
        for item in fresh:
            size = len(item.value or b"")
            if size > self.cache.bounds.max_value_bytes:
                continue
            result = {"status": "written", "bytes": size, "replaces": item.reason == CHANGED}
            self.telemetry.emit("ast.cache.write", item.args, result, elapsed)
            self.counts["written"] += 1

    def _on_event(self, name: str, result: "dict[str, object]") -> None:
        waited = result.get("waited_ms")
        timing = waited if isinstance(waited, float) else 0.0
        self.telemetry.emit(f"ast.cache.{name}", {"path": self.segment.ast_db_path}, result, timing)

    def result(self) -> "dict[str, object]":
        """Give what the operation's event says."""
        if self.cache is not None:
            self.cache.close()
        return {**self.counts}


def answer_all(
    segment: "Segment", telemetry: "Telemetry", uris: "Iterable[str]", *, persist: bool, jobs: int
) -> "dict[str, object]":
    """Print one line for each URI; give counts and the exit code (the highest of them)."""
    batch = _Batch(segment, telemetry, persist=persist, jobs=jobs)
    batch.run(uris, speak=True)
    result = batch.result()
    status = "ok" if batch.exit_code == 0 else "error"
    return {**result, "status": status, "exit_code": batch.exit_code}


def warm(segment: "Segment", telemetry: "Telemetry", jobs: int) -> "dict[str, object]":
    """Check the cache and fill it with every module of the segment; print nothing."""
    batch = _Batch(segment, telemetry, persist=True, jobs=jobs)
    if batch.cache is not None:
        batch.cache.verify()
    batch.run(every_module(segment), speak=False)
    return batch.result()


def lines_of_stdin() -> "Iterator[str]":
    """Give the lines of standard input as they come; empty ones are left out."""
    for line in sys.stdin.buffer:
        uri = line.strip().decode("utf-8", "surrogateescape")
        if uri:
            yield uri


def every_module(segment: "Segment") -> "Iterator[str]":
    """Give the URI of every module, ordered; what another module hides is left out."""
    from trifecta.languages import installed

    modules: dict[str, None] = {}
    others = {suffix: name for name in installed()[1:] for suffix in SUFFIXES[name]}
    src_is_package = os.path.exists(f"{segment.root}/src/__init__.py")
    for path in sorted(scan(segment.root, (".py", *others))):
        suffix = path[path.rindex(".") :]
        if suffix != ".py":
            modules[f"sym://{others[suffix]}/mod/{path}"] = None
            continue
        stem = path.removesuffix(".py").removesuffix("/__init__")
        if stem.startswith("src/") and not src_is_package:
            stem = stem[4:]
        if "." not in stem and stem != "__init__" and stem.isprintable() and ":" not in stem:
            modules[f"sym://python/mod/{stem.replace('/', '.')}"] = None
    return iter(sorted(modules))


def jobs_wanted(given: int | None) -> int:
    """Give the number of processes that parse."""
    if not hasattr(os, "fork"):
        return 1
    if given:
        return min(given, _MOST_JOBS)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return min(cores, _MOST_JOBS)
