"""Stage run: the storm. Real processes, real faults, every step in the history as it happens.

Reads ``plan.json``; writes ``history.jsonl``, ``samples.jsonl``, ``soak_run.log`` and at the end
``run.json``. Whatever ends it, children are reaped, faults healed and lines on disk readable.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import os
import resource
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.errors import Interrupted, UsageError
from soakproof.evidence.environment import environment_record
from soakproof.evidence.revision import HARNESS_PREFIXES, checkout_record, package_record
from soakproof.faults.lock_hold import LockHold
from soakproof.faults.planning import FaultPlanner
from soakproof.model import (
    SCHEMA_VERSION,
    FaultPlan,
    HistoryLine,
    Operation,
    Outcome,
    Phase,
    Sample,
)
from soakproof.proc import Ended
from soakproof.report.progress import Progress
from soakproof.rundir import LineWriter, Project, RunDir, write_json
from soakproof.targets.command import about
from soakproof.targets.files import files_by_role, integrity, measure
from soakproof.targets.target import Places, Target
from soakproof.workload.schedule import Workload, schedule
from soakproof.workload.storm import Launch, Running, Storm

__all__ = ["run"]

_NS_PER_MS: Final = 1_000_000
_FAULT_TICK_MS: Final = 10
"""While a fault is under way: it looks for a waiter, and lets go, in steps of this."""
_ERROR_CHARS: Final = 300
_STDERR_TAIL_BYTES: Final = 4096


def run(project: Project, run_dir: RunDir) -> None:
    """Run the plan of a run directory.

    Args:
        project: the checkout whose commit is recorded.
        run_dir: a run directory that ``clean`` made.

    Raises:
        UsageError: this run directory was run already.
        Interrupted: Ctrl-C or SIGTERM; what was done so far is on disk.
    """
    plan = schema.load_json(run_dir.plan, "plan", hint="make it with `soakproof clean`")
    if run_dir.history.exists():
        message = (
            f"{run_dir.history}: expected none yet, found one; a run directory is run once: "
            "begin another with `soakproof clean`"
        )
        raise UsageError(message)
    started_at = _now()
    with LineWriter(run_dir.history) as history, LineWriter(run_dir.samples) as samples:
        settings = plan["settings"]
        total, duration_s = settings["ops"]["value"], settings["duration_s"]["value"]
        with Progress(run_dir.log, total=total, duration_s=duration_s) as progress:
            soak = _Soak(plan, run_dir, history, samples, progress)
            stopped_by = soak.go()
    state = "interrupted" if stopped_by else "completed"
    document = _run_document(project, run_dir, plan, state=state, started_at=started_at)
    schema.check(document, "run", run_dir.run)
    write_json(run_dir.run, document)
    if stopped_by:
        message = f"stopped by {stopped_by}; the run so far is readable in {run_dir.path}"
        raise Interrupted(message)


class _Soak:
    """One soak under way: what the storm tells goes to history, samples and progress."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        run_dir: RunDir,
        history: LineWriter,
        samples: LineWriter,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._run_dir = run_dir
        self._history = history
        self._samples = samples
        self._progress = progress
        settings = {name: setting["value"] for name, setting in plan["settings"].items()}
        self._settings = settings
        places = Places(run_dir.run_id, run_dir.segment, run_dir.telemetry)
        self._target = Target(plan["target"], tuple(settings["target_command"]), places)
        self._workload = Workload.of(plan["campaign"], plan["target"], plan["segment"]["modules"])
        faults = plan["campaign"].get("faults", ())
        self._planner = FaultPlanner(faults, settings["seed"], self._workload.writers)
        self._faults: dict[int, LockHold] = {}
        self._base_env = dict(os.environ)
        self._sequence = itertools.count()
        self._done = 0
        self._next_sample_ns = 0
        self._until_ns: int | None = None

    def go(self) -> str | None:
        """Run both phases; return the name of the signal that stopped it, if one did."""
        self._run_dir.scratch.mkdir(exist_ok=True)
        plan_sha256 = hashlib.sha256(self._run_dir.plan.read_bytes()).hexdigest()
        self._write(
            "run",
            event="begin",
            schema_version=SCHEMA_VERSION,
            run_id=self._run_dir.run_id,
            plan_sha256=plan_sha256,
        )
        storm = Storm(
            slots=self._settings["workers"],
            deadline_ms=self._plan["campaign"]["workload"]["deadline_ms"],
            listener=self,
            scratch=self._run_dir.scratch,
        )
        with storm.signals():
            try:
                self._phases(storm)
            finally:
                storm.close()
                for fault in self._faults.values():
                    fault.heal()
        self._sample()
        if storm.stopping is None:
            self._probe()
        self._write("run", event="interrupted" if storm.stopping else "end", reason=storm.stopping)
        return storm.stopping

    def _phases(self, storm: Storm) -> None:
        if (duration_s := self._settings["duration_s"]) is not None:
            self._until_ns = time.monotonic_ns() + int(duration_s * 1e9)
        operations = schedule(self._workload, self._settings["seed"], self._settings["ops"])
        for phase, part in itertools.groupby(operations, key=lambda op: op.phase):
            self._write("phase", event="begin", phase=phase)
            self._progress.phase(phase)
            storm.run(self._with_faults(part), enough=self._time_is_up)
            self._write("phase", event="end", phase=phase)
            if storm.stopping or self._time_is_up():
                break  # before groupby skips what is left of a phase without end

    def _with_faults(self, operations: Iterator[Operation]) -> Iterator[Operation]:
        for operation in operations:
            for fault in self._planner.consider(operation):
                say = self._sayer(fault)
                self._faults[operation.index] = LockHold(fault, self._target.lock_path, say)
            yield operation

    def _time_is_up(self) -> bool:
        return self._until_ns is not None and time.monotonic_ns() >= self._until_ns

    # What the storm asks and tells.

    def ready(self, operation: Operation) -> bool:
        """An operation with a fault before it waits until the fault has fired, or never will."""
        fault = self._faults.get(operation.index)
        return fault is None or fault.fired

    def launch(self, operation: Operation) -> Launch:
        """Say how to start an operation."""
        return Launch(self._target.argv(operation), self._target.env(operation, self._base_env))

    def invoked(self, running: Running) -> None:
        """Write the invoke, with the time from before the process was made."""
        self._write_invoke(running.operation, running.worker, running.child.started_ns)

    def not_started(self, operation: Operation, worker: int, problem: OSError) -> None:
        """Write an operation for which no process could be made: it certainly did not happen."""
        self._write_invoke(operation, worker, time.monotonic_ns())
        self._complete(operation, worker, Outcome.FAIL, reason="spawn", error=str(problem))

    def completed(self, running: Running, ended: Ended) -> None:
        """Judge what came back and write the completion."""
        answer = running.capture.answer()
        tail, stderr_bytes = running.capture.complaint(_STDERR_TAIL_BYTES)
        outcome, reason = self._target.judge(ended.exit_code, answer)
        if running.killed_for and outcome is not Outcome.OK:
            outcome, reason = Outcome.INFO, running.killed_for
        last = tail.decode("utf-8", "replace").strip().rpartition("\n")[2]
        self._complete(
            running.operation,
            running.worker,
            outcome,
            mono_ns=ended.ended_ns,
            pid=running.child.pid,
            exit_code=ended.exit_code,
            signal=ended.signal,
            wall_ms=round((ended.ended_ns - running.child.started_ns) / _NS_PER_MS, 3),
            user_ms=ended.user_ms,
            sys_ms=ended.sys_ms,
            max_rss_kb=ended.max_rss_kb,
            answer_sha256=hashlib.sha256(answer).hexdigest() if outcome is Outcome.OK else None,
            answer_bytes=len(answer),
            stderr_bytes=stderr_bytes,
            reason=reason,
            error=last[:_ERROR_CHARS] if outcome is not Outcome.OK and last else None,
        )

    def tick(self, running: Mapping[int, Running]) -> int:
        """Drive faults, sample, show progress; return milliseconds until the next tick."""
        now_ns = time.monotonic_ns()
        live = {one.child.pid: one.operation.op_id for one in running.values()}
        for fault in self._faults.values():
            fault.tick(now_ns, live)
        self._faults = {at: fault for at, fault in self._faults.items() if not fault.done}
        interval_ms: int = self._plan["campaign"]["sampling"]["interval_ms"]
        if now_ns >= self._next_sample_ns:
            self._next_sample_ns = now_ns + interval_ms * _NS_PER_MS
            self._sample()
        self._progress.refresh()
        return min(interval_ms, _FAULT_TICK_MS) if self._faults else interval_ms

    # What is written.

    def _write(self, line_type: Any, /, *, mono_ns: int | None = None, **fields: Any) -> None:  # noqa: ANN401
        at_ns = time.monotonic_ns() if mono_ns is None else mono_ns
        self._history.write(
            HistoryLine(seq=next(self._sequence), type=line_type, mono_ns=at_ns, **fields)
        )

    def _write_invoke(self, operation: Operation, worker: int, mono_ns: int) -> None:
        self._write(
            "invoke",
            mono_ns=mono_ns,
            op=operation.op_id,
            index=operation.index,
            worker=worker,
            phase=operation.phase,
            kind=operation.kind,
            key=operation.key,
        )

    def _complete(
        self, operation: Operation, worker: int, outcome: Outcome, **fields: Any  # noqa: ANN401
    ) -> None:
        self._write(
            outcome.value,
            op=operation.op_id,
            index=operation.index,
            worker=worker,
            kind=operation.kind,
            **fields,
        )
        self._done += 1
        self._progress.completed(outcome, operation.op_id, fields.get("reason"), fields.get("error"))

    def _sayer(self, fault: FaultPlan) -> Any:  # noqa: ANN401 - a closure
        def say(event: str, detail: dict[str, Any]) -> None:
            self._write(
                "fault",
                event=event,
                fault=fault.fault_id,
                kind=fault.kind,
                index=fault.at_op,
                detail=detail,
            )
            self._progress.fault(fault.fault_id, event, detail)

        return say

    def _sample(self) -> None:
        sizes, counts = measure(self._target.cache_folder, self._plan["target"]["cache"]["roles"])
        self._samples.write(
            Sample(
                mono_ns=time.monotonic_ns(),
                ops_done=self._done,
                bytes_by_role=sizes,
                files_by_role=counts,
            )
        )

    def _probe(self) -> None:
        cache = self._plan["target"]["cache"]
        found = files_by_role(self._target.cache_folder, cache["roles"])
        for role in cache["integrity"]:
            for entry in found.get(role, ()):
                result, tables = integrity(Path(entry.path))
                size = entry.stat().st_size
                detail = {"file": entry.name, "role": role, "result": result, "db_bytes": size}
                self._write("probe", kind="integrity", detail=detail | {"tables": tables})
                self._progress.say(f"integrity_check of {entry.name}: {result}")


