"""What somebody may do to a bundle, with or without making the hashes fit again."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soakproof.evidence.attestation import envelope, statement
from soakproof.rundir import as_json

__all__ = ["Tampering", "numbers", "reseal", "tamperings"]


@dataclass(frozen=True)
class Tampering:
    """One change to a bundle.

    Args:
        name: what it is, for the report of a test.
        apply: makes the change; the bundle's folder is its argument.
        named: the file of which a finding has to speak.
        where: … and the beginning of where in it.
    """

    name: str
    apply: Callable[[Path], None]
    named: str
    where: str = ""


_HELD_LATER = frozenset({"answers", "growth", "telemetry", "ops"})
"""Groups of the metrics with many small numbers: each gets tampered with more often."""


def reseal(bundle: Path) -> None:
    """Make every hash fit again, as far as who has no key can: links, manifest, attestation."""
    metrics, verdict = _read(bundle, "metrics.json"), _read(bundle, "verdict.json")
    metrics["history_sha256"] = _sha256(bundle / "history.jsonl")
    _write(bundle, "metrics.json", metrics)
    verdict["metrics_sha256"] = _sha256(bundle / "metrics.json")
    _write(bundle, "verdict.json", verdict)
    manifest = _read(bundle, "MANIFEST.json")
    for entry in manifest["files"]:
        path = bundle / entry["path"]
        entry |= {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    _write(bundle, "MANIFEST.json", manifest)
    said = statement(
        _read(bundle, "plan.json"),
        _read(bundle, "run.json"),
        verdict,
        (bundle / "MANIFEST.json").read_bytes(),
    )
    (bundle / "attestation.dsse.json").write_bytes(envelope(said, None))


def numbers(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every number of a JSON value."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from numbers(value, (*at, key))
    elif isinstance(document, list):
        for key, value in enumerate(document):
            yield from numbers(value, (*at, key))
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield at


def tamperings(bundle: Path, dice: random.Random) -> Iterator[Tampering]:
    """Yield seeded tamperings of a bundle, for ever, all kinds in turn."""
    files = sorted(
        path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()
    )
    lines = len((bundle / "history.jsonl").read_bytes().splitlines())
    events = len((bundle / "telemetry/events.jsonl").read_bytes().splitlines())
    answers = len((bundle / "expected.jsonl").read_bytes().splitlines())
    told = [one for one in numbers(_read(bundle, "metrics.json")) if one[0] in _HELD_LATER]
    while True:
        for _ in range(4):
            yield _flip(_pick(dice, files), dice.random(), 1 << int(dice.random() * 8))
        for name in ("metrics.json", "verdict.json"):
            where = _pick(dice, list(numbers(_read(bundle, name))))
            yield _edit(name, where, resealed=dice.random() < 0.5)
            yield _edit(name, where, resealed=True)
        yield _drop(int(dice.random() * (lines - 1)))
        yield _swap(int(dice.random() * (lines - 1)))
        yield _twice(int(dice.random() * lines))
        yield _field(1 + int(dice.random() * (lines - 2)))
        yield _edit("metrics.json", _pick(dice, told), resealed=True)
        for change in ("drop", "double", "version", "answer_sha256", "answer_bytes", "tear"):
            yield _oracle(change, int(dice.random() * answers))
        yield _drop_event(1 + 2 * int(dice.random() * (events // 2)))
        yield _remove(_pick(dice, files))
        yield _truncate(_pick(dice, files), dice.random())
        yield _add(f"extra-{int(dice.random() * 1e6)}.json")


def _flip(name: str, share: float, mask: int) -> Tampering:
    def apply(bundle: Path) -> None:
        data = bytearray((bundle / name).read_bytes())
        data[int(share * len(data))] ^= mask
        (bundle / name).write_bytes(data)

    return Tampering(f"flip bit {mask} at {share:.3f} of {name}", apply, _or_its_hash(name))


def _or_its_hash(name: str) -> str:
    # What the attestation says of a manifest that was changed no longer fits.
    return "attestation.dsse.json" if name == "MANIFEST.json" else name


def _edit(name: str, where: tuple[Any, ...], *, resealed: bool) -> Tampering:
    def apply(bundle: Path) -> None:
        document = _read(bundle, name)
        *parents, last = where
        place = document
        for part in parents:
            place = place[part]
        place[last] += 1
        _write(bundle, name, document)
        if resealed:
            reseal(bundle)

    how = "and seal it again" if resealed else "as it is"
    return Tampering(f"add 1 to {'.'.join(map(str, where))} of {name}, {how}", apply, name)


def _history(name: str, line: int, change: Callable[[list[bytes]], None]) -> Tampering:
    def apply(bundle: Path) -> None:
        lines = (bundle / "history.jsonl").read_bytes().splitlines(keepends=True)
        change(lines)
        (bundle / "history.jsonl").write_bytes(b"".join(lines))
        reseal(bundle)

    return Tampering(name, apply, "history.jsonl", f"line {line}")


def _drop(at: int) -> Tampering:
    def change(lines: list[bytes]) -> None:
        del lines[at]

    return _history(f"drop line {at + 1} of the history", at + 1, change)


def _swap(at: int) -> Tampering:
    def change(lines: list[bytes]) -> None:
        lines[at], lines[at + 1] = lines[at + 1], lines[at]

    return _history(f"swap lines {at + 1} and {at + 2} of the history", at + 1, change)


def _twice(at: int) -> Tampering:
    def change(lines: list[bytes]) -> None:
        lines.insert(at, lines[at])

    return _history(f"double line {at + 1} of the history", at + 2, change)


def _field(at: int) -> Tampering:
    def change(lines: list[bytes]) -> None:
        lines[at] = lines[at].replace(b'"mono_ns":', b'"mono_ns":1', 1)

    return _history(f"change line {at + 1} of the history", at + 1, change)


def _drop_event(at: int) -> Tampering:
    def apply(bundle: Path) -> None:
        path = bundle / "telemetry/events.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
        reseal(bundle)

    return Tampering(f"drop event line {at + 1}", apply, "metrics.json", "telemetry")


def _oracle(change: str, at: int) -> Tampering:
    def apply(bundle: Path) -> None:
        path = bundle / "expected.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        said = json.loads(lines[at])
        match change:
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "tear":
                lines[at] = lines[at][:20] + b"\n"
            case "answer_bytes":
                lines[at] = json.dumps(said | {change: said[change] + 1}).encode() + b"\n"
            case _:
                lines[at] = json.dumps(said | {change: "0" * 64}).encode() + b"\n"
        path.write_bytes(b"".join(lines))
        reseal(bundle)

    itself = change in {"double", "answer_bytes"}
    named, where = ("expected.jsonl", "line") if itself else ("metrics.json", "answers")
    return Tampering(f"{change} in line {at + 1} of what the oracle said", apply, named, where)


def _remove(name: str) -> Tampering:
    return Tampering(f"remove {name}", lambda bundle: (bundle / name).unlink(), name)


def _truncate(name: str, share: float) -> Tampering:
    def apply(bundle: Path) -> None:
        data = (bundle / name).read_bytes()
        (bundle / name).write_bytes(data[: int(share * len(data))])

    return Tampering(f"keep {share:.3f} of {name}", apply, name)


def _add(name: str) -> Tampering:
    return Tampering(f"add {name}", lambda bundle: _write(bundle, name, {}), name)


def _pick(dice: random.Random, items: list[Any]) -> Any:
    return items[int(dice.random() * len(items))]


def _read(bundle: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((bundle / name).read_bytes())
    return document


def _write(bundle: Path, name: str, document: dict[str, Any]) -> None:
    (bundle / name).write_bytes(as_json(document))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
