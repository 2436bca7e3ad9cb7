"""The record of a run that never was: as large and as bad as a test wants it, always the same.

It is what the stage ``run`` would leave after ``clean``: every line is what its schema says.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soakproof.dice import pick, stream, uniform_int
from soakproof.rundir import RunDir, as_json

__all__ = ["HOSTILE", "Shape", "write_record"]

HOSTILE = """</script><script>alert("x")</script>'"&<img src=x onerror=alert(1)>|`]]>"""
"""Text that breaks out of HTML, of an attribute, of a table of Markdown, of CDATA."""

_BEGIN_NS = 10**12
_NS = 10**9
_FAULTS = (
    *("lock_hold", "kill", "stop", "exclusive", "bit_flip", "truncate", "garbage_header"),
    *("remove_files", "read_only", "disk_full", "descriptors", "clock_jump", "stampede"),
    *("other_version", "wal_damage"),
)


@dataclass(frozen=True)
class Shape:
    """How the run is: a share of its operations fails or may have happened, or waits for a lock."""

    ops: int
    workers: int = 4
    seed: int = 1
    fail: float = 0.0
    info: float = 0.0
    waits: float = 0.05
    faults: int = 0
    error: str = "Error: the disk is full"
    key: str = ""


def write_record(run: RunDir, shape: Shape) -> None:
    """Write history, telemetry, samples, log and ``run.json`` into a planned run."""
    plan = json.loads(run.plan.read_bytes())
    dice = stream(shape.seed, "synthetic")
    lines: list[tuple[int, dict[str, Any]]] = []
    events: list[dict[str, Any]] = []
    for line, told in _operations(plan, shape, dice):
        lines.append(line)
        events += told
    end_ns = max(at for at, _ in lines) + _NS
    lines += _frame(run, end_ns, lines[len(lines) // 2][0])
    lines += _fault_lines(shape, end_ns, dice)
    lines.sort(key=lambda line: line[0])
    _write(run.history, [{"seq": n, "mono_ns": at} | line for n, (at, line) in enumerate(lines)])
    _write(run.telemetry / "events.jsonl", events)
    _write(run.samples, _samples(shape, end_ns))
    run.log.write_text("a run that never was\n", "utf-8")
    run.run.write_bytes(as_json(_run_document(run)))


def _operations(
    plan: Mapping[str, Any], shape: Shape, dice: random.Random
) -> Iterator[tuple[tuple[int, dict[str, Any]], list[dict[str, Any]]]]:
    (kind, operation) = next(iter(plan["target"]["operations"].items()))
    modules = plan["segment"]["modules"]
    free = [_BEGIN_NS + _NS // 10] * shape.workers
    for index in range(shape.ops):
        worker = free.index(min(free))
        begin = free[worker] + uniform_int(dice, 100_000, 900_000)
        wall_ms = 2.0 * (1 / (dice.random() + 0.002)) ** 0.8
        end = begin + int(wall_ms * 1e6)
        free[worker] = end
        warm = index >= shape.ops // 2
        names = {
            "op": f"op-{index:06d}",
            "index": index,
            "worker": worker,
            "kind": kind,
        }
        key = shape.key or pick(dice, modules)
        phase = "warm" if warm else "cold"
        yield (begin, {"type": "invoke", "phase": phase, "key": key} | names), []
        outcome = dice.random()
        done: dict[str, Any] = {"pid": 1000 + index % 30_000, "wall_ms": round(wall_ms, 3)} | names
        if outcome < shape.fail:
            done |= {"type": "fail", "exit_code": 1, "reason": "exit", "error": shape.error}
        elif outcome < shape.fail + shape.info:
            done |= {"type": "info", "signal": 9, "reason": "signal"}
        else:
            sha = hashlib.sha256(key.encode()).hexdigest()
            done |= {"type": "ok", "exit_code": 0, "answer_sha256": sha, "answer_bytes": 20}
        yield (end, done), _told(plan, operation, done, end, warm=warm, shape=shape, dice=dice)


def _told(
    plan: Mapping[str, Any],
    operation: Mapping[str, Any],
    done: Mapping[str, Any],
    end: int,
    *,
    warm: bool,
    shape: Shape,
    dice: random.Random,
) -> list[dict[str, Any]]:
    names = plan["target"]["telemetry"]
    hit = dice.random() < (0.95 if warm else 0.1)
    cmds: list[tuple[str, dict[str, Any]]] = [(names["hit"] if hit else names["miss"], {})]
    if dice.random() < shape.waits:
        waited_ms = round(dice.random() * done["wall_ms"], 3)
        cause = "file_lock" if dice.random() < 0.8 else "database"
        cmds.append((names["lock_wait"][0], {"for": cause, "waited_ms": waited_ms}))
    cmds.append((operation["telemetry_cmd"], {"status": "ok"}))
    return [
        {
            "ts": "2026-01-01T00:00:00Z",
            "run_id": plan["run_id"],
            "segment_id": "segment",
            "cmd": cmd,
            "args": {},
            "result": result,
            "timing_ms": 1.0,
            "warnings": [],
            "x": {"op": done["op"], "seq": seq, "pid": done["pid"], "mono_ns": end - 10_000}
            | ({"events": len(cmds)} if seq == len(cmds) else {}),
        }
        for seq, (cmd, result) in enumerate(cmds, 1)
    ]


def _frame(run: RunDir, end: int, middle: int) -> list[tuple[int, dict[str, Any]]]:
    plan_sha256 = hashlib.sha256(run.plan.read_bytes()).hexdigest()
    named = {"schema_version": 1, "run_id": run.run_id, "plan_sha256": plan_sha256}
    probe = {"file": "toy.db", "role": "database", "result": "ok", "db_bytes": 8192, "tables": {}}
    return [
        (_BEGIN_NS, {"type": "run", "event": "begin"} | named),
        (_BEGIN_NS + 1, {"type": "phase", "event": "begin", "phase": "cold"}),
        (middle, {"type": "phase", "event": "begin", "phase": "warm"}),
        (end - 1, {"type": "probe", "kind": "integrity", "detail": probe}),
        (end, {"type": "run", "event": "end"}),
    ]


def _fault_lines(
    shape: Shape, end: int, dice: random.Random
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number in range(shape.faults):
        kind = _FAULTS[number % len(_FAULTS)]
        at = _BEGIN_NS + int((number + 0.5) / shape.faults * (end - _BEGIN_NS))
        index = int(number / shape.faults * shape.ops)
        named = {"type": "fault", "kind": kind, "fault": f"{kind}-x{number}", "index": index}
        if kind == "disk_full":
            yield at, named | {"event": "skipped", "detail": {"why": f"no tmpfs {shape.error}"}}
            continue
        last = uniform_int(dice, 1, int((end - _BEGIN_NS) / shape.faults))
        yield at, named | {"event": "fired", "detail": {}}
        yield at + last // 2, named | {"event": "took_effect", "detail": {"seen": shape.error}}
        yield at + last, named | {"event": "healed", "detail": {}}


def _samples(shape: Shape, end: int) -> Iterator[dict[str, Any]]:
    every = 100_000_000
    count = (end - _BEGIN_NS) // every
    for at in range(count):
        roles = {"database": 4096 + at * 8192, "journal": (at % 40) * 4096, "lock": 0}
        yield {
            "mono_ns": _BEGIN_NS + at * every,
            "ops_done": shape.ops * at // count,
            "bytes_by_role": roles,
            "files_by_role": dict.fromkeys(roles, 1),
        }


def _run_document(run: RunDir) -> dict[str, Any]:
    package = {
        "name": "toy",
        "version": "1",
        "editable": False,
        "wheel_sha256": None,
        "commit": "0" * 40,
        "differs": [],
    }
    environment = {
        "python": "3.11.0",
        "implementation": "CPython",
        "platform": "Linux x86_64",
        "cpus": 2,
        "filesystem": "ext4",
        "sqlite": "3.40.1",
        "packages": {"msgspec": "0.22.0"},
    }
    return {
        "schema_version": 1,
        "run_id": run.run_id,
        "state": "completed",
        "started_at_utc": "2026-01-01T00:00:00Z",
        "ended_at_utc": "2026-01-01T00:10:00Z",
        "subject": package,
        "harness": package,
        "checkout": {"commit": "0" * 40, "dirty": False, "dirty_files": []},
        "environment": environment,
        "harness_cost": {"user_ms": 1.0, "sys_ms": 1.0, "max_rss_kb": 1},
    }


def _write(path: Path, lines: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(as_json(line, compact=True) for line in lines))
