"""What a bundle carries of its first counter-example: the answers, and the versions of the input.

They are carried as they are, because their name is the SHA-256 of their content: one that names a
folder of the machine, or is large, is left out, and the verifier then says what it cannot prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.lines import BadLine, decode_expected, decode_history
from soakproof.model import Outcome
from soakproof.places import Places
from soakproof.rundir import RunDir

__all__ = ["MOST_BYTES", "counter_example"]

MOST_BYTES: Final = 4 * 1024 * 1024
"""A larger answer or version is not carried: a bundle is committed beside the code."""

_SHORT: Final = 12
"""Digits of a version in the metrics."""


def counter_example(
    run: RunDir, metrics: Mapping[str, Any], places: Places
) -> Iterator[tuple[str, bytes]]:
    """Yield path in the bundle and content, each once; nothing where no answer is not right.

    Args:
        run: the run; kept answers and versions are read.
        metrics: its metrics.
        places: folders of the machine.
    """
    first = metrics["answers"].get("first")
    if first is None:
        return
    for folder, kept, names in (
        ("answers", run.answers, (_given(run, first["op"]), *_right(run, first))),
        ("versions", run.versions, _versions(run, first["versions"])),
    ):
        for name in dict.fromkeys(names):
            path = kept / name if name else None
            if path is not None and (data := _carried(path, places)) is not None:
                yield f"{folder}/{name}", data


def _carried(path: Path, places: Places) -> bytes | None:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    data = path.read_bytes()
    return data if places.hide_bytes(data) == data else None


def _given(run: RunDir, op: str) -> str | None:
    for line in decode_history(run.history):
        if not isinstance(line, BadLine) and line.op == op and line.type in set(Outcome):
            return line.answer_sha256
    return None


def _right(run: RunDir, first: Mapping[str, Any]) -> Iterator[str | None]:
    for line in decode_expected(run.expected) if run.expected.exists() else ():
        if isinstance(line, BadLine) or (line.kind, line.key) != (first["kind"], first["key"]):
            continue
        if line.version[:_SHORT] in first["versions"]:
            yield line.answer_sha256


def _versions(run: RunDir, short: list[str]) -> Iterator[str]:
    if run.versions.is_dir():
        yield from sorted(
            path.name for path in run.versions.iterdir() if path.name[:_SHORT] in short
        )
