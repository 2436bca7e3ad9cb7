"""The groups of the metrics, each recomputed by a function of its own.

A new group in ``metrics.json`` needs a function here and a line in :data:`GROUPS`; until it has
them the verifier says that it cannot vouch for the bundle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from soakproof.verifier.answers import count_answers, judge_answers
from soakproof.verifier.counter_example import tell_first
from soakproof.verifier.history import COMPLETIONS
from soakproof.verifier.library import LIBRARY_GROUPS, LibraryRaw, stored_bytes
from soakproof.verifier.raw import Raw
from soakproof.verifier.telemetry import Wait

__all__ = ["GROUPS", "HEAD", "recompute"]

_SHOWN_BAD: Final = 20
_WORST: Final = "ok"

_TIMES: Final = 4
_AND_BYTES: Final = 8 << 20
"""What a cache may take: so many times what went in and came out, and so much besides."""


def _run(raw: Raw) -> dict[str, Any]:
    return {"state": raw.history.state, "unreadable_history_lines": raw.history.torn}


def _measures_more(raw: Raw) -> bool:
    """Whether the run was planned when changed inputs and silent agreement were counted."""
    return bool(raw.plan.get("measures", 1) > 1)


def _tells(raw: Raw) -> bool:
    """Whether the subject has telemetry at all."""
    return "telemetry" in raw.plan["target"]


def _ops(raw: Raw) -> dict[str, Any]:
    seen, planned = raw.history, raw.plan["settings"]["ops"]["value"]
    by_kind: dict[str, dict[str, int]] = {}
    for call in sorted(seen.calls.values(), key=lambda one: one.kind):
        by_kind.setdefault(call.kind, dict.fromkeys(COMPLETIONS, 0))[call.outcome] += 1
    totals = {one: sum(kind[one] for kind in by_kind.values()) for one in COMPLETIONS}
    return {
        "ops_planned": len(seen.calls) if planned is None else planned,
        "ops_total": sum(call.ended is not None for call in seen.calls.values()),
        "invoked": len(seen.calls),
        **totals,
        "info_unexplained": seen.unexplained,
        "duplicate_completions": seen.twice,
        "completions_without_invoke": seen.uninvited,
        "sequence_gaps": seen.gaps,
        "keys_distinct": len({call.key for call in seen.calls.values()}),
        "keys_contradicted": sum(len(set(given)) > 1 for given in seen.answers.values()),
        "answers_compared": sum(len(given) - 1 for given in seen.answers.values()),
        "by_kind": by_kind,
        "by_reason": dict(seen.reasons),
        "alarming_stderr": seen.alarming,
        **({"inputs_changed": seen.inputs_changed} if _measures_more(raw) else {}),
    }


def _answers(raw: Raw) -> dict[str, Any]:
    if "oracle" not in raw.plan["target"]:
        return {"oracle": "none"}
    if not raw.oracle.asked:
        return {"oracle": "not_asked"}
    judged = judge_answers(raw)
    first = next((one for one in judged if one.bad), None)
    return {
        "oracle": "asked",
        "questions": len(raw.oracle.answers),
        "unreadable_lines": raw.oracle.unreadable,
        **count_answers(judged, agreed=_measures_more(raw)),
        "first": None if first is None else tell_first(raw, first, _faults(raw)["ledger"]),
    }


def _cache(raw: Raw) -> dict[str, Any]:
    if not _tells(raw):
        return _cache_as_seen(raw) if "hits" in raw.plan["target"] else {}
    document = {}
    for phase, seen in raw.telemetry.phases.items():
        asked = seen.hits + seen.misses
        document[phase] = {
            "hits": seen.hits,
            "misses": seen.misses,
            "writes": seen.writes,
            "hit_rate": round(seen.hits / asked, 6) if asked else None,
            "samples": seen.samples,
        }
    return document


def _cache_as_seen(raw: Raw) -> dict[str, Any]:
    """Count what answered operations were seen to be by their output."""
    document: dict[str, Any] = {}
    for call in raw.history.calls.values():
        row = document.setdefault(call.phase, {"hits": 0, "misses": 0, "samples": 0})
        hit = (call.ended or {}).get("detail", {}).get("hit")
        if hit is not None:
            row["hits" if hit else "misses"] += 1
            row["samples"] += 1
    for row in document.values():
        row["hit_rate"] = round(row["hits"] / row["samples"], 6) if row["samples"] else None
        row["writes"] = None
    return document


def _locks(raw: Raw) -> dict[str, Any]:
    if not _tells(raw):
        unknown = dict.fromkeys(("lock_wait", "lock_timeout", "waited_ms_total"))
        return {**unknown, "by_cause": {}}
    seen, names = raw.telemetry, raw.plan["target"]["telemetry"]
    return {
        "lock_wait": len(seen.waits),
        "lock_timeout": sum(seen.cmds[cmd] for cmd in names["lock_timeout"]),
        "waited_ms_total": round(seen.waited_ms, 3),
        "by_cause": dict(Counter(wait.cause for wait in seen.waits)),
    }


_TOLD: Final = (
    *("files", "events", "unreadable_lines", "orphan_events", "ops_without_events"),
    *("lost_events", "duplicate_events", "foreign_run_events", "ops_checked"),
    *("degraded", "recovered", "contradictions"),
)


def _telemetry(raw: Raw) -> dict[str, Any]:
    if not _tells(raw):
        return {**dict.fromkeys(_TOLD), "by_cmd": {}, "unreadable": []}
    seen, names = raw.telemetry, raw.plan["target"]["telemetry"]
    return {
        "files": seen.files,
        "events": seen.events,
        "by_cmd": dict(seen.cmds),
        "unreadable_lines": len(seen.bad),
        "unreadable": [{"file": file, "line": line} for file, line in seen.bad[:_SHOWN_BAD]],
        "orphan_events": seen.orphans if raw.history.whole else None,
        "ops_without_events": seen.silent,
        "lost_events": seen.lost,
        "duplicate_events": seen.doubled,
        "foreign_run_events": seen.foreign,
        "ops_checked": seen.checked,
        "degraded": sum(seen.cmds[cmd] for cmd in names["degraded"]),
        "recovered": sum(seen.cmds[cmd] for cmd in names["recovered"]),
        "contradictions": seen.contradictions if raw.history.whole else None,
    }


def _integrity(raw: Raw) -> dict[str, Any]:
    answers = [probe["result"] for probe in raw.history.probes]
    complaints = [answer for answer in answers if answer != _WORST]
    return {
        "integrity_check": (complaints or answers or [None])[0],
        "databases_checked": len(answers),
        "databases": raw.history.probes,
    }


def _growth(raw: Raw) -> dict[str, Any]:
    moved = raw.plan["segment"]["bytes"] + sum(raw.history.sizes.values())
    return grown(raw.samples, raw.history.leftovers, moved)


def grown(
    samples: list[dict[str, Any]], left: Mapping[str, Any] | None, moved: int
) -> dict[str, Any]:
    """Return the group ``growth``.

    Args:
        samples: looks at the cache's files.
        left: what was left after the run, if anybody looked.
        moved: bytes that went in and came out.
    """
    most: dict[str, int] = {}
    for sample in samples:
        for role, size in sample["bytes_by_role"].items():
            most[role] = max(most.get(role, 0), size)
    last = samples[-1] if samples else {"bytes_by_role": {}, "files_by_role": {}}
    sizes = last["bytes_by_role"]
    seen_last = last["files_by_role"].get("other", 0)
    return {
        "samples": len(samples),
        # Of the roles that the last look knows; all looks know the same.
        "max_bytes_by_role": {role: most[role] for role in sizes},
        "last_bytes_by_role": sizes,
        "last_bytes": sum(sizes.values()) if samples else None,
        "allowed_bytes": _TIMES * moved + _AND_BYTES,
        "leftover_files": seen_last if left is None else len(left["files"]),
        "leftover_processes": None if left is None else left["processes"],
    }


def _faults(raw: Raw) -> dict[str, Any]:
    return faulted(raw.plan.get("faults", []), raw.history.faults, raw.telemetry.waits)


def faulted(
    planned: list[dict[str, Any]], lines: list[dict[str, Any]], waits: Sequence[Wait]
) -> dict[str, Any]:
    """Return the group ``faults``: those planned, what the history says of them, and waits."""
    ledger = {one["fault"]: _blank(one) for one in planned}
    for line in lines:
        first = {"fault": line["fault"], "kind": line["kind"], "at_op": line.get("index", 0)}
        _step(ledger.setdefault(line["fault"], _blank(first)), line)
    for wait in waits:
        for entry in ledger.values():
            if _overlaps(entry, wait.begin_ns, wait.end_ns):
                entry["observation"].setdefault("overlapping_lock_waits", []).append(wait.op)
    by_kind: dict[str, dict[str, int]] = {}
    names = ("planned", "fired", "took_effect", "healed", "skipped")
    for entry in ledger.values():
        counts = by_kind.setdefault(entry["kind"], dict.fromkeys(names, 0))
        counts["planned"] += 1
        counts["fired"] += entry["fired_mono_ns"] is not None
        counts["took_effect"] += entry["took_effect"]
        counts["healed"] += entry["healed_mono_ns"] is not None
        counts["skipped"] += bool(entry["reason"])
        if not entry["reason"] and entry["fired_mono_ns"] is None:
            entry["reason"] = "not reached"
    return {"by_kind": by_kind, "ledger": list(ledger.values())}


def _blank(planned: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "fault": planned["fault"],
        "kind": planned["kind"],
        "at_op": planned["at_op"],
        "fired_mono_ns": None,
        "healed_mono_ns": None,
        "took_effect": False,
        "reason": "",
        "observation": {},
    }


def _step(entry: dict[str, Any], line: Mapping[str, Any]) -> None:
    detail = line.get("detail", {})
    match line["event"]:
        case "fired":
            entry["fired_mono_ns"] = line["mono_ns"]
        case "healed":
            entry["healed_mono_ns"] = line["mono_ns"]
        case "took_effect":
            entry["took_effect"] = True
            entry["observation"].update(detail)
        case "failed" | "skipped":
            entry["reason"] = str(detail.get("why", line["event"]))


def _overlaps(entry: Mapping[str, Any], begin_ns: int, end_ns: int) -> bool:
    fired, healed = entry["fired_mono_ns"], entry["healed_mono_ns"]
    return fired is not None and end_ns >= fired and (healed is None or begin_ns <= healed)


def _informational(raw: Raw) -> dict[str, Any]:
    seen = raw.history
    latency = {}
    for (kind, phase), unordered in sorted(seen.walls.items()):
        walls = sorted(unordered)
        row = {f"p{share}": walls[-(-share * len(walls) // 100) - 1] for share in _SHARES}
        latency[f"{kind}/{phase}"] = {"samples": len(walls), **row, "max": walls[-1]}
    elapsed_s = None
    if seen.first_ns is not None and seen.last_ns is not None:
        elapsed_s = round((seen.last_ns - seen.first_ns) / 1e9, 3)
    done = sum(len(walls) for walls in seen.walls.values())
    throughput = round(done / elapsed_s, 2) if elapsed_s else None
    return {"latency_ms": latency, "throughput_ops_s": throughput, "elapsed_s": elapsed_s}


_SHARES: Final = (50, 95, 99)


HEAD: Final = ("schema_version", "run_id", "campaign", "seed", "schedule_sha256", "history_sha256")
"""Fields of the metrics that are no group."""

GROUPS: Final[Mapping[str, Callable[[Raw], dict[str, Any]]]] = {
    "run": _run,
    "ops": _ops,
    "answers": _answers,
    "cache": _cache,
    "locks": _locks,
    "telemetry": _telemetry,
    "integrity": _integrity,
    "growth": _growth,
    "faults": _faults,
    "informational": _informational,
}
"""Group of the metrics → how it is recomputed."""


def recompute(raw: Raw | LibraryRaw, name: str) -> dict[str, Any]:
    """Return one of :data:`GROUPS` again."""
    if isinstance(raw, Raw):
        return GROUPS[name](raw)
    if name == "growth":
        return grown(raw.samples, raw.history.leftovers, stored_bytes(raw))
    if name == "faults":
        return faulted(raw.plan.get("faults", []), raw.history.faults, ())
    return LIBRARY_GROUPS[name](raw)
