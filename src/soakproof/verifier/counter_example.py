"""Tell the first answer that is not right again, and compare it with what the record tells of it.

Its two texts are shown from kept answers, of which the bundle carries only small ones without a
path of the machine: where one is not carried, nobody can hold its text to anything, and that is
said.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from soakproof.verifier.answers import Judged
from soakproof.verifier.raw import Raw
from soakproof.verifier.versions import steps_of, steps_within

__all__ = ["NOT_CARRIED", "tell_first"]

NOT_CARRIED: Final = (
    "the two texts of the first counter-example (answers.first.got and expected in metrics.json): "
    "the bundle does not carry the answers they were cut from"
)

_CHARS: Final = 60
_LINES: Final = 5
_LINE_BYTES: Final = 400
_SHORT: Final = 12

_HEADLINES: Final = {
    "stale": "answered with what was true before",
    "wrong": "answered wrongly",
    "missing": "gave no answer",
    "crashed": "crashed",
    "hung": "hung",
}
_OF_INFO: Final = {
    "hung": "it was still idle after a second period with all others ended",
    "missing": "it was busy past its deadline and was killed",
    "crashed": "a signal that nobody here sent ended it",
}
_TIMES: Final = {1: " once healed", 2: " the second time after healing"}


def tell_first(raw: Raw, one: Judged, faults: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the ``first`` object; without its two texts where their answers are not carried.

    Args:
        raw: all raw lines.
        one: the operation.
        faults: the ledger of faults.
    """
    call, versions = one.call, [version[:_SHORT] for version in one.seen.current]
    active = [entry["fault"] for entry in faults if _active(entry, *call.span)]
    edits = list(steps_within(steps_of(raw.history.edits), call.span))
    told = {
        "op": one.op,
        "kind": call.kind,
        "key": call.key,
        "phase": call.phase,
        "episode": call.asked.get("episode"),
        "answer": one.worth,
        "words": " ".join(_words(one, versions, active, edits)),
        "versions": versions,
        "faults": active,
        "edits": edits,
        "history": list(_around(raw, one)),
        "replay": shlex.join(raw.plan["replay_argv"]),
    }
    return told | _texts(raw, one)


def _active(entry: Mapping[str, Any], begin_ns: int, end_ns: int) -> bool:
    fired, healed = entry["fired_mono_ns"], entry["healed_mono_ns"]
    return fired is not None and fired <= end_ns and (healed is None or begin_ns <= healed)


def _words(one: Judged, versions: list[str], active: list[str], edits: list[str]) -> Iterator[str]:
    call, many = one.call, len(versions)
    when = _TIMES.get(call.asked.get("again", 0), "")
    yield f"{one.op} ({call.kind} {call.key}), asked in the phase {call.phase}{when},"
    yield f"{_HEADLINES[one.worth]}: {_why(one).rstrip('.')}."
    named = f" ({', '.join(versions)})" if many else ""
    verb = " was" if many == 1 else "s were"
    yield f"While it ran {many} version{verb} of its input current{named}."
    if edits:
        yield f"Edited meanwhile: {', '.join(edits)}."
    yield f"Active faults: {', '.join(active)}." if active else "No fault was active."


def _why(one: Judged) -> str:
    ended = one.call.ended or {}
    if ended.get("type") == "info":
        return _OF_INFO[one.worth]
    code, error = ended.get("exit_code"), ended.get("error", "")
    match one.worth:
        case "stale":
            return f"it is the answer of version {one.stale_of[:_SHORT]}, which was gone"
        case "wrong":
            return "it is the answer of no version of its input"
        case "crashed":
            return f"it crashed with exit code {code}: {error}"
        case _:
            return f"it ended with exit code {code} and no answer: {error}"


def _around(raw: Raw, one: Judged) -> Iterator[str]:
    """Yield the lines of the history around its completion."""
    middle = (one.call.ended or {}).get("seq", 0)
    stored = raw.bundle.stored("history.jsonl") or ""
    for number, line in raw.bundle.lines(stored):
        body = line.rstrip(b"\r\n")
        if body and middle - _LINES <= number - 1 <= middle + _LINES:
            yield body[:_LINE_BYTES].decode("utf-8", "replace")


def _texts(raw: Raw, one: Judged) -> dict[str, str]:
    """Return both texts around the first byte in which they differ, where they are carried."""
    questions = ((one.call.kind, one.call.key, version) for version in one.seen.current)
    said = [raw.oracle.answers[asked] for asked in questions if asked in raw.oracle.answers]
    if not said:
        return {"got": "", "expected": ""}
    got = _carried(raw, (one.call.ended or {}).get("answer_sha256"))
    right = _carried(raw, said[0][1])
    if got is None or right is None:
        return {}
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(got, right, strict=False))
    at = sum(1 for _ in same)
    return {"got": _cut(got, at), "expected": _cut(right, at)}


def _carried(raw: Raw, sha256: str | None) -> bytes | None:
    if sha256 is None:
        return b""
    stored = raw.bundle.stored(f"answers/{sha256}")
    return None if stored is None else b"".join(line for _, line in raw.bundle.lines(stored))


def _cut(text: bytes, at: int) -> str:
    begin, end = max(0, at - _CHARS), at + _CHARS
    shown = text[begin:end].decode("utf-8", "replace")
    return f"{'…' if begin else ''}{shown}{'…' if end < len(text) else ''}"
