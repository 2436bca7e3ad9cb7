"""The deep tier as Markdown and as text for a terminal; pure, nothing is written."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

from soakproof.report.cells import code, plain, table

__all__ = ["deep_lines", "deep_markdown"]

_FOUND: Final = {
    "wrong": "wrong answers",
    "crashed": "unhandled errors",
    "refused": "refusals",
    "hung": "hangs",
    "unreadable": "unreadable databases",
    "leftover": "leftovers",
    "unsteady": "unsteady outcomes",
}
_WORDS: Final = {
    "kill": "killed at a call",
    "torn_write": "killed in a write",
    "power_journalled": "power cut, names in order",
    "power_names_apart": "power cut, names apart",
}
_GAP: Final = "  "
_RED: Final = "\x1b[1;31m"
_PLAIN: Final = "\x1b[0m"

_LIMITS: Final = (
    "What is written through memory (`mmap`) is in no trace: SQLite's `-shm` file is in no crash "
    "state, and whoever opens the database first makes it anew.",
    "A tool that maps another file of its cache writable cannot be rebuilt, and its crash states "
    "are UNKNOWN.",
    "A short write is made by a limit on the length of files (`RLIMIT_FSIZE`): it is a real one, "
    "but what follows it is refused, too.",
    "A fault meets the first process of an operation; calls are counted by name, so a tool that "
    "makes other calls each time has points that are not reached, and is UNKNOWN.",
    "The models of a power cut are models: sectors of 512 bytes, no write to another place.",
)


def deep_lines(document: Mapping[str, Any], *, width: int, colour: bool) -> str:
    """Return the tables, the failing points, and the verdict in a last line.

    Args:
        document: ``deep.json``.
        width: columns of the terminal, for the sentences.
        colour: with escape sequences for what is not PASS.
    """
    lines: list[str] = []
    for heads, rows, fine in _tables(document):
        lines += _aligned(heads, rows, fine, colour=colour)
        lines.append("")
    if document["strace"]["reason"]:
        lines += textwrap.wrap(f"skipped: {document['strace']['reason']}", max(width, 40))
    for one in document["failing"]:
        told = "; ".join(f"{part['kind']}: {part['told']}" for part in one["found"])
        head = f"{one['scan']} {one['point']} ({one['situation']}): {one['told']}: {told}"
        lines += textwrap.wrap(head, max(width, 40), subsequent_indent=_GAP)
        lines.append(f"{_GAP}{one['replay']}")
    why = f": {document['reason']}" if document["reason"] else ""
    lines.append(f"{document['verdict']}{why} ({document['seconds']:.0f} s)")
    return "\n".join(lines)


def deep_markdown(document: Mapping[str, Any]) -> str:
    """Return the report as a page."""
    why = f": {plain(document['reason'])}" if document["reason"] else ""
    lines = [
        "# Deep tier",
        "",
        f"**{document['verdict']}**{why}",
        "",
        f"Target {code(document['target'])}, campaign {code(document['campaign'])}, "
        f"seed {document['seed']}, strace {document['strace']['version'] or 'none'}, "
        f"{document['created_at_utc']}.",
        "",
        *_section("Promise and crash model", _promises(document)),
        *_section("Scans", _scans(document)),
        *_section("Calibration on plain SQLite", _calibration(document)),
        "## Failing points",
        "",
    ]
    rows = [
        (
            f"{one['scan']} {one['point']}",
            plain(one["told"]),
            plain("; ".join(f"{part['kind']}: {part['told']}" for part in one["found"])),
            code(one["replay"]),
        )
        for one in document["failing"]
    ]
    lines += table(("point", "what happened there", "found", "again"), rows)
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in _LIMITS), ""]
    return "\n".join(lines)


Rows = list[tuple[str, ...]]


def _tables(document: Mapping[str, Any]) -> list[tuple[Sequence[str], Rows, list[bool]]]:
    passed = [row["verdict"] == "PASS" for row in document["scans"]]
    found = []
    if document["calibration"] is not None:
        agrees = [bool(row["agrees"]) for row in document["calibration"]]
        found.append((*_calibration(document), agrees))
    return [*found, (*_scans(document), passed)]


def _scans(document: Mapping[str, Any]) -> tuple[Sequence[str], Rows]:
    heads = ("", "scan", "begins", "points", "run", *_FOUND.values(), "why unknown")
    rows = [
        (
            row["verdict"],
            row["scan"],
            _WORDS.get(row["situation"], row["situation"]),
            str(row["points"]),
            str(row["run"]),
            *(str(row["found"][kind]) for kind in _FOUND),
            row["reason"],
        )
        for row in document["scans"]
    ]
    return heads, rows


def _promises(document: Mapping[str, Any]) -> tuple[Sequence[str], Rows]:
    """Return promise by crash model: in how many states of how many it was broken."""
    crashes = [row for row in document["scans"] if row["scan"] == "crash"]
    heads = ("promise", *(_WORDS[row["situation"]] for row in crashes))
    promises = {
        "the answer is right": "wrong",
        "no unhandled error": "crashed",
        "no refusal": "refused",
        "the database can be read": "unreadable",
        "nothing is left over": "leftover",
    }
    rows = [
        (promise, *(f"broken {row['found'][kind]} of {row['run']}" for row in crashes))
        for promise, kind in promises.items()
    ]
    states = (
        "different states, of all",
        *(f"{row['points']} of {row['states']}" for row in crashes),
    )
    return heads, [*rows, states] if crashes else []


def _calibration(document: Mapping[str, Any]) -> tuple[Sequence[str], Rows]:
    heads = ("", "journal", "synchronous", "crash", "states", "lost", "says", "corrupt", "says")
    rows: Rows = [
        (
            "agrees" if row["agrees"] else "DISAGREES",
            str(row["journal"]),
            str(row["synchronous"]),
            _WORDS[row["model"]],
            str(row["states"]),
            str(row["lost"]),
            str(row["expects_lost"]),
            str(row["corrupt"]),
            str(row["expects_corrupt"]),
        )
        for row in document["calibration"] or ()
    ]
    return heads, rows


def _section(title: str, content: tuple[Sequence[str], Rows]) -> list[str]:
    return [f"## {title}", "", *table(content[0], content[1]), ""]


def _aligned(heads: Sequence[str], rows: Rows, fine: Sequence[bool], *, colour: bool) -> list[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [_line(heads, widths)]
    for row, good in zip(rows, fine, strict=True):
        line = _line(row, widths)
        lines.append(f"{_RED}{line}{_PLAIN}" if colour and not good else line)
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return _GAP.join(padded).rstrip()
