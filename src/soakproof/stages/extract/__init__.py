"""Stage extract: from the raw record to ``metrics.json``. The same record gives the same bytes.

Reads plan, history, samples and the subject's telemetry, line by line; writes ``metrics.json`` and
publishes it where the source documents look for it. Lines that cannot be read are counted and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from soakproof import schema
from soakproof.checks.fault_ledger import FaultLedger
from soakproof.checks.ledger import Ledger
from soakproof.checks.quantiles import nearest_rank
from soakproof.checks.telemetry import PhaseTally, TelemetryTally, hits_seen
from soakproof.checks.versions import Timeline
from soakproof.errors import InvalidDocument, MissingInput
from soakproof.faults.planning import planner_of
from soakproof.lines import BadLine, decode_history, decode_samples, decode_telemetry
from soakproof.model import SCHEMA_VERSION, FaultPlan, HistoryLine, Outcome
from soakproof.rotation.reading import is_there, stream_sha256
from soakproof.rundir import Project, RunDir, write_bytes, write_json
from soakproof.stages.extract.answers import judge_answers
from soakproof.stages.extract.claims import CLAIMS
from soakproof.stages.extract.library import library_counts
from soakproof.targets.files import OTHER
from soakproof.workload.schedule import Workload
from soakproof.workload.script import operations_of

__all__ = ["extract"]

_SHOWN_BAD_LINES: Final = 20
_NS_PER_S: Final = 1e9

_GROWTH_FACTOR: Final = 4
_GROWTH_FLOOR_BYTES: Final = 8 * 1024 * 1024
"""A cache may end at four times what went in (sources) and came out (distinct answers), and 8 MiB.

A bound relation, not a slope: pages, indices and a search index over the sources fit in it with
room to spare, and something that grows with the number of operations does not."""


def extract(project: Project, run_dir: RunDir, out: Path | None = None) -> Path:
    """Count what happened in a run, finished or not.

    Args:
        project: where the metrics are published (``_ctx/metrics/``).
        run_dir: the run.
        out: another place to publish them, instead.

    Returns:
        The run's ``metrics.json``.

    Raises:
        MissingInput: there is no history.
    """
    plan = schema.load_json(run_dir.plan, "plan", hint="make it with `soakproof clean`")
    if not is_there(run_dir.history):
        hint = f"make it with `soakproof run --run-id {run_dir.run_id}`"
        raise MissingInput(run_dir.history, hint)
    groups = _of_library(run_dir, plan) if "worker" in plan["target"] else _groups(run_dir, plan)
    metrics = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_dir.run_id,
        "campaign": plan["campaign"]["name"],
        "seed": plan["settings"]["seed"]["value"],
        "schedule_sha256": plan["schedule_sha256"],
        "history_sha256": stream_sha256(run_dir.history),
        **groups,
    }
    schema.check(metrics, "metrics", run_dir.metrics)
    write_json(run_dir.metrics, metrics)
    write_bytes(out or project.published_metrics(metrics["campaign"]), run_dir.metrics.read_bytes())
    return run_dir.metrics


def _of_library(run_dir: RunDir, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups of a library's soak, in the order of any other's."""
    counts = library_counts(run_dir, plan)
    made = {
        **counts.groups,
        "integrity": _integrity(counts.probes),
        "growth": _growth(run_dir, counts.stored_bytes, counts.leftovers),
    }
    return {name: made[name] for name in _GROUPS}


def _groups(run_dir: RunDir, plan: Mapping[str, Any]) -> dict[str, Any]:
    ledger, faults, timeline = _history(run_dir, plan)
    telemetry, bad_lines, files = _telemetry(run_dir, plan, ledger)
    faults.overlap(telemetry.waits)
    moved_bytes = plan["segment"]["bytes"] + ledger.answer_bytes
    return {
        "run": {"state": ledger.state, "unreadable_history_lines": ledger.unreadable_lines},
        "ops": _ops(plan, ledger),
        "answers": judge_answers(run_dir, plan, ledger, faults, timeline),
        "cache": _cache(plan, ledger, telemetry),
        "locks": _locks(plan, telemetry),
        "telemetry": _claims(plan, ledger, telemetry, bad_lines, files),
        "integrity": _integrity(ledger.probes),
        "growth": _growth(run_dir, moved_bytes, ledger.leftovers),
        "faults": faults.document(),
        "informational": _informational(ledger),
    }


