"""Read the subject's telemetry again, and hold it against the history."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, NoReturn

from soakproof.verifier.files import BundleFiles
from soakproof.verifier.history import History

__all__ = ["PhaseCount", "Telemetry", "Wait", "decode", "read_telemetry"]

_FOLDER: Final = "telemetry/"
_TEXTS: Final = ("ts", "run_id", "segment_id", "cmd")
_OBJECTS: Final = ("args", "result", "x")
_NS_PER_MS: Final = 1_000_000


@dataclass(slots=True)
class PhaseCount:
    """What the cache did in a phase."""

    hits: int = 0
    misses: int = 0
    writes: int = 0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """A reported wait for a lock."""

    op: str
    cause: str
    begin_ns: int
    end_ns: int


@dataclass(slots=True)
class Telemetry:
    """What the events add up to."""

    files: int = 0
    events: int = 0
    bad: list[tuple[str, int]] = field(default_factory=list)
    cmds: Counter[str] = field(default_factory=Counter)
    orphans: int = 0
    foreign: int = 0
    doubled: int = 0
    lost: int = 0
    silent: int = 0
    checked: int = 0
    waits: list[Wait] = field(default_factory=list)
    waited_ms: float = 0.0
    phases: dict[str, PhaseCount] = field(default_factory=dict)
    numbers: dict[str, dict[int, set[int]]] = field(default_factory=dict)
    totals: dict[tuple[str, int], int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    hits: list[tuple[str, int]] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)
    contradictions: int = 0


def read_telemetry(
    bundle: BundleFiles, names: list[str], plan: dict[str, Any], history: History
) -> Telemetry:
    """Count the events of the files that the target's pattern names.

    Args:
        bundle: the bundle.
        names: all its files.
        plan: the plan.
        history: what the events are held against.
    """
    seen, target = Telemetry(), plan["target"]
    if "telemetry" not in target:
        return seen
    own = {kind: one["telemetry_cmd"] for kind, one in target["operations"].items()}
    stored = {name.removesuffix(".gz"): name for name in names if name.startswith(_FOLDER)}
    for name in sorted(stored):
        short = name.removeprefix(_FOLDER)
        if "/" in short or not fnmatchcase(short, target["telemetry"]["glob"]):
            continue
        seen.files += 1
        for number, line in bundle.lines(stored[name]):
            body = line.rstrip(b"\r\n")
            if not body:
                continue
            event = decode(body)
            if event is None:
                seen.bad.append((short, number))
            else:
                _take(seen, event, target["telemetry"], own, plan["run_id"], history)
    _conclude(seen, history)
    return seen


def decode(line: bytes) -> dict[str, Any] | None:
    """Return an event with all its fields, or nothing where the line is none."""
    try:
        event = json.loads(line.decode("utf-8"), parse_constant=_refuse)
        json.dumps(event, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not all(isinstance(event.get(one), str) for one in _TEXTS):
        return None
    event = {**{one: {} for one in _OBJECTS}, "timing_ms": 0.0, "warnings": [], **event}
    time_ms, warnings = event["timing_ms"], event["warnings"]
    sound = (
        all(isinstance(event[one], dict) for one in _OBJECTS)
        and isinstance(time_ms, int | float)
        and not isinstance(time_ms, bool)
        and math.isfinite(time_ms)
        and isinstance(warnings, list)
        and all(isinstance(one, str) for one in warnings)
    )
    return event if sound else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _take(
    seen: Telemetry,
    event: dict[str, Any],
    names: dict[str, Any],
    own: dict[str, str],
    run_id: str,
    history: History,
) -> None:
    cmd, x = event["cmd"], event["x"]
    seen.events += 1
    seen.cmds[cmd] += 1
    if event["run_id"] != run_id:
        seen.foreign += 1
        return
    op, pid, number = x.get("op"), x.get("pid"), x.get("seq")
    call = history.calls.get(op) if isinstance(op, str) else None
    if call is None or not isinstance(pid, int) or not isinstance(number, int):
        seen.orphans += 1
        return
    numbers = seen.numbers.setdefault(op, {}).setdefault(pid, set())
    if number in numbers:
        seen.doubled += 1
        return
    numbers.add(number)
    if isinstance(x.get("events"), int):
        seen.totals[op, pid] = x["events"]
    if own.get(call.kind) == cmd:
        seen.told.add(op)
    phase = seen.phases.setdefault(call.phase, PhaseCount())
    phase.hits += cmd == names["hit"]
    phase.misses += cmd == names["miss"]
    phase.writes += cmd == names["write"]
    at_ns = x.get("mono_ns")
    if isinstance(at_ns, int) and cmd == names["hit"]:
        seen.hits.append((call.key, at_ns))
    elif isinstance(at_ns, int) and cmd == names["write"]:
        # It was there for others at some moment after the call began, and before it was told.
        seen.written[call.key] = min(call.invoked_ns, seen.written.get(call.key, call.invoked_ns))
    if cmd in names["lock_wait"]:
        _wait(seen, op, event["result"], x)


def _wait(seen: Telemetry, op: str, result: dict[str, Any], x: dict[str, Any]) -> None:
    said, end_ns = result.get("waited_ms"), x.get("mono_ns")
    waited_ms = float(said) if isinstance(said, int | float) else 0.0
    end_ns = end_ns if isinstance(end_ns, int) else 0
    seen.waited_ms += waited_ms
    begin_ns = end_ns - int(waited_ms * _NS_PER_MS)
    seen.waits.append(Wait(op, str(result.get("for", "?")), begin_ns, end_ns))


def _conclude(seen: Telemetry, history: History) -> None:
    """Look for operations without events, numbers that are not there, and hits of nothing."""
    for op, call in history.calls.items():
        phase = seen.phases.setdefault(call.phase, PhaseCount())
        if call.outcome != "ok":
            continue
        seen.checked += 1
        phase.samples += op in seen.told
        seen.silent += op not in seen.told
        for pid, numbers in seen.numbers.get(op, {}).items():
            total = seen.totals.get((op, pid), max(numbers) + 1)
            seen.lost += sum(number not in numbers for number in range(1, total + 1))
    # One that did not answer may have written without having told.
    unsure = {call.key for call in history.calls.values() if call.outcome != "ok"}
    for key, at_ns in seen.hits:
        written = key in unsure or (key in seen.written and seen.written[key] <= at_ns)
        seen.contradictions += not written
