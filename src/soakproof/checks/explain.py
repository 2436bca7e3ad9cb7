"""Tell a counter-example in words: what was asked, what came, what was right, and meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soakproof.checks.answers import Answer, Judgement
from soakproof.checks.fault_ledger import FaultRecord
from soakproof.checks.ledger import OpRecord

__all__ = ["Shown", "active_faults", "difference", "explain"]

_AROUND_CHARS: Final = 60
"""How much of an answer is shown on each side of the first difference."""

_HEADLINES: Final = {
    Answer.STALE: "answered with what was true before",
    Answer.WRONG: "answered wrongly",
    Answer.MISSING: "gave no answer",
    Answer.CRASHED: "crashed",
    Answer.HUNG: "hung",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What is laid beside a judgement to explain it.

    Args:
        got: what it printed.
        expected: what would have been right, one for each version that was current.
        faults: the faults that were active, as :func:`active_faults` gives them.
        edits: the edits that had a step meanwhile.
        history: the lines of the history around its completion.
        replay: the command that repeats the plan.
    """

    got: bytes
    expected: Sequence[bytes]
    faults: Sequence[str]
    edits: Sequence[str]
    history: Sequence[str]
    replay: str


def active_faults(records: Iterable[FaultRecord], begin_ns: int, end_ns: int) -> list[str]:
    """Return the ids of the faults that were active at some moment of a stretch of time."""
    return [
        record.plan.fault_id
        for record in records
        if record.fired_ns is not None
        and record.fired_ns <= end_ns
        and (record.healed_ns is None or record.healed_ns >= begin_ns)
    ]


def difference(got: bytes, expected: bytes) -> tuple[str, str]:
    """Return both texts around the first byte in which they differ."""
    pairs = enumerate(zip(got, expected, strict=False))
    at = next((at for at, (a, b) in pairs if a != b), min(len(got), len(expected)))
    start = max(0, at - _AROUND_CHARS)
    return _cut(got, start, at), _cut(expected, start, at)


def explain(judgement: Judgement, record: OpRecord, shown: Shown) -> dict[str, Any]:
    """Return the ``first`` object of the metrics' ``answers``."""
    got, right = "", ""
    if shown.expected:
        got, right = difference(shown.got, shown.expected[0])
    return {
        "op": judgement.op,
        "kind": record.kind,
        "key": record.key,
        "phase": record.phase.value,
        "episode": record.episode,
        "answer": judgement.answer.value,
        "words": " ".join(_sentences(judgement, record, shown)),
        "versions": [version[:12] for version in judgement.versions],
        "faults": list(shown.faults),
        "edits": list(shown.edits),
        "got": got,
        "expected": right,
        "history": list(shown.history),
        "replay": shown.replay,
    }


def _sentences(judgement: Judgement, record: OpRecord, shown: Shown) -> Iterable[str]:
    asked = {1: " once healed", 2: " the second time after healing"}.get(record.again, "")
    yield f"{judgement.op} ({record.kind} {record.key}), asked in the phase {record.phase}{asked},"
    yield f"{_HEADLINES[judgement.answer]}: {judgement.words.rstrip('.')}."
    many = len(judgement.versions)
    yield (
        f"While it ran {many} version{'s were' if many != 1 else ' was'} of its input current"
        + (f" ({', '.join(version[:12] for version in judgement.versions)})." if many else ".")
    )
    if shown.edits:
        yield f"Edited meanwhile: {', '.join(shown.edits)}."
    yield f"Active faults: {', '.join(shown.faults)}." if shown.faults else "No fault was active."


def _cut(text: bytes, start: int, at: int) -> str:
    part = text[start : at + _AROUND_CHARS].decode("utf-8", "replace")
    return ("…" if start else "") + part + ("…" if at + _AROUND_CHARS < len(text) else "")