def _run_document(
    project: Project, run_dir: RunDir, plan: Mapping[str, Any], *, state: str, started_at: str
) -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    here = Path(soakproof.__file__).resolve().parent
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_dir.run_id,
        "state": state,
        "started_at_utc": started_at,
        "ended_at_utc": _now(),
        "subject": _subject(project, plan),
        "harness": package_record(
            "soakproof",
            metadata.version("soakproof"),
            here,
            project.root,
            HARNESS_PREFIXES,
        ),
        "checkout": checkout_record(project.root),
        "environment": environment_record(run_dir.path),
        "harness_cost": {
            "user_ms": round(used.ru_utime * 1000, 1),
            "sys_ms": round(used.ru_stime * 1000, 1),
            "max_rss_kb": used.ru_maxrss,
        },
    }


def _subject(project: Project, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Say which wheel of the subject ran, by what it says of itself and by its files."""
    target = plan["target"]
    source = target.get("source", {})
    name = source.get("distribution", target["name"])
    if "about" not in target:
        unknown = {"editable": False, "wheel_sha256": None, "commit": None, "differs": []}
        return {"name": name, "version": "unknown", **unknown}
    said = about(plan["settings"]["target_command"]["value"], target["about"])
    prefixes = {source["prefix"]: "."} if "prefix" in source else {}
    return package_record(name, said["version"], Path(said["package_dir"]), project.root, prefixes)


def _now() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
