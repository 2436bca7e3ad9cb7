"""From counts to a document: what a person or a machine is shown of many lines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from soakproof.bulk.layout import RELATIVE_ERROR, quantiles
from soakproof.bulk.partial import Measured, Partial, Stretch
from soakproof.model import SCHEMA_VERSION, Outcome

__all__ = ["Counted", "Names", "document", "exit_code", "lines"]

_NS_PER_MS: Final = 1e6
_SHOWN_BAD_LINES: Final = 20
OTHERS: Final = "(others)"
"""What is beyond the groups that are kept."""
_FAIL: Final = 10
_UNKNOWN: Final = 11


@dataclass(frozen=True, slots=True)
class Counted:
    """A file that was counted.

    Args:
        path: as it is shown.
        kind: ``history`` or ``telemetry``.
        form: ``plain``, ``gzip`` or ``zstd``.
        size_bytes: as it lies there.
    """

    path: str
    kind: str
    form: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Names:
    """Which command of an event means what: as a target says, else by the word after its last dot.

    Args:
        table: the target's ``telemetry`` table, if a target is known.
    """

    table: Mapping[str, Any] | None = None

    def mean(self, cmd: str, what: str) -> bool:
        """Whether a command means this, such as ``hit`` or ``lock_wait``."""
        if self.table is None:
            return cmd.rpartition(".")[2] == what
        named = self.table[what]
        return cmd == named if isinstance(named, str) else cmd in named


def document(part: Partial, files: Sequence[Counted], names: Names) -> dict[str, Any]:
    """Return the document of the schema ``tally``; the same lines give the same document."""
    by_file = [
        sorted((start, one) for (file, start), one in part.stretches.items() if file == number)
        for number in range(len(files))
    ]
    unreadable = sum(one.bad for one in part.stretches.values())
    return {
        "schema_version": SCHEMA_VERSION,
        "files": [
            {
                "path": file.path,
                "kind": file.kind,
                "form": file.form,
                "size_bytes": file.size_bytes,
                **_sums([one for _, one in stretches]),
            }
            for file, stretches in zip(files, by_file, strict=True)
        ],
        "unreadable_lines": unreadable,
        "unreadable": _named_lines(part, files, by_file),
        "events": _events(part),
        "cache": _cache(part, names),
        "locks": _locks(part, names),
        "history": _history(part),
        "relative_error": RELATIVE_ERROR,
    }


def exit_code(told: Mapping[str, Any]) -> int:
    """Return 10 where a line cannot be read, 11 where there is none at all, else 0."""
    if told["unreadable_lines"]:
        return _FAIL
    return 0 if told["events"]["total"] or told["history"]["lines"] else _UNKNOWN


def lines(told: Mapping[str, Any]) -> list[str]:
    """Return the document in lines for a person."""
    events, cache, locks, history = (told[name] for name in ("events", "cache", "locks", "history"))
    size_bytes = sum(one["size_bytes"] for one in told["files"])
    shown = [
        f"files       {len(told['files'])}, {size_bytes:,} bytes",
        f"events      {events['total']:,}",
        f"history     {history['lines']:,} lines",
        f"unreadable  {told['unreadable_lines']:,} lines",
    ]
    shown += [
        f"  {one['file']}:{one['line']}: {one['reason']}"
        for one in told["unreadable"][:_SHOWN_BAD_LINES]
    ]
    if len(told["unreadable"]) > _SHOWN_BAD_LINES:
        shown.append(f"  … {told['unreadable_lines'] - _SHOWN_BAD_LINES:,} more; see --json")
    rate = "unknown" if cache["hit_rate"] is None else f"{cache['hit_rate']:.2%}"
    shown += [
        f"cache       {cache['hits']:,} hits, {cache['misses']:,} misses, hit rate {rate}",
        f"locks       {locks['lock_wait']:,} waits, {locks['waited_ms_total']:,.3f} ms in all, "
        f"{locks['lock_timeout']:,} timeouts",
    ]
    timed = {**events["timing_ms"], **history["wall_ms"]}
    if timed:
        error = f"at most {told['relative_error']:.2%} too long"
        shown.append(f"durations in ms ({error}):")
        width = max(map(len, timed))
        shown += [
            f"  {name:{width}}  {row['samples']:>12,}  p50 {row['p50']:g}  p95 {row['p95']:g}"
            f"  p99 {row['p99']:g}  max {row['max']:g}"
            for name, row in timed.items()
            if row["samples"]
        ]
    return shown


def _sums(stretches: Sequence[Stretch]) -> dict[str, int]:
    return {
        "lines": sum(one.lines for one in stretches),
        "unreadable_lines": sum(one.bad for one in stretches),
        "empty_lines": sum(one.empty for one in stretches),
    }


def _named_lines(
    part: Partial, files: Sequence[Counted], by_file: Sequence[Sequence[tuple[int, Stretch]]]
) -> list[dict[str, Any]]:
    """Return the lines that cannot be read, with their numbers in the whole file."""
    before: dict[tuple[int, int], int] = {}
    for number, stretches in enumerate(by_file):
        sums = accumulate((one.lines for _, one in stretches), initial=0)
        before |= {(number, start): lines for (start, _), lines in zip(stretches, sums)}  # noqa: B905 - the last sum is the whole
    return [
        {
            "file": files[bad.file].path,
            "line": before[bad.file, bad.start] + bad.line,
            "reason": bad.reason,
        }
        for bad in part.bad
    ]


def _of(part: Partial, sort: str) -> list[tuple[str, str, Measured]]:
    """Return (name, detail, count) of the groups of a sort, in order."""
    rows = [
        (name, detail, one)
        for (kind, name, detail), one in sorted(part.groups.items())
        if kind == sort
    ]
    other = part.others.get(sort)
    return rows if other is None else [*rows, (OTHERS, "", other)]


def _by_name(rows: Sequence[tuple[str, str, Measured]]) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    for name, _, one in rows:
        found[name] = found.get(name, Measured()) + one
    return found


def _events(part: Partial) -> dict[str, Any]:
    rows = _of(part, "event")
    by_cmd = _by_name(rows)
    by_status: dict[str, dict[str, int]] = {}
    for cmd, status, one in rows:
        by_status.setdefault(cmd, {})[status] = one.count
    return {
        "total": sum(one.count for one in by_cmd.values()),
        "by_cmd": {cmd: one.count for cmd, one in by_cmd.items()},
        "by_status": by_status,
        "timing_ms": {cmd: _durations(one) for cmd, one in by_cmd.items()},
    }


def _cache(part: Partial, names: Names) -> dict[str, Any]:
    counts = {
        what: sum(one.count for cmd, _, one in _of(part, "event") if names.mean(cmd, what))
        for what in ("hit", "miss", "write")
    }
    asked = counts["hit"] + counts["miss"]
    return {
        "hits": counts["hit"],
        "misses": counts["miss"],
        "writes": counts["write"],
        "hit_rate": round(counts["hit"] / asked, 6) if asked else None,
    }


def _locks(part: Partial, names: Names) -> dict[str, Any]:
    waits = [row for row in _of(part, "wait") if names.mean(row[0], "lock_wait")]
    whole = sum((one for _, _, one in waits), Measured())
    by_cause = Counter[str]()
    for _, cause, one in waits:
        by_cause[cause] += one.count
    counts = {
        what: sum(one.count for cmd, _, one in _of(part, "event") if names.mean(cmd, what))
        for what in ("lock_wait", "lock_timeout")
    }
    return {
        **counts,
        "waited_ms_total": round(whole.total_ns / _NS_PER_MS, 6),
        "by_cause": dict(sorted(by_cause.items())),
        "waited_ms": _durations(whole),
    }


def _history(part: Partial) -> dict[str, Any]:
    rows = _of(part, "line")
    by_type = {name: one.count for name, one in _by_name(rows).items()}
    outcomes = {outcome.value for outcome in Outcome}
    batches = _by_name(_of(part, "ops"))
    batch_lines = {name: one.buckets.get(0, 0) for name, one in batches.items()}
    return {
        "lines": sum(by_type.values()),
        "by_type": by_type,
        "operations": {
            name: by_type.get(name, 0)
            - batch_lines.get(name, 0)
            + batches.get(name, Measured()).count
            for name in ("invoke", *(outcome.value for outcome in Outcome))
        },
        "wall_ms": {
            f"{kind}/{name}": _durations(one)
            for name, kind, one in rows
            if name in outcomes and one.buckets
        },
    }


def _durations(one: Measured) -> dict[str, Any]:
    samples = sum(one.buckets.values())
    return {
        "samples": samples,
        "unmeasured": max(0, one.count - samples),
        "min": one.min_ms if samples else None,
        **quantiles(one.buckets),
        "max": one.max_ms if samples else None,
    }
