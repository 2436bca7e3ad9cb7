"""Decode history, telemetry and sample lines into their types, counting what cannot be decoded.

msgspec decodes into the dataclasses of :mod:`soakproof.model` and checks their types on the way,
a hundred times faster than a JSON Schema validator does; a test holds types and schemas together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from soakproof.model import Expected, HistoryLine, Sample, TelemetryEvent
from soakproof.rundir import read_lines

__all__ = ["BadLine", "decode_expected", "decode_history", "decode_samples", "decode_telemetry"]

T = TypeVar("T")

_SHOWN_CHARS: Final = 160


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no record of its kind.

    Args:
        line: 1-based number in the file.
        reason: what is wrong with it, shortened.
    """

    line: int
    reason: str


def decode_history(path: Path) -> Iterator[HistoryLine | BadLine]:
    """Yield the lines of a history; torn or foreign ones as :class:`BadLine`."""
    return _decode(path, msgspec.json.Decoder(HistoryLine))


def decode_expected(path: Path) -> Iterator[Expected | BadLine]:
    """Yield what the oracle answered; torn or foreign lines as :class:`BadLine`."""
    return _decode(path, msgspec.json.Decoder(Expected))


def decode_telemetry(path: Path) -> Iterator[TelemetryEvent | BadLine]:
    """Yield the events of a telemetry file; torn or foreign lines as :class:`BadLine`."""
    return _decode(path, msgspec.json.Decoder(TelemetryEvent))


def decode_samples(path: Path) -> Iterator[Sample | BadLine]:
    """Yield the samples of a run; torn or foreign lines as :class:`BadLine`."""
    return _decode(path, msgspec.json.Decoder(Sample))


def _decode(path: Path, decoder: msgspec.json.Decoder[T]) -> Iterator[T | BadLine]:
    for number, line, whole in read_lines(path):
        try:
            # msgspec skips fields it does not know without looking at their bytes.
            if not line.isascii():
                line.decode("utf-8")
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            torn = "" if whole else "torn: the line does not end; "
            size = f" ({len(line)} bytes)" if len(line) > _SHOWN_CHARS else ""
            yield BadLine(number, f"{torn}{str(problem)[:_SHOWN_CHARS]}{size}")
