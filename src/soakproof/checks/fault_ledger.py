"""The ledger of faults: planned → fired → took effect → healed, and what the subject said meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from soakproof.checks.telemetry import LockWait
from soakproof.model import FaultPlan, HistoryLine

__all__ = ["FaultLedger", "FaultRecord"]


@dataclass(slots=True)
class FaultRecord:
    """What became of one planned fault."""

    plan: FaultPlan
    fired_ns: int | None = None
    healed_ns: int | None = None
    took_effect: bool = False
    reason: str = ""
    observation: dict[str, Any] = field(default_factory=dict)


class FaultLedger:
    """The fold of a history's fault lines over the planned faults."""

    def __init__(self, planned: Iterable[FaultPlan]) -> None:
        self.records = {plan.fault_id: FaultRecord(plan) for plan in planned}

    def add(self, line: HistoryLine) -> None:
        """Take one line of the history; others than faults are passed over."""
        if line.type != "fault" or line.fault is None:
            return
        record = self.records.get(line.fault)
        if record is None:  # a soak by time plans as it goes: the history is the plan
            plan = FaultPlan(line.fault, line.kind or "?", line.index or 0, {})
            record = self.records.setdefault(line.fault, FaultRecord(plan))
        detail = line.detail or {}
        if line.event == "fired":
            record.fired_ns = line.mono_ns
        elif line.event == "took_effect":
            record.took_effect = True
            record.observation |= detail
        elif line.event == "healed":
            record.healed_ns = line.mono_ns
        elif line.event in {"failed", "skipped"}:
            record.reason = str(detail.get("why", line.event))

    def overlap(self, waits: Iterable[LockWait]) -> None:
        """Note beside each fault which reported lock waits overlapped it."""
        for wait in waits:
            for record in self.records.values():
                if record.fired_ns is None:
                    continue
                until_ns = record.healed_ns if record.healed_ns is not None else wait.end_ns
                if wait.begin_ns <= until_ns and wait.end_ns >= record.fired_ns:
                    record.observation.setdefault("overlapping_lock_waits", []).append(wait.op)

    def document(self) -> dict[str, Any]:
        """Return the ``faults`` object of the metrics."""
        by_kind: dict[str, dict[str, int]] = {}
        for record in self.records.values():
            counts = by_kind.setdefault(
                record.plan.kind,
                dict.fromkeys(("planned", "fired", "took_effect", "healed", "skipped"), 0),
            )
            counts["planned"] += 1
            counts["fired"] += record.fired_ns is not None
            counts["took_effect"] += record.took_effect
            counts["healed"] += record.healed_ns is not None
            counts["skipped"] += bool(record.reason)
        return {"by_kind": by_kind, "ledger": [_entry(one) for one in self.records.values()]}


def _entry(record: FaultRecord) -> dict[str, Any]:
    return {
        "fault": record.plan.fault_id,
        "kind": record.plan.kind,
        "at_op": record.plan.at_op,
        "fired_mono_ns": record.fired_ns,
        "healed_mono_ns": record.healed_ns,
        "took_effect": record.took_effect,
        "reason": record.reason or ("" if record.fired_ns is not None else "not reached"),
        "observation": record.observation,
    }
