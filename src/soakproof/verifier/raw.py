"""All raw lines that metrics are computed from, and what can be said of them at sight."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from soakproof.verifier.files import BundleFiles
from soakproof.verifier.findings import Finding, Unreadable
from soakproof.verifier.history import History
from soakproof.verifier.telemetry import Telemetry

__all__ = ["Given", "Oracle", "Question", "Raw", "oracle_findings", "read_oracle", "read_samples"]

EXPECTED: Final = "expected.jsonl"

_SAMPLE: Final = frozenset({"mono_ns", "ops_done", "bytes_by_role", "files_by_role"})
_FIELDS: Final = (
    *("kind", "key", "version", "exit_code"),
    *("answer_sha256", "answer_bytes", "raw_sha256"),
)

Question: TypeAlias = tuple[str, str, str]
"""Operation kind, key and version of the input."""

Given: TypeAlias = tuple[int | None, str | None]
"""What came of a question: exit code, and SHA-256 of what was printed."""


@dataclass(slots=True)
class Oracle:
    """What the oracle said.

    Args:
        asked: whether there are answers of it at all.
        answers: question → what it said.
        unreadable: lines that are none of its answers.
        lines: number of the line, question, SHA-256 and bytes of each answer.
        raws: SHA-256 before and after the target's rules, where they changed an answer.
    """

    asked: bool = False
    answers: dict[Question, Given] = field(default_factory=dict)
    unreadable: int = 0
    lines: list[tuple[int, Question, str | None, int]] = field(default_factory=list)
    raws: list[tuple[str, str | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Raw:
    """All that metrics are computed from.

    Args:
        bundle: the bundle: kept answers, and lines that are shown.
        plan: the plan.
        history: the counted history.
        telemetry: the counted telemetry.
        samples: the samples of the cache's files, in their order.
        oracle: what the oracle answered.
    """

    bundle: BundleFiles
    plan: Mapping[str, Any]
    history: History
    telemetry: Telemetry
    samples: list[dict[str, Any]]
    oracle: Oracle


def read_samples(bundle: BundleFiles) -> Iterator[dict[str, Any]]:
    """Yield the samples.

    Raises:
        Unreadable: a line is no JSON, and it is not the torn last one.
    """
    name = "samples.jsonl"
    stored = bundle.stored(name)
    for number, line in bundle.lines(stored) if stored else ():
        try:
            sample = json.loads(line)
        except ValueError:
            if line.endswith(b"\n"):
                raise Unreadable(name, f"line {number}", "expected JSON") from None
            continue
        if sample.keys() >= _SAMPLE:
            yield sample


def read_oracle(bundle: BundleFiles) -> Oracle:
    """Read what the oracle answered; lines that are no answer are counted."""
    stored = bundle.stored(EXPECTED)
    oracle = Oracle(asked=stored is not None)
    for number, line in bundle.lines(stored) if stored else ():
        if not line.rstrip(b"\r\n"):
            continue
        said = _answer(line)
        if said is None:
            oracle.unreadable += 1
            continue
        question = (said["kind"], said["key"], said["version"])
        oracle.answers[question] = (said["exit_code"], said["answer_sha256"])
        if said["raw_sha256"] is not None:
            oracle.raws.append((said["raw_sha256"], said["answer_sha256"]))
        oracle.lines.append((number, question, said["answer_sha256"], said["answer_bytes"]))
    return oracle


def _answer(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not set(said) <= set(_FIELDS):
        return None
    said = {"answer_sha256": None, "answer_bytes": 0, "raw_sha256": None, **said}
    texts = all(isinstance(said.get(one), str) for one in ("kind", "key", "version"))
    numbers = all(type(said.get(one)) is int for one in ("exit_code", "answer_bytes"))
    hashes = (said["answer_sha256"], said["raw_sha256"])
    named = all(one is None or isinstance(one, str) for one in hashes)
    return said if texts and numbers and named else None


def oracle_findings(oracle: Oracle, history: History) -> Iterator[Finding]:
    """Hold each answer of the oracle to what else is known of it, where no number depends on it."""
    printed = {
        call.ended["answer_sha256"]: call.ended.get("answer_bytes", 0)
        for call in history.calls.values()
        if call.ended is not None and "answer_sha256" in call.ended
    }
    printed[None] = 0
    first: dict[Question, int] = {}
    for number, question, sha256, size in oracle.lines:
        before = first.setdefault(question, number)
        if before != number:
            problem = f"expected each question once, found that of line {before} again"
            yield Finding(EXPECTED, f"line {number}", problem)
        if printed.get(sha256, size) != size:
            problem = f"expected {printed[sha256]} bytes, as in the history, found {size}"
            yield Finding(EXPECTED, f"line {number}", problem)
