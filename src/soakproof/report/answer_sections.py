"""The sections of the report on answers and the oracle; pure, one function a section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from soakproof.report.cells import code, plain, table, value

__all__ = ["answers", "counter_example"]

_ROWS: Final = (
    ("questions that the oracle answered", "questions"),
    ("answers checked", "checked"),
    ("right", "right"),
    ("stale", "stale"),
    ("wrong", "wrong"),
    ("missing", "missing"),
    ("crashed", "crashed"),
    ("hung", "hung"),
    ("nobody can say", "unjudged"),
    ("killed by us, or interrupted", "indeterminate"),
    ("checked before any fault", "calm_checked"),
    ("keys asked twice after a fault", "after_checked"),
    ("… wrong once and then right", "healed"),
    ("… still not right", "broken"),
)

_MODEL_ROWS: Final = (
    ("answers checked", "checked"),
    ("right", "right"),
    ("wrong: a value of no write of its key", "wrong"),
    ("stale: overwritten or deleted before it was asked", "stale"),
    ("lost writes: acknowledged, and seen by nobody", "lost_write"),
    ("errors in place of an answer", "missing"),
    ("workers that ended by themselves", "crashed"),
    ("workers that fell silent", "hung"),
    ("not judged: files were taken away, or the key is known to be wrong", "unjudged"),
    ("without an answer", "indeterminate"),
    ("keys", "keys_checked"),
    ("keys of which nobody can say", "keys_unknown"),
)

_ORACLES: Final = {
    "none": "The target has no oracle: nobody knows whether answers are right.",
    "not_asked": "The stage `expect` was not run: nobody knows whether answers are right.",
}


def answers(metrics: Mapping[str, Any]) -> list[str]:
    """Return how the answers stood against the same command without its cache."""
    found = metrics["answers"]
    if found["oracle"] == "model":
        return _against_the_model(found)
    if found["oracle"] != "asked":
        return [_ORACLES[found["oracle"]]]
    holds = {True: "holds", False: "does not hold", None: "was not tried"}[found["holds"]]
    rows = [(words, value(found[name])) for words, name in _ROWS]
    return [
        "The oracle is the same command without its cache, asked once a version of the input.",
        f"Before any fault it {holds}.",
        "",
        *table(("answers", "count"), rows),
    ]


def _against_the_model(found: Mapping[str, Any]) -> list[str]:
    """Return how a library's answers stood against what some order of its operations explains."""
    rows = [(words, value(found[name])) for words, name in _MODEL_ROWS]
    return [
        "Each key's answers were held against every order of its operations that their times",
        "allow; an operation without an answer may have happened at any time after it was sent.",
        "",
        *table(("answers", "count"), rows),
    ]


def counter_example(metrics: Mapping[str, Any]) -> list[str]:
    """Return the first answer that is not right, in words; nothing when there is none."""
    first = metrics["answers"].get("first")
    if not first:
        return []
    return [
        plain(first["words"]),
        "",
        f"- It printed {value(first['got'])}",
        f"- Right would have been {value(first['expected'])}",
        f"- To repeat it: {code(first['replay'])}",
        "",
        "The history around it:",
        "",
        "```json",
        *(" ".join(line.split()) for line in first["history"]),
        "```",
    ]
