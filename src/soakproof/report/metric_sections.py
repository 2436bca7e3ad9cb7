"""The sections of the report that tell the metrics; pure, one function a section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from soakproof.model import Phase
from soakproof.report.cells import code, counts, percent, plain, table, value

__all__ = ["cache", "growth", "integrity", "latency", "locks", "operations", "telemetry"]

_NS_PER_MS: Final = 1_000_000

_ALWAYS_SHOWN: Final = (Phase.COLD, Phase.WARM)
"""That one of these had no operations is a finding; the other phases are for some campaigns."""


def cache(metrics: Mapping[str, Any]) -> list[str]:
    """Return hits, misses, writes and hit rate by phase."""
    rows: list[tuple[object, ...]] = []
    for phase in Phase:
        seen = metrics["cache"].get(phase)
        if seen is None:
            if phase in _ALWAYS_SHOWN:
                rows.append((phase, "no operations", *["absent"] * 4))
            continue
        asked = seen["hits"] + seen["misses"]
        rate = percent(seen["hits"] / asked if asked else None)
        writes = "absent" if seen["writes"] is None else seen["writes"]
        numbers = (seen["hits"], seen["misses"], writes, seen.get("samples", "absent"))
        rows.append((phase, rate, *numbers))
    return [
        f"{metrics['ops']['keys_distinct']} different keys were asked.",
        *_from_whom(metrics),
        "",
        *table(("phase", "hit rate", "hits", "misses", "writes", "operations"), rows),
    ]


def _from_whom(metrics: Mapping[str, Any]) -> list[str]:
    """Return who told hits and misses, where it was not the subject's telemetry."""
    if metrics["telemetry"]["events"] is not None:
        return []
    if metrics["cache"]:
        return ["The target has no telemetry: a hit is what its output was seen to say."]
    return ["The target has no telemetry: nobody told a hit from a miss."]


def locks(metrics: Mapping[str, Any]) -> list[str]:
    """Return the waits that the subject reported, and the ledger of faults."""
    seen, faults = metrics["locks"], metrics["faults"]
    kinds = (
        (
            code(kind),
            *(each[key] for key in ("planned", "fired", "took_effect", "healed", "skipped")),
        )
        for kind, each in sorted(faults["by_kind"].items())
    )
    ledger = (
        (
            code(each["fault"]),
            each["at_op"],
            _held_ms(each),
            "yes" if each["took_effect"] else "no",
            "yes" if each["healed_mono_ns"] is not None else "no",
            value(each["observation"]) if each["observation"] else plain(each["reason"]),
        )
        for each in faults["ledger"]
    )
    return [
        *_waits(seen),
        "",
        "Faults, by kind:",
        "",
        *table(("kind", "planned", "fired", "took effect", "healed", "skipped"), kinds),
        "",
        "Each fault, and what its probe saw:",
        "",
        *table(("fault", "before op", "held ms", "took effect", "healed", "seen"), ledger),
    ]


def _waits(seen: Mapping[str, Any]) -> list[str]:
    if seen["lock_wait"] is None:
        return ["The target has no telemetry: nobody told of a wait."]
    return [
        (
            f"{seen['lock_wait']} waits, {seen['waited_ms_total']:.1f} ms in all; "
            f"{seen['lock_timeout']} given up."
        ),
        f"By what was waited for: {counts(seen['by_cause'])}.",
    ]


def _held_ms(fault: Mapping[str, Any]) -> str:
    fired, healed = fault["fired_mono_ns"], fault["healed_mono_ns"]
    if fired is None or healed is None:
        return "absent"
    return f"{(healed - fired) / _NS_PER_MS:.1f}"


def integrity(metrics: Mapping[str, Any]) -> list[str]:
    """Return what SQLite said of each database after the run."""
    seen = metrics["integrity"]
    rows = (
        (code(each["file"]), each["role"], value(each["result"]), each["db_bytes"], _rows(each))
        for each in seen["databases"]
    )
    return [
        (
            f"Databases checked by `PRAGMA integrity_check`: {seen['databases_checked']}; "
            f"answer: {value(seen['integrity_check'])}."
        ),
        "",
        *table(("file", "role", "result", "bytes", "rows by table"), rows),
    ]


