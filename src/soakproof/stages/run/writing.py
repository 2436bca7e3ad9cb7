"""Write the history: one method a type of line, numbered and stamped here."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from soakproof.awake import Lapse
from soakproof.line_writers import ChainedLineWriter
from soakproof.model import (
    SCHEMA_VERSION,
    EditPlan,
    FaultPlan,
    Operation,
    Outcome,
    Phase,
)

__all__ = ["HistoryWriter"]


class HistoryWriter:
    """The one writer of a run's history.

    Args:
        lines: the file.
    """

    def __init__(self, lines: ChainedLineWriter) -> None:
        self._lines = lines
        self._sequence = itertools.count()

    def begin(self, run_id: str, plan_sha256: str) -> None:
        """The run begins."""
        self._write(
            "run",
            event="begin",
            schema_version=SCHEMA_VERSION,
            run_id=run_id,
            plan_sha256=plan_sha256,
        )

    def end(self, stopped_by: str | None) -> None:
        """The run ends, or was interrupted by a signal."""
        self._write("run", event="interrupted" if stopped_by else "end", reason=stopped_by)

    def phase(
        self, phase: Phase, event: str, *, episode: int | None, again: int, kind: str | None = None
    ) -> None:
        """A phase, or a part of an episode, begins or ends; ``kind``: of the episode's fault."""
        self._write(
            "phase", event=event, phase=phase, episode=episode, again=again or None, kind=kind
        )

    def invoke(self, operation: Operation, worker: int, mono_ns: int) -> None:
        """An operation is started; ``mono_ns`` is from before its process was made."""
        self._write(
            "invoke",
            mono_ns=mono_ns,
            op=operation.op_id,
            index=operation.index,
            worker=worker,
            phase=operation.phase,
            episode=operation.episode,
            again=operation.again or None,
            kind=operation.kind,
            key=operation.key,
        )

    def complete(
        self,
        operation: Operation,
        worker: int,
        outcome: Outcome,
        **fields: Any,  # noqa: ANN401 - fields of a history line
    ) -> None:
        """An operation ended."""
        self._write(
            outcome.value,
            op=operation.op_id,
            index=operation.index,
            worker=worker,
            kind=operation.kind,
            **fields,
        )

    def sent(
        self, phase: Phase, worker: int, pid: int | None, ops: Sequence[Any], mono_ns: int
    ) -> None:
        """Operations are about to be sent to a worker; call it before they are."""
        self._batch("invoke", mono_ns, {"phase": phase, "worker": worker, "pid": pid, "ops": ops})

    def ended(
        self,
        outcome: Outcome,
        worker: int,
        pid: int | None,
        ops: Sequence[Any],
        mono_ns: int,
        **fields: Any,  # noqa: ANN401 - fields of a history line
    ) -> None:
        """Operations of one worker ended alike."""
        named = {"worker": worker, "pid": pid, **fields, "ops": ops}
        self._batch(outcome.value, mono_ns, named)

    def fault(self, plan: FaultPlan, event: str, detail: dict[str, Any]) -> None:
        """A step of a fault."""
        self._write(
            "fault",
            event=event,
            fault=plan.fault_id,
            kind=plan.kind,
            index=plan.at_op,
            episode=plan.episode,
            detail=detail,
        )

    def edit(
        self, plan: EditPlan, event: str, path: str, version: str, detail: dict[str, Any]
    ) -> None:
        """A step of an edit begins or has ended, or what was there before the first."""
        self._write(
            "edit",
            event=event,
            edit=plan.edit_id,
            kind=plan.kind,
            key=plan.key,
            index=plan.at_op,
            path=path,
            version=version,
            detail=detail,
        )

    def probe(self, kind: str, detail: dict[str, Any]) -> None:
        """A look at the subject's files after the last operation."""
        self._write("probe", kind=kind, detail=detail)

    def lapse(self, lapse: Lapse) -> None:
        """A clock did not go on as it does: somebody stood still, or it was set."""
        self._write("probe", kind="clock", detail={"what": lapse.what, "ms": lapse.ms})

    def _batch(self, line_type: str, mono_ns: int, fields: dict[str, Any]) -> None:
        given = {name: value for name, value in fields.items() if value is not None}
        line = {"seq": next(self._sequence), "type": line_type, "mono_ns": mono_ns, **given}
        self._lines.write_json_object(msgspec.json.encode(line))

    def _write(
        self,
        line_type: Any,  # noqa: ANN401 - a HistoryType
        /,
        *,
        mono_ns: int | None = None,
        **fields: Any,  # noqa: ANN401 - fields of a history line
    ) -> None:
        at_ns = time.monotonic_ns() if mono_ns is None else mono_ns
        given = {name: value for name, value in fields.items() if value is not None}
        # No HistoryLine is made: most of its thirty fields are None, and that is what would cost.
        line = {"seq": next(self._sequence), "type": line_type, "mono_ns": at_ns, **given}
        self._lines.write(line)
