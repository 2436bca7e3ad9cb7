"""The types that a line is decoded into to be counted: they keep only what is counted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from soakproof.lines import strict_struct
from soakproof.model import HistoryLine, TelemetryEvent

__all__ = [
    "NO_WORDS",
    "Decode",
    "Kind",
    "Result",
    "Words",
    "decoder",
    "expecting",
    "few",
    "strict_decoder",
]

Kind = Literal["history", "telemetry"]

Decode = Callable[[bytes], Any]


class Words(NamedTuple):
    """Texts that are expected in events, because they were seen before."""

    cmds: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    causes: frozenset[str] = frozenset()


NO_WORDS: Final = Words()

_FEW: Final = 64
_LETTERS: Final = 200


def few(words: Words) -> bool:
    """Whether words are worth expecting: not many, and none long, for they stay in memory."""
    return all(len(some) <= _FEW and max(map(len, some), default=0) <= _LETTERS for some in words)


class _Skipped(msgspec.Struct, frozen=True, gc=False):
    """An object of which nothing is wanted."""


class Result(msgspec.Struct, frozen=True, gc=False, rename={"cause": "for"}):
    """What is wanted of an event's result."""

    status: str | int | None = None
    waited_ms: float | None = None
    cause: str | None = None


_STRICT: Final[dict[Kind, type[msgspec.Struct]]] = {
    "telemetry": strict_struct(TelemetryEvent),
    "history": strict_struct(HistoryLine),
}


@functools.cache
def decoder(kind: Kind) -> Decode:
    """Return what decodes any line of a kind as far as it is counted."""
    if kind == "telemetry":
        return _event_decoder(Result)
    return msgspec.json.Decoder(
        strict_struct(HistoryLine, detail=_Skipped | None, ops=tuple[list[msgspec.Raw], ...] | None)
    ).decode


@functools.cache
def strict_decoder(kind: Kind) -> Decode:
    """Return what decodes all of a line."""
    return msgspec.json.Decoder(_STRICT[kind]).decode


@functools.lru_cache(maxsize=64)
def expecting(words: Words) -> Decode:
    """Return what decodes an event as :func:`decoder` does if its texts are among these words.

    It refuses others. A text that it expects it need not make anew, and is found faster in a
    dictionary, for it is the same object each time: a fourteenth of the time that an event takes.
    """
    result = msgspec.defstruct(
        "Result",
        [
            ("status", _one_of(words.statuses) | int | None, None),
            ("waited_ms", float | None, None),
            ("cause", _one_of(words.causes) | None, None),
        ],
        frozen=True,
        gc=False,
        rename={"cause": "for"},
    )
    return _event_decoder(result, cmd=_one_of(words.cmds))


def _one_of(words: frozenset[str]) -> Any:  # noqa: ANN401 - a form of types
    return Literal[tuple(sorted(words))] if words else str


def _event_decoder(result: type[msgspec.Struct], **types: Any) -> Decode:  # noqa: ANN401 - types
    return msgspec.json.Decoder(
        strict_struct(
            TelemetryEvent,
            args=_Skipped,
            result=result,
            x=_Skipped,
            warnings=tuple[str, ...],
            **types,
        )
    ).decode
