"""The tables of a run: their columns, and their rows as they are read, one after another.

Memory is bounded by what is under way at once. What a line tells in a shape of its own (details,
arguments, results) is JSON text, which every tool that knows tables can take apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from soakproof.lines import BadLine, decode_history, decode_samples, decode_telemetry
from soakproof.model import HistoryLine
from soakproof.rotation.reading import is_there

__all__ = ["Column", "Sources", "Table", "tables"]

Column = tuple[str, Literal["text", "integer", "number"]]


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a run that tables are made of; one that is not there has no rows."""

    history: Path
    samples: Path
    telemetry: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Args:
        name: such as ``operations``.
        columns: names and types; any value may be absent.
        rows: yields the rows, from the beginning each time it is called.
    """

    name: str
    columns: tuple[Column, ...]
    rows: Callable[[], Iterator[tuple[Any, ...]]]


def tables(sources: Sources) -> tuple[Table, ...]:
    """Return the tables of a run."""
    return (
        Table("operations", _OPERATIONS, lambda: _operations(sources)),
        Table("faults", _FAULTS, lambda: _faults(sources)),
        Table("samples", _SAMPLES, lambda: _samples(sources)),
        Table("telemetry", _TELEMETRY, lambda: _telemetry(sources)),
        Table("unreadable", _UNREADABLE, lambda: _unreadable(sources)),
    )


_FROM_INVOKE: Final[tuple[Column, ...]] = (
    ("phase", "text"),
    ("episode", "integer"),
    ("again", "integer"),
    ("worker", "integer"),
    ("kind", "text"),
    ("key", "text"),
)
_FROM_COMPLETION: Final[tuple[Column, ...]] = (
    ("pid", "integer"),
    ("reason", "text"),
    ("error", "text"),
    ("exit_code", "integer"),
    ("signal", "integer"),
    ("wall_ms", "number"),
    ("user_ms", "number"),
    ("sys_ms", "number"),
    ("max_rss_kb", "integer"),
    ("answer_sha256", "text"),
    ("answer_bytes", "integer"),
    ("stderr_bytes", "integer"),
)
_OPERATIONS: Final[tuple[Column, ...]] = (
    ("op", "text"),
    *_FROM_INVOKE,
    ("argument", "text"),
    ("invoke_ns", "integer"),
    ("end_ns", "integer"),
    ("outcome", "text"),
    ("answer", "text"),
    *_FROM_COMPLETION,
    ("detail", "text"),
)
_FAULTS: Final[tuple[Column, ...]] = (
    ("mono_ns", "integer"),
    ("fault", "text"),
    ("kind", "text"),
    ("event", "text"),
    ("index", "integer"),
    ("episode", "integer"),
    ("detail", "text"),
)
_SAMPLES: Final[tuple[Column, ...]] = (
    ("mono_ns", "integer"),
    ("ops_done", "integer"),
    ("role", "text"),
    ("bytes", "integer"),
    ("files", "integer"),
)
_TELEMETRY: Final[tuple[Column, ...]] = (
    ("file", "text"),
    ("ts", "text"),
    ("run_id", "text"),
    ("segment_id", "text"),
    ("cmd", "text"),
    ("timing_ms", "number"),
    ("op", "text"),
    ("pid", "integer"),
    ("seq", "integer"),
    ("mono_ns", "integer"),
    ("args", "text"),
    ("result", "text"),
    ("warnings", "text"),
    ("x", "text"),
)
_UNREADABLE: Final[tuple[Column, ...]] = (("file", "text"), ("line", "integer"), ("reason", "text"))

Begun = tuple[Any, ...]


def _operations(sources: Sources) -> Iterator[tuple[Any, ...]]:
    """Yield operations as they end, then those that never did."""
    begun: dict[str, Begun] = {}
    for line in _lines(sources.history, decode_history):
        if line.type == "invoke":
            begun |= _begun(line)
        elif line.type in {"ok", "fail", "info"}:
            yield from _ended(line, begun)
    nobody_knows = (None,) * (len(_OPERATIONS) - 1)
    for op, first in begun.items():
        yield (op, *first, *nobody_knows[len(first) :])


def _begun(line: HistoryLine) -> dict[str, Begun]:
    """Return what a line tells of the operations that it begins, by name."""
    values = {name: getattr(line, name) for name, _ in _FROM_INVOKE}
    if line.ops is None:
        return {str(line.op): (*values.values(), None, line.mono_ns)}
    return {
        str(number): (*(values | _asked(rest)).values(), _json(rest[2:] or None), line.mono_ns)
        for number, *rest in line.ops
    }


def _asked(rest: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(("kind", "key"), (str(one) for one in rest), strict=False))


def _ended(line: HistoryLine, begun: dict[str, Begun]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the operations that a line ends; one that never began has no beginning."""
    values = [getattr(line, name) for name, _ in _FROM_COMPLETION]
    many = line.ops is not None
    for number, *answer in line.ops or [[line.op]]:
        first = begun.pop(str(number), None)
        if first is None:
            known = {"worker": line.worker, "kind": line.kind}
            first = (*(known.get(name) for name, _ in _FROM_INVOKE), None, None)
        told = _json(answer[0]) if many and answer else None
        yield (str(number), *first, line.mono_ns, line.type, told, *values, _json(line.detail))


def _faults(sources: Sources) -> Iterator[tuple[Any, ...]]:
    names = [name for name, _ in _FAULTS[:-1]]
    for line in _lines(sources.history, decode_history):
        if line.type == "fault":
            yield (*(getattr(line, name) for name in names), _json(line.detail))


def _samples(sources: Sources) -> Iterator[tuple[Any, ...]]:
    for one in _lines(sources.samples, decode_samples):
        for role in one.bytes_by_role | one.files_by_role:
            of_role = one.bytes_by_role.get(role), one.files_by_role.get(role)
            yield (one.mono_ns, one.ops_done, role, *of_role)


def _telemetry(sources: Sources) -> Iterator[tuple[Any, ...]]:
    for path in sources.telemetry:
        for one in _lines(path, decode_telemetry):
            count = [_integer(one.x.get(name)) for name in ("pid", "seq", "mono_ns")]
            op = one.x.get("op")
            yield (
                *(path.name, one.ts, one.run_id, one.segment_id, one.cmd, one.timing_ms),
                *(op if isinstance(op, str) else None, *count),
                *(_json(one.args), _json(one.result), _json(one.warnings), _json(one.x)),
            )


def _unreadable(sources: Sources) -> Iterator[tuple[Any, ...]]:
    """Yield the lines that are in no table."""
    decoders: list[tuple[Path, Callable[[Path], Iterator[Any]]]] = [
        (sources.history, decode_history),
        (sources.samples, decode_samples),
        *((path, decode_telemetry) for path in sources.telemetry),
    ]
    for path, decode in decoders:
        if is_there(path):
            for one in decode(path):
                if isinstance(one, BadLine):
                    yield (path.name, one.line, one.reason)


def _lines(path: Path, decode: Callable[[Path], Iterator[Any]]) -> Iterator[Any]:
    """Yield the lines that can be read; the others are in the table ``unreadable``."""
    if is_there(path):
        yield from (line for line in decode(path) if not isinstance(line, BadLine))


def _integer(value: object) -> int | None:
    """Return a whole number that fits a column."""
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if fits and isinstance(value, int) else None


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
