"""Walk the chain of the history, and count operations, faults and probes from its lines."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof.verifier.files import BundleFiles
from soakproof.verifier.findings import Unreadable

__all__ = ["COMPLETIONS", "Call", "History", "Walk", "read_history", "take", "walk_lines"]

COMPLETIONS: Final = ("ok", "fail", "info")

_FIELD: Final = b',"chain":"'
_END: Final = b'"}'
_SHOWN: Final = 16
"""Hex digits of the head in each line."""

_KNOWN_TYPES: Final = frozenset({"run", "phase", "invoke", *COMPLETIONS, "fault", "edit", "probe"})
_OURS: Final = ("interrupted", "fault:")
"""Beginnings of the reasons for which an operation without an end is no finding."""


@dataclass(slots=True)
class Walk:
    """How far the chain was walked; filled while lines are read."""

    lines: int = 0
    head: str = ""
    torn: int = 0


@dataclass(slots=True)
class Call:
    """One operation: what was asked, and what came of it."""

    kind: str
    key: str
    phase: str
    invoked_ns: int
    asked: dict[str, Any]
    ended: dict[str, Any] | None = None

    @property
    def outcome(self) -> str:
        """``ok``, ``fail``, or ``info``: also where no end was written."""
        return "info" if self.ended is None else str(self.ended["type"])

    @property
    def span(self) -> tuple[int, int]:
        """When it ran; without an end nobody knows, and it is an empty stretch."""
        return self.invoked_ns, 0 if self.ended is None else self.ended["mono_ns"]


@dataclass(slots=True)
class History:
    """What the lines of a history add up to."""

    calls: dict[str, Call] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    completions: int = 0
    unexplained: int = 0
    twice: int = 0
    uninvited: int = 0
    gaps: int = 0
    torn: int = 0
    backwards: int = 0
    ended: str = "unfinished"
    plan_sha256: str | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    answers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    alarming: int = 0
    walls: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    probes: list[dict[str, Any]] = field(default_factory=list)
    leftovers: dict[str, Any] | None = None
    inputs_changed: int | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    edits: list[dict[str, Any]] = field(default_factory=list)
    sha256: str = ""

    @property
    def state(self) -> str:
        """How the run ended; ``broken`` where the history contradicts itself or has holes."""
        holes = self.gaps or self.torn or self.backwards or self.twice or self.uninvited
        return "broken" if self.ended != "unfinished" and holes else self.ended

    @property
    def whole(self) -> bool:
        """Whether what is not in it did not happen."""
        return self.state in {"completed", "interrupted"}


def read_history(bundle: BundleFiles, stored: str, run_id: str) -> tuple[History, Walk]:
    """Walk a history and count it.

    Raises:
        Unreadable: a line breaks the chain; names it.
    """
    history, walk, sha = History(), Walk(), hashlib.sha256()
    expected_seq = 0
    for line in walk_lines(bundle, stored, run_id, walk, sha):
        history.gaps += line["seq"] != expected_seq
        expected_seq = line["seq"] + 1
        take(history, line)
    history.torn, history.sha256 = walk.torn, sha.hexdigest()
    for call in history.calls.values():
        if call.ended is None:
            history.reasons["never_completed"] += 1
            history.unexplained += history.state == "completed"
    return history, walk


def walk_lines(
    bundle: BundleFiles, stored: str, run_id: str, walk: Walk, sha: Any
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a history, each held to the chain of hashes; a torn last one is counted.

    Raises:
        Unreadable: a line breaks the chain; names it.
    """
    head = hashlib.sha256(run_id.encode()).digest()
    for number, line in bundle.lines(stored):
        sha.update(line)
        if walk.torn:
            raise Unreadable(stored, f"line {number - 1}", "it is torn, and another follows")
        body, found, rest = line.rstrip(b"\r\n").rpartition(_FIELD)
        head_here = hashlib.sha256(head + body).digest()
        if not found or rest != head_here.hex()[:_SHOWN].encode() + _END:
            if line.endswith(b"\n"):
                problem = (
                    "it does not continue the chain of hashes: this line, or the one before it, "
                    "was changed, dropped or moved"
                )
                raise Unreadable(stored, f"line {number}", problem)
            walk.torn += 1
            continue
        head = head_here
        walk.lines, walk.head = walk.lines + 1, head.hex()
        document = json.loads(line)
        if document.get("type") not in _KNOWN_TYPES:
            problem = f"its type {document.get('type')!r} is not known to this verifier"
            raise Unreadable(stored, f"line {number}", problem)
        yield document


def take(history: History, line: dict[str, Any]) -> None:
    """Count one line."""
    match line["type"]:
        case "run" if line["event"] == "begin":
            history.plan_sha256 = line["plan_sha256"]
        case "run":
            history.ended = "completed" if line["event"] == "end" else "interrupted"
        case "invoke":
            call = Call(line["kind"], line["key"], line["phase"], line["mono_ns"], line)
            history.calls[line["op"]] = call
            history.first_ns = line["mono_ns"] if history.first_ns is None else history.first_ns
        case "ok" | "fail" | "info":
            _complete(history, line)
        case "fault":
            history.faults.append(line)
        case "edit":
            history.edits.append(line)
        case "probe" if line["kind"] == "integrity":
            history.probes.append(line["detail"])
        case "probe" if line["kind"] == "leftovers":
            history.leftovers = line["detail"]
        case "probe" if line["kind"] == "inputs":
            found = len(line["detail"]["changed"])
            history.inputs_changed = (history.inputs_changed or 0) + found


def _complete(history: History, line: dict[str, Any]) -> None:
    call = history.calls.get(line["op"])
    if call is None:
        history.uninvited += 1
        return
    if call.ended is not None:
        history.twice += 1
        return
    call.ended = line
    history.completions += 1
    history.last_ns = line["mono_ns"]
    history.backwards += line["mono_ns"] < call.invoked_ns
    if line["type"] == "ok":
        history.walls.setdefault((call.kind, call.phase), []).append(line["wall_ms"])
        given = line.get("answer_sha256", "")
        history.answers.setdefault((call.kind, call.key), []).append(given)
        history.sizes.setdefault(given, line.get("answer_bytes", 0))
        history.alarming += len(line.get("detail", {}).get("patterns", ()))
        return
    reason = line.get("reason", "unknown")
    history.reasons[reason] += 1
    history.unexplained += line["type"] == "info" and not reason.startswith(_OURS)
