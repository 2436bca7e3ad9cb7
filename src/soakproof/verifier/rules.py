"""Apply the target's rules to carried answers again: what was hashed must come out of them.

The record holds each answer as it was compared, and where the rules changed it also as it was
given. Whatever of the latter a bundle carries is put through the rules of the plan once more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from soakproof.verifier.findings import Finding
from soakproof.verifier.raw import Raw

__all__ = ["check_rules", "cleaned"]


def cleaned(given: bytes, table: Mapping[str, Any]) -> bytes:
    """Return an answer after the rules of a ``normalise`` table."""
    text = str(given, "utf-8", "surrogateescape")
    for rule in table.get("rules", []):
        text = re.sub(rule["pattern"], rule["replace"], text, flags=re.MULTILINE)
    if table.get("sort_lines"):
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        text = "".join(f"{line}\n" for line in sorted(lines, key=lambda line: f"{line}\n"))
    return bytes(text, "utf-8", "surrogateescape")


def check_rules(raw: Raw) -> Iterator[Finding]:
    """Hold every carried answer, as it was given, to the hash of what it was compared as."""
    table = raw.plan["target"].get("normalise")
    seen = set()
    for where, before, after in _pairs(raw):
        if table is None:
            yield Finding(where, "raw_sha256", "expected none: the target has no rules")
            continue
        stored = raw.bundle.stored(f"answers/{before}")
        if stored is None or (before, after) in seen:
            continue
        seen.add((before, after))
        given = b"".join(line for _, line in raw.bundle.lines(stored))
        found = cleaned(given, table)
        sha256 = hashlib.sha256(found).hexdigest() if found else None
        if sha256 != after:
            problem = f"after the target's rules expected {after}, found {sha256}"
            yield Finding(f"answers/{before}", "", problem)


def _pairs(raw: Raw) -> Iterator[tuple[str, str, str | None]]:
    for call in raw.history.calls.values():
        if call.ended is not None and "raw_sha256" in call.ended:
            yield "history.jsonl", call.ended["raw_sha256"], call.ended.get("answer_sha256")
    for before, after in raw.oracle.raws:
        yield "expected.jsonl", before, after