_GROUPS: Final = (
    "run",
    "ops",
    "answers",
    "cache",
    "locks",
    "telemetry",
    "integrity",
    "growth",
    "faults",
    "informational",
)


def _history(run_dir: RunDir, plan: Mapping[str, Any]) -> tuple[Ledger, FaultLedger, Timeline]:
    ledger, faults, timeline = Ledger(), FaultLedger(_planned(plan)), Timeline()
    for line in decode_history(run_dir.history):
        if isinstance(line, BadLine):
            ledger.unreadable_lines += 1
            continue
        _refuse_version(run_dir, line)
        ledger.add(line)
        faults.add(line)
        timeline.add(line)
    ledger.close()
    return ledger, faults, timeline


def _refuse_version(run_dir: RunDir, line: HistoryLine) -> None:
    if line.schema_version in {None, SCHEMA_VERSION}:
        return
    raise InvalidDocument(
        run_dir.history,
        json_path="$.schema_version",
        expected=str(SCHEMA_VERSION),
        found=str(line.schema_version),
        schema="history-line",
    )


def _planned(plan: Mapping[str, Any]) -> list[FaultPlan]:
    """Return the faults of a soak by count; of one by time, the history is the plan."""
    settings = plan["settings"]
    if settings["ops"]["value"] is None:
        return []
    workload = Workload.of(plan["campaign"], plan["target"], plan["segment"])
    return planner_of(plan, workload.writers).plan_all(operations_of(plan))


def _telemetry(
    run_dir: RunDir, plan: Mapping[str, Any], ledger: Ledger
) -> tuple[TelemetryTally, list[dict[str, Any]], int]:
    target = plan["target"]
    if "telemetry" not in target:
        return TelemetryTally({}, {}, {}, run_dir.run_id), [], 0
    own_cmd = {kind: op["telemetry_cmd"] for kind, op in target["operations"].items()}
    tally = TelemetryTally(target["telemetry"], own_cmd, ledger.operations, run_dir.run_id)
    bad: list[dict[str, Any]] = []
    files = sorted(run_dir.telemetry.glob(target["telemetry"]["glob"]))
    for path in files:
        for event in decode_telemetry(path):
            if isinstance(event, BadLine):
                bad.append({"file": path.name, "line": event.line, "reason": event.reason})
            else:
                tally.add(event)
    tally.close()
    return tally, bad, len(files)


def _ops(plan: Mapping[str, Any], ledger: Ledger) -> dict[str, Any]:
    outcomes = ledger.outcomes()
    by_outcome = {
        outcome: sum(count for (_, one), count in outcomes.items() if one is outcome)
        for outcome in Outcome
    }
    never = ledger.reasons["never_completed"]
    planned = plan["settings"]["ops"]["value"]
    kinds = sorted({kind for kind, _ in outcomes})
    return {
        "ops_planned": len(ledger.operations) if planned is None else planned,
        "ops_total": sum(by_outcome.values()) - never,
        "invoked": len(ledger.operations),
        **{outcome.value: by_outcome[outcome] for outcome in Outcome},
        "info_unexplained": ledger.unexplained,
        "duplicate_completions": ledger.duplicate_completions,
        "completions_without_invoke": ledger.completions_without_invoke,
        "sequence_gaps": ledger.sequence_gaps,
        "keys_distinct": len({op.key for op in ledger.operations.values()}),
        "keys_contradicted": ledger.keys_contradicted(),
        "answers_compared": ledger.answers_compared(),
        "by_kind": {
            kind: {outcome.value: outcomes[kind, outcome] for outcome in Outcome} for kind in kinds
        },
        "by_reason": dict(sorted(ledger.reasons.items())),
        "alarming_stderr": ledger.alarming.total(),
        **({} if plan.get("measures", 1) == 1 else {"inputs_changed": ledger.inputs_changed}),
    }


def _cache(
    plan: Mapping[str, Any], ledger: Ledger, telemetry: TelemetryTally
) -> dict[str, dict[str, Any]]:
    """Return hits by phase: as the subject told them, else as they were seen; else nothing."""
    if "telemetry" in plan["target"]:
        return {phase.value: _phase(tally) for phase, tally in sorted(telemetry.phases.items())}
    if "hits" not in plan["target"]:
        return {}
    seen = hits_seen(ledger.operations.values())
    return {phase.value: _phase(tally) | {"writes": None} for phase, tally in sorted(seen.items())}


