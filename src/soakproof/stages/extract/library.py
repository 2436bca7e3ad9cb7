"""Count and check a library's soak: every operation, streamed, in memory that does not grow.

The history is read once, and a second time where an answer was found that nothing explains.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from soakproof.checks.explain import active_faults
from soakproof.checks.fault_ledger import FaultLedger
from soakproof.checks.kv_findings import Finding, FindingsFold
from soakproof.checks.kv_ledger import KvLedger
from soakproof.errors import InvalidDocument
from soakproof.faults.registry import EXCUSING
from soakproof.lines import BadLine, decode_history
from soakproof.model import SCHEMA_VERSION, FaultPlan, HistoryLine, Outcome
from soakproof.rundir import RunDir
from soakproof.stages.extract.claims import CLAIMS

__all__ = ["LibraryCounts", "library_counts"]

_NS_PER_S: Final = 1e9
_VALUE_NAME_BYTES: Final = 64
"""Of a value's name before its filler, and of its key."""


@dataclass(frozen=True, slots=True)
class LibraryCounts:
    """What a library's soak adds up to.

    Args:
        groups: groups of the metrics, by name, but for integrity and growth.
        stored_bytes: the most that all keys can hold.
        probes: looks at the databases.
        leftovers: what was left, if it was looked at.
    """

    groups: dict[str, Any]
    stored_bytes: int
    probes: list[dict[str, Any]]
    leftovers: dict[str, Any] | None


def library_counts(run_dir: RunDir, plan: Mapping[str, Any]) -> LibraryCounts:
    """Return the counts of a run.

    Raises:
        InvalidDocument: the history is of another version.
    """
    drops = plan["target"]["worker"]["semantics"] == "cache"
    ledger = KvLedger(drops=drops, excusing=EXCUSING)
    faults = FaultLedger(
        FaultPlan(one["fault"], one["kind"], one["at_op"], {}) for one in plan.get("faults", ())
    )
    for line in decode_history(run_dir.history):
        if isinstance(line, BadLine):
            ledger.unreadable_lines += 1
            continue
        _refuse_version(run_dir, line)
        ledger.add(line)
        faults.add(line)
    ledger.close()
    fold = _findings(run_dir, ledger, drops=drops)
    asked = plan["campaign"]["kv"]
    return LibraryCounts(
        groups={
            "run": {"state": ledger.state, "unreadable_history_lines": ledger.unreadable_lines},
            "ops": _ops(plan, ledger),
            "answers": _answers(plan, ledger, fold, faults),
            "cache": _cache(ledger),
            "locks": {"lock_wait": 0, "lock_timeout": 0, "waited_ms_total": 0, "by_cause": {}},
            "telemetry": _no_telemetry(),
            "faults": faults.document(),
            "informational": _informational(ledger),
        },
        stored_bytes=(asked["keys"] + asked["counters"])
        * (asked["value_bytes"][1] + _VALUE_NAME_BYTES),
        probes=ledger.probes,
        leftovers=ledger.leftovers,
    )


def _refuse_version(run_dir: RunDir, line: HistoryLine) -> None:
    if line.schema_version not in {None, SCHEMA_VERSION}:
        raise InvalidDocument(
            run_dir.history,
            json_path="$.schema_version",
            expected=str(SCHEMA_VERSION),
            found=str(line.schema_version),
            schema="history-line",
        )


def _findings(run_dir: RunDir, ledger: KvLedger, *, drops: bool) -> FindingsFold:
    found = ledger.checker
    fold = FindingsFold(found.violations, found.unknown, drops=drops, excusing=EXCUSING)
    if found.violations or found.unknown:
        for line in decode_history(run_dir.history):
            if not isinstance(line, BadLine):
                fold.add(line)
    return fold


