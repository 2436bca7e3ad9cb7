"""The library: symbols as objects, from whichever cache one likes."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

from trifecta.ask import Question
from trifecta.memory_cache import InMemoryLRUCache, NullCache
from trifecta.protocol import Cache
from trifecta.segment import Segment, locate
from trifecta.sqlite_cache import SQLiteCache
from trifecta.uri import SCHEME

__all__ = ["AstCache", "Symbol", "symbols"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """One definition."""

    kind: str
    name: str
    qualname: str
    line: int
    end_line: int
    col: int
    signature: str
    decorators: tuple[str, ...]
    doc: str | None
    is_async: bool
    visibility: str


class AstCache:
    """Answers about one segment, remembered in memory and, if wanted, on disk.

    Not for use by several threads at once; any number of processes may share the segment.
    """

    def __init__(
        self,
        segment: str | os.PathLike[str] = ".",
        *,
        persist: bool = False,
        cache: Cache | None = None,
        memory: Cache | None = None,
        on_event: Callable[[str, dict[str, object]], None] | None = None,
    ) -> None:
        """Open a segment.

        Args:
            segment: the folder.
            persist: use the cache on disk that the command line uses too.
            cache: any other cache in its place.
            memory: what stands in front of it; ``NullCache()`` for nothing.
            on_event: told of waiting, recovery and degradation of the cache on disk.

        Raises:
            InvalidInputError: there is no such folder.

        """
        self.segment: Segment = locate(os.fspath(segment))
        if cache is None and persist:
            cache = SQLiteCache(self.segment.ast_db_path, on_event=on_event)
        self.cache: Cache = NullCache() if cache is None else cache
        self.memory: Cache = InMemoryLRUCache() if memory is None else memory
        self.hits = 0
        self.misses = 0

    def answer(self, module: str) -> bytes:
        """Give the JSON answer about *module* (a dotted name or a ``sym://`` URI).

        Reads the source each time, so it is never stale; parses only what no cache knows.
        Raises InvalidInputError and SourceError.
        """
        uri = module if module.startswith(SCHEME) else f"sym://python/mod/{module}"
        question = Question(self.segment, uri, {})
        value = self.memory.get(question.key)
        if value is None:
            value = self.cache.get(question.key)
            if value is not None:
                self.memory.set(question.key, value)
        if value is not None:
            self.hits += 1
            return value
        self.misses += 1
        value = question.solve()
        self.memory.set(question.key, value)
        self.cache.set(question.key, value, slot=question.slot)
        return value

    def symbols(self, module: str) -> list[Symbol]:
        """Give the symbols of *module*, ordered by line and column."""
        return [
            Symbol(
                kind=item["kind"],
                name=item["name"],
                qualname=item["qualname"],
                line=item["line"],
                end_line=item["end_line"],
                col=item["col"],
                signature=item["signature"],
                decorators=tuple(item["decorators"]),
                doc=item["doc"],
                is_async=item["async"],
                visibility=item["visibility"],
            )
            for item in json.loads(self.answer(module))["symbols"]
        ]

    def stats(self) -> dict[str, object]:
        """Give hits and misses of this object, and what the caches hold."""
        return {
            "hits": self.hits,
            "misses": self.misses,
            "memory": self.memory.stats(),
            "cache": self.cache.stats(),
        }

    def close(self) -> None:
        """Let go of files."""
        self.cache.close()
        self.memory.close()

    def __enter__(self) -> "AstCache":  # noqa: PYI034 - typing.Self would be imported for this
        """Give the object itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def symbols(module: str, segment: str | os.PathLike[str] = ".") -> list[Symbol]:
    """Give the symbols of one module of *segment*, without any cache."""
    with AstCache(segment, memory=NullCache()) as cache:
        return cache.symbols(module)