def _phase(tally: PhaseTally) -> dict[str, Any]:
    asked = tally.hits + tally.misses
    return {
        "hits": tally.hits,
        "misses": tally.misses,
        "writes": tally.writes,
        "hit_rate": round(tally.hits / asked, 6) if asked else None,
        "samples": tally.operations,
    }


def _locks(plan: Mapping[str, Any], tally: TelemetryTally) -> dict[str, Any]:
    names = plan["target"].get("telemetry")
    if names is None:
        nobody_knows = ("lock_wait", "lock_timeout", "waited_ms_total")
        return {**dict.fromkeys(nobody_knows), "by_cause": {}}
    by_cause: dict[str, int] = {}
    for wait in tally.waits:
        by_cause[wait.cause] = by_cause.get(wait.cause, 0) + 1
    return {
        "lock_wait": len(tally.waits),
        "lock_timeout": tally.count(*names["lock_timeout"]),
        "waited_ms_total": round(tally.waited_ms, 3),
        "by_cause": dict(sorted(by_cause.items())),
    }


def _claims(
    plan: Mapping[str, Any],
    ledger: Ledger,
    tally: TelemetryTally,
    bad: list[dict[str, Any]],
    files: int,
) -> dict[str, Any]:
    names = plan["target"].get("telemetry")
    if names is None:
        return {**dict.fromkeys(CLAIMS), "by_cmd": {}, "unreadable": []}
    return {
        "files": files,
        "events": tally.events,
        "by_cmd": dict(sorted(tally.by_cmd.items())),
        "unreadable_lines": len(bad),
        "unreadable": bad[:_SHOWN_BAD_LINES],
        "orphan_events": tally.orphans if ledger.whole else None,
        "ops_without_events": tally.without_events,
        "lost_events": tally.lost,
        "duplicate_events": tally.duplicates,
        "foreign_run_events": tally.foreign,
        "ops_checked": tally.checked,
        "degraded": tally.count(*names["degraded"]),
        "recovered": tally.count(*names["recovered"]),
        "contradictions": tally.contradictions if ledger.whole else None,
    }


def _integrity(probes: list[dict[str, Any]]) -> dict[str, Any]:
    results = [probe["result"] for probe in probes]
    worst = next((result for result in results if result != "ok"), "ok" if results else None)
    return {
        "integrity_check": worst,
        "databases_checked": len(results),
        "databases": probes,
    }


def _growth(run_dir: RunDir, moved_bytes: int, left: Mapping[str, Any] | None) -> dict[str, Any]:
    samples, most, last, leftovers = 0, dict[str, int](), dict[str, int](), 0
    if is_there(run_dir.samples):
        for sample in decode_samples(run_dir.samples):
            if isinstance(sample, BadLine):
                continue
            samples += 1
            last = sample.bytes_by_role
            leftovers = sample.files_by_role.get(OTHER, 0)
            most = {role: max(size, most.get(role, 0)) for role, size in last.items()}
    return {
        "samples": samples,
        "max_bytes_by_role": most,
        "last_bytes_by_role": last,
        "last_bytes": sum(last.values()) if samples else None,
        "allowed_bytes": _GROWTH_FACTOR * moved_bytes + _GROWTH_FLOOR_BYTES,
        "leftover_files": leftovers if left is None else len(left["files"]),
        "leftover_processes": None if left is None else left["processes"],
    }


def _informational(ledger: Ledger) -> dict[str, Any]:
    latency = {}
    for (kind, phase), walls in sorted(ledger.wall_ms.items()):
        ordered = sorted(walls)
        quantiles = {f"p{share:g}": nearest_rank(ordered, share / 100) for share in (50, 95, 99)}
        latency[f"{kind}/{phase}"] = {"samples": len(ordered), **quantiles, "max": ordered[-1]}
    elapsed_s = None
    if ledger.first_invoke_ns is not None and ledger.last_completion_ns is not None:
        elapsed_s = round((ledger.last_completion_ns - ledger.first_invoke_ns) / _NS_PER_S, 3)
    done = sum(len(walls) for walls in ledger.wall_ms.values())
    return {
        "latency_ms": latency,
        "throughput_ops_s": round(done / elapsed_s, 2) if elapsed_s else None,
        "elapsed_s": elapsed_s,
    }
