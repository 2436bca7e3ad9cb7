"""Decode history, telemetry and sample lines into their types, counting what cannot be decoded.

msgspec decodes into the dataclasses of :mod:`soakproof.model` and checks their types on the way,
a hundred times faster than a JSON Schema validator does; a test holds types and schemas together.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from soakproof.errors import EvidenceBroken
from soakproof.model import Expected, HistoryLine, Sample, TelemetryEvent
from soakproof.rotation.reading import lines_by_part, stream
from soakproof.rundir import read_lines

__all__ = [
    "UNREADABLE",
    "BadLine",
    "LineDecoder",
    "decode_expected",
    "decode_history",
    "decode_samples",
    "decode_telemetry",
    "line_decoder",
    "strict_struct",
    "why_unreadable",
]

T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a line raises where it is no record, or is nested deeper than can be read."""

_SHOWN_CHARS: Final = 160


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no record of its kind.

    Args:
        line: 1-based number in the file, or in all parts of a history.
        reason: what is wrong with it, shortened.
    """

    line: int
    reason: str


LineDecoder: TypeAlias = Callable[[int, bytes, bool], T | BadLine]
"""Number, bytes without the end, whether it ended → what the line says, or why it says nothing."""


def decode_history(path: Path) -> Iterator[HistoryLine | BadLine]:
    """Yield the lines of a history and its parts; torn or foreign ones as :class:`BadLine`.

    Raises:
        EvidenceBroken: a part is missing, damaged, or does not go on where the one before ended.
    """
    decode = line_decoder(HistoryLine)
    before: HistoryLine | BadLine | None = None
    ended: Path | None = None
    for part, lines in lines_by_part(path):
        begins = True
        for number, line, whole in lines:
            read = decode(number, line, whole)
            if begins and not (ended is None and part == path):
                _insist_on_the_next(ended, before, part, read)
            yield read
            before, begins = read, False
        ended = part


def _insist_on_the_next(
    ended: Path | None,
    before: HistoryLine | BadLine | None,
    part: Path,
    read: HistoryLine | BadLine,
) -> None:
    """Refuse a part that was put in another's place, or one that lost its end."""
    if isinstance(before, BadLine) or isinstance(read, BadLine):
        return  # it is told as a line that cannot be read
    expected = 0 if before is None else before.seq + 1
    if read.seq != expected:
        where = "the history" if ended is None else ended.name
        message = (
            f"{part}: expected line {expected} of the history, where {where} "
            f"{'begins' if ended is None else 'ends'}, found line {read.seq}: a part is missing, "
            "was cut off or is in another's place; restore it, or run again"
        )
        raise EvidenceBroken(message)


def decode_expected(path: Path) -> Iterator[Expected | BadLine]:
    """Yield what the oracle answered; torn or foreign lines as :class:`BadLine`."""
    return _decode(path, Expected)


def decode_telemetry(path: Path) -> Iterator[TelemetryEvent | BadLine]:
    """Yield the events of a telemetry file; torn or foreign lines as :class:`BadLine`."""
    return _decode(path, TelemetryEvent)


def decode_samples(path: Path) -> Iterator[Sample | BadLine]:
    """Yield the samples of a run and its parts; torn or foreign lines as :class:`BadLine`.

    Raises:
        EvidenceBroken: a part is missing or damaged; names it.
    """
    decode = line_decoder(Sample)
    return (decode(number, line, whole) for number, line, whole in stream(path))


def line_decoder(kind: type[T]) -> LineDecoder[T]:
    """Return what decodes a line of a kind, given its number, its bytes, and whether it ended."""
    decoder, strict = msgspec.json.Decoder(kind), msgspec.json.Decoder(strict_struct(kind))

    def decode(number: int, line: bytes, whole: bool, /) -> T | BadLine:  # noqa: FBT001 - a line's
        try:
            # msgspec skips fields it does not know without looking at their bytes.
            if not line.isascii():
                line.decode("utf-8")
            strict.decode(line)
            return decoder.decode(line)
        except UNREADABLE as problem:
            return BadLine(number, why_unreadable(problem, len(line), whole=whole))

    return decode


def _decode(path: Path, kind: type[T]) -> Iterator[T | BadLine]:
    decode = line_decoder(kind)
    for number, line, whole in read_lines(path):
        yield decode(number, line, whole)


def why_unreadable(problem: Exception, line_bytes: int, *, whole: bool) -> str:
    """Return what is wrong with a line, in a sentence that is short whatever the line holds."""
    torn = "" if whole else "torn: the line does not end; "
    size = f" ({line_bytes} bytes)" if line_bytes > _SHOWN_CHARS else ""
    reason = "nested too deep" if isinstance(problem, RecursionError) else str(problem)
    return f"{torn}{reason[:_SHOWN_CHARS]}{size}"


def strict_struct(kind: Any, **types: Any) -> type[msgspec.Struct]:  # noqa: ANN401 - dataclass, types
    """Return a struct of a dataclass's fields that refuses fields which the dataclass lacks.

    msgspec passes over unknown fields of dataclasses; a struct of the same fields can forbid them.

    Args:
        kind: the dataclass.
        types: fields of which less is wanted, with the type that they are read as instead; it can
            be made without arguments.
    """
    hints = typing.get_type_hints(kind)
    fields: list[tuple[str, Any, Any]] = []
    for item in dataclasses.fields(kind):
        default: Any = msgspec.NODEFAULT
        if item.name in types and item.default_factory is not dataclasses.MISSING:
            default = msgspec.field(default_factory=types[item.name])
        elif item.default is not dataclasses.MISSING:
            default = item.default
        elif item.default_factory is not dataclasses.MISSING:
            default = msgspec.field(default_factory=item.default_factory)
        fields.append((item.name, types.get(item.name, hints[item.name]), default))
    # What is decoded from a line holds no circles, so the garbage collector need not look at it.
    return msgspec.defstruct(
        kind.__name__, fields, kw_only=True, forbid_unknown_fields=True, gc=False
    )