def _ops(plan: Mapping[str, Any], ledger: KvLedger) -> dict[str, Any]:
    planned = plan["settings"]["ops"]["value"]
    kinds = sorted({kind for counts in ledger.outcomes.values() for kind in counts})
    ended = sum(ledger.total(one) for one in Outcome) - ledger.reasons["never_completed"]
    return {
        "ops_planned": ledger.invoked if planned is None else planned,
        "ops_total": ended,
        "invoked": ledger.invoked,
        **{outcome.value: ledger.total(outcome) for outcome in Outcome},
        "info_unexplained": ledger.unexplained,
        "duplicate_completions": 0,
        "completions_without_invoke": ledger.completions_without_invoke,
        "sequence_gaps": ledger.sequence_gaps + ledger.contradictions,
        "keys_distinct": ledger.checker.keys,
        "keys_contradicted": len(ledger.checker.violations),
        "answers_compared": ledger.checker.answers,
        "by_kind": {
            kind: {outcome.value: ledger.outcomes[outcome.value][kind] for outcome in Outcome}
            for kind in kinds
        },
        "by_reason": {reason: n for reason, n in sorted(ledger.reasons.items()) if n},
        "alarming_stderr": 0,
    }


def _answers(
    plan: Mapping[str, Any], ledger: KvLedger, fold: FindingsFold, faults: FaultLedger
) -> dict[str, Any]:
    checker, findings = ledger.checker, fold.findings()
    unjudged = checker.excused_answers + fold.after_the_end
    checked = checker.answers - unjudged
    worth = [one.worth for one in findings]
    return {
        "oracle": "model",
        "checked": checked,
        "right": checked - len(findings),
        "wrong": worth.count("wrong"),
        "stale": worth.count("stale"),
        "lost_write": worth.count("lost_write"),
        "missing": ledger.missing,
        "crashed": ledger.crashed,
        "hung": ledger.hung,
        "unjudged": unjudged,
        "indeterminate": ledger.total(Outcome.INFO),
        "calm_checked": ledger.calm_checked,
        "keys_checked": checker.keys,
        "keys_unknown": len(checker.unknown),
        "given_up": [
            {"key": key, "op": _op_id(number)} for key, number in sorted(checker.unknown.items())
        ],
        "findings": [
            {
                "key": one.violation.key,
                "op": _op_id(one.violation.number),
                "kind": one.violation.kind,
                "answer": one.worth,
                "words": one.words,
            }
            for one in findings
        ],
        "first": _first(plan, findings[0], faults) if findings else None,
    }


def _first(plan: Mapping[str, Any], one: Finding, faults: FaultLedger) -> dict[str, Any]:
    begin_ns, end_ns = one.span
    found = one.violation
    return {
        "op": _op_id(found.number),
        "kind": found.kind,
        "key": found.key,
        "phase": one.phase,
        "episode": one.episode,
        "answer": one.worth,
        "words": one.words,
        "versions": [],
        "faults": active_faults(faults.records.values(), begin_ns, end_ns),
        "edits": [],
        "got": str(found.answer),
        "expected": "an answer that some order of the operations explains",
        "history": [part.text() for part in one.example],
        "replay": shlex.join(plan["replay_argv"]),
    }


def _op_id(number: int) -> str:
    return f"op-{number:06d}"


def _cache(ledger: KvLedger) -> dict[str, Any]:
    document = {}
    for phase in sorted({*ledger.hits, *ledger.misses, *ledger.writes}):
        hits, misses = ledger.hits[phase], ledger.misses[phase]
        asked = hits + misses
        document[phase] = {
            "hits": hits,
            "misses": misses,
            "writes": ledger.writes[phase],
            "hit_rate": round(hits / asked, 6) if asked else None,
            "samples": asked + ledger.writes[phase],
        }
    return document


def _no_telemetry() -> dict[str, Any]:
    """Return the group of a subject that tells nothing of itself."""
    counts = dict.fromkeys(CLAIMS, 0)
    return {**counts, "by_cmd": {}, "unreadable": []}


def _informational(ledger: KvLedger) -> dict[str, Any]:
    elapsed_s = None
    if ledger.first_invoke_ns is not None and ledger.last_completion_ns is not None:
        elapsed_s = round((ledger.last_completion_ns - ledger.first_invoke_ns) / _NS_PER_S, 3)
    done = ledger.total(Outcome.OK)
    return {
        "latency_ms": {},
        "throughput_ops_s": round(done / elapsed_s, 2) if elapsed_s else None,
        "elapsed_s": elapsed_s,
    }