def _rows(database: Mapping[str, Any]) -> str:
    return counts(database["tables"])


def growth(metrics: Mapping[str, Any]) -> list[str]:
    """Return the most and the last bytes of the cache's files, by role."""
    seen = metrics["growth"]
    most, last = seen["max_bytes_by_role"], seen["last_bytes_by_role"]
    rows = ((code(role), most.get(role, 0), last.get(role, 0)) for role in sorted({*most, *last}))
    return [
        (
            f"{seen['samples']} looks at the cache's files while operations ran; "
            f"{seen['leftover_files']} files play no known part."
        ),
        "",
        *table(("role", "most bytes", "bytes at the last look"), rows),
    ]


def operations(metrics: Mapping[str, Any]) -> list[str]:
    """Return operations by kind and outcome, from the harness's own ledger."""
    ops = metrics["ops"]
    rows = (
        (code(kind), each["ok"], each["fail"], each["info"])
        for kind, each in sorted(ops["by_kind"].items())
    )
    return [
        (f"{ops['ops_planned']} planned, {ops['invoked']} invoked, {ops['ops_total']} completed."),
        (
            f"{ops['answers_compared']} answers were compared with an earlier one of the same key; "
            f"{ops['keys_contradicted']} keys were contradicted."
        ),
        "",
        *table(
            ("kind", "ok", "fail", "info"), [*rows, ("all", ops["ok"], ops["fail"], ops["info"])]
        ),
        "",
        (
            f"Reasons of fail and info: {counts(ops['by_reason'])}; "
            f"{ops['info_unexplained']} info unexplained."
        ),
    ]


def telemetry(metrics: Mapping[str, Any]) -> list[str]:
    """Return how the subject's own events agree with the ledger."""
    seen = metrics["telemetry"]
    if seen["events"] is None:
        return ["The target has no telemetry: what only it could tell is not known."]
    rows = [
        ("events read", seen["events"]),
        ("unreadable lines", seen["unreadable_lines"]),
        ("operations looked for", seen["ops_checked"]),
        ("operations without events", seen["ops_without_events"]),
        ("events of no operation", seen["orphan_events"]),
        ("events lost", seen["lost_events"]),
        ("events twice", seen["duplicate_events"]),
        ("events of another run", seen["foreign_run_events"]),
        ("operations done without the cache", seen["degraded"]),
        ("caches set aside", seen["recovered"]),
        ("unreadable lines of the history", metrics["run"]["unreadable_history_lines"]),
    ]
    unreadable = [
        f"- {code(each['file'])} line {each['line']}: {plain(each['reason'])}"
        for each in seen["unreadable"]
    ]
    return [
        *table(("seen", "count"), rows),
        "",
        f"Events by `cmd`: {counts(seen['by_cmd'])}.",
        *(["", "The first lines that could not be read:", "", *unreadable] if unreadable else []),
    ]


def latency(metrics: Mapping[str, Any]) -> list[str]:
    """Return the quantiles, which no criterion may look at."""
    seen = metrics["informational"]
    rows = (
        (code(name), each["samples"], *(f"{each[q]:.1f}" for q in ("p50", "p95", "p99", "max")))
        for name, each in sorted(seen["latency_ms"].items())
    )
    rate, elapsed = seen["throughput_ops_s"], seen["elapsed_s"]
    pace = "" if rate is None else f" {rate:.1f} operations a second."
    span = (
        "" if elapsed is None else f" {elapsed:.1f} s from the first invoke to the last completion."
    )
    return [
        f"Wall time of whole processes, in milliseconds.{span}{pace}",
        "",
        *table(("kind/phase", "operations", "p50", "p95", "p99", "max"), rows),
    ]
