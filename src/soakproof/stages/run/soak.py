"""One soak under way: what the storm tells goes to history, samples and progress."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.awake import Awake, Lapse
from soakproof.faults.fault import Site, Start
from soakproof.faults.planning import planner_of
from soakproof.line_writers import LineWriter
from soakproof.model import Live, Operation, Outcome, Phase, Sample
from soakproof.proc import Ended, processes_that_name
from soakproof.report.progress import Progress
from soakproof.rundir import RunDir
from soakproof.stages.run.active import Active, Editing
from soakproof.stages.run.cost import Cost
from soakproof.stages.run.writing import HistoryWriter
from soakproof.targets.beside import sound_by_command
from soakproof.targets.command import resolve_command
from soakproof.targets.files import OTHER, files_by_role, integrity, measure
from soakproof.targets.target import Places, Target
from soakproof.workload.ground import Ground
from soakproof.workload.inputs import InputWatch, keep_originals
from soakproof.workload.schedule import Workload
from soakproof.workload.script import edits_of, operations_of
from soakproof.workload.segment import listed
from soakproof.workload.storm import Launch, Running, Storm

__all__ = ["Soak"]

_NS_PER_MS: Final = 1_000_000
_ERROR_CHARS: Final = 300
_STDERR_TAIL_BYTES: Final = 4096

_ALARMING: Final = (b"traceback", b"malformed", b"database is locked", b"disk i/o error")
"""What no operation that gave an answer may have on its standard error."""

_MIN_CHAR: Final = 32
"""Below: control characters, which do not belong in a line for people."""


class Soak:
    """A soak of one plan; :meth:`go` runs it, then ``cost`` says what the harness used.

    ``awake`` is the clock of durations and deadlines.

    Args:
        plan: the validated plan.
        run_dir: where everything is written.
        history: takes every step.
        samples: takes the sizes of the cache's files.
        progress: is told.
    """

    def __init__(
        self,
        plan: Mapping[str, Any],
        run_dir: RunDir,
        history: HistoryWriter,
        samples: LineWriter,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._run_dir = run_dir
        self._history = history
        self._samples = samples
        self._progress = progress
        self.awake = Awake()
        self._settings = {name: one["value"] for name, one in plan["settings"].items()}
        places = Places(run_dir.run_id, run_dir.segment, run_dir.telemetry, run_dir.target_scratch)
        self._target = Target(plan["target"], tuple(self._settings["target_command"]), places)
        self._workload = Workload.of(plan["campaign"], plan["target"], plan["segment"])
        self._cwd = self._target.cwd
        for folder in (run_dir.scratch, run_dir.target_scratch, run_dir.answers, run_dir.versions):
            folder.mkdir(exist_ok=True)
        self._watch = self._make_watch()
        self._active = self._make_active()
        self._live: dict[int, Live] = {}
        self._base_env = dict(os.environ)
        self._left_env = self._target.left_of(self._base_env)
        self._done = 0
        self._kept_sha256: set[str] = set()
        self.cost: dict[str, Any] = {}
        self._next_sample_ns = 0
        self._until_ns: int | None = None

    def go(self) -> str | None:
        """Run all phases; return the name of the signal that stopped it, if one did."""
        plan_sha256 = hashlib.sha256(self._run_dir.plan.read_bytes()).hexdigest()
        self._history.begin(self._run_dir.run_id, plan_sha256)
        cost = Cost()
        for one in self._plan.get("outside_contract", ()):
            self._progress.say(f"beyond what the target promises: {one}")
        storm = Storm(
            slots=self._settings["workers"],
            deadline_ms=self._plan["campaign"]["workload"]["deadline_ms"],
            listener=self,
            scratch=self._run_dir.scratch,
            awake=self.awake,
        )
        with storm.signals():
            try:
                self._phases(storm)
            finally:
                storm.close()
                self._active.settle(self.awake.now_ns(), None)
        self.cost = cost.document(self._done)
        self._sample()
        self._look_at_inputs(last=True)
        if storm.stopping is None:
            self._probe()
            self._look_for_leftovers()
        self._history.end(storm.stopping)
        return storm.stopping

    def _make_watch(self) -> InputWatch:
        inputs = self._plan["segment"].get("inputs")
        versions = self._run_dir.versions
        if inputs is None:  # a copy of the library can be made again: it is looked at, not kept
            inputs = listed(self._run_dir.segment, self._target.cache_folder)
        else:
            keep_originals(self._run_dir.segment, inputs, versions)
        return InputWatch(self._run_dir.segment, inputs, versions)

    def _make_active(self) -> Active:
        cache = self._plan["target"]["cache"]
        site = Site(
            segment=self._run_dir.segment,
            cache_folder=self._target.cache_folder,
            lock_path=self._target.lock_path,
            roles=cache["roles"],
            scratch=self._run_dir.scratch,
            protected=cache.get("protected", ()),
            databases=("database", *cache.get("integrity", ())),
        )
        ground = Ground.of(self._plan["target"], self._plan["segment"])
        return Active(
            planner_of(self._plan, self._workload.writers),
            site,
            Editing(edits_of(self._plan), ground, self._run_dir.versions, self._watch),
            self._history,
            self._progress,
            self.awake,
        )

    def _phases(self, storm: Storm) -> None:
        if (duration_s := self._settings["duration_s"]) is not None:
            self._until_ns = self.awake.now_ns() + int(duration_s * 1e9)
        operations = operations_of(self._plan)
        # Each part ends before the next begins: what is asked after an episode comes after it.
        for part, group in itertools.groupby(
            operations, key=lambda op: (op.phase, op.episode, op.again)
        ):
            phase, episode, again = part
            self._history.phase(phase, "begin", episode=episode, again=again)
            self._progress.phase(phase)
            storm.run(self._planned(group), enough=self._time_is_up)
            if phase is Phase.STORM:
                self._active.settle(self.awake.now_ns(), episode)
            self._look_at_inputs(last=False)
            self._history.phase(phase, "end", episode=episode, again=again)
            if storm.stopping or self._time_is_up():
                break  # before groupby skips what is left of a phase without end

    def _planned(self, operations: Iterator[Operation]) -> Iterator[Operation]:
        for operation in operations:
            self._active.plan(operation)
            yield operation

    def _time_is_up(self) -> bool:
        return self._until_ns is not None and self.awake.seen_ns() >= self._until_ns

    # What the storm asks and tells.

    def ready(self, operation: Operation) -> bool:
        """An operation with a fault before it waits until the fault has fired, or never will."""
        return self._active.ready(operation)

    def launch(self, operation: Operation) -> Launch:
        """Say how to start an operation."""
        env = {**self._left_env, **self._target.own_env(operation)}
        start = Start(self._target.argv(operation), env)
        start = self._active.change(operation, start)
        return Launch(start.argv, start.env, self._cwd)

    def invoked(self, running: Running) -> None:
        """Write the invoke, with the time from before the process was made."""
        self._history.invoke(running.operation, running.worker, running.child.started_ns)
        live = _live(running)
        self._live[running.child.pid] = live
        self._active.started(live)

    def not_started(self, operation: Operation, worker: int, problem: OSError) -> None:
        """Write an operation for which no process could be made: it certainly did not happen."""
        self._history.invoke(operation, worker, time.monotonic_ns())
        self._history.complete(operation, worker, Outcome.FAIL, reason="spawn", error=str(problem))
        self._done += 1
        self._progress.completed(Outcome.FAIL, operation.op_id, "spawn", str(problem))

    def completed(self, running: Running, ended: Ended) -> None:
        """Judge what came back and write the completion."""
        live = self._live.pop(running.child.pid)
        given = self._given(running)
        raw = None if given is None else self._target.placeless(given, running.operation)
        answer = b"" if raw is None else self._target.normal(raw)
        tail, stderr_bytes = running.capture.complaint(_STDERR_TAIL_BYTES)
        outcome, reason = self._target.judge(running.operation, ended.exit_code, raw)
        if running.killed_for and outcome is not Outcome.OK:
            outcome, reason = Outcome.INFO, running.killed_for
        last = _printable(self._target.placeless(tail))
        error = last[-_ERROR_CHARS:] if outcome is not Outcome.OK and last else None
        found = _findings(running, tail)
        if outcome is Outcome.OK and (hit := self._hit(running)) is not None:
            found = {**(found or {}), "hit": hit}
        self._history.complete(
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
            answer_sha256=self._kept(answer) if answer else None,
            raw_sha256=self._kept(raw) if raw and raw != answer else None,
            answer_bytes=len(answer),
            stderr_bytes=stderr_bytes,
            reason=reason,
            error=error,
            detail=found,
        )
        self._done += 1
        self._progress.completed(outcome, running.operation.op_id, reason, error)
        self._active.ended(live, ended.signal)

    def lapsed(self, lapse: Lapse) -> None:
        """Write that time was lost, or that the clock was set."""
        self._history.lapse(lapse)
        self._progress.lapse(lapse.what, lapse.ms)

    def tick(self, _running: Mapping[int, Running]) -> int:
        """Drive faults and edits, sample, show progress; return milliseconds until the next."""
        now_ns = self.awake.now_ns()
        soon_ms = self._active.tick(now_ns, dict(self._live))
        interval_ms: int = self._plan["campaign"]["sampling"]["interval_ms"]
        if now_ns >= self._next_sample_ns:
            self._next_sample_ns = now_ns + interval_ms * _NS_PER_MS
            self._sample()
        self._progress.refresh()
        return interval_ms if soon_ms is None else min(interval_ms, soon_ms)

    # What came back.

    def _given(self, running: Running) -> bytes | None:
        """Return what an operation gave as its answer; ``None``: the file for it is not there."""
        path = self._target.answer_file(running.operation)
        if path is None:
            on_stderr = self._target.answer_stream(running.operation) == "stderr"
            capture = running.capture
            return capture.complaints() if on_stderr else capture.answer()
        try:
            given = path.read_bytes()
            path.unlink()
        except OSError:  # it was not written, or the operation made something else of the name
            return None
        return given

    def _hit(self, running: Running) -> bool | None:
        if "hits" not in self._plan["target"]:
            return None
        return self._target.hit(running.capture.answer(), running.capture.complaints())

    # What is kept.

    def _kept(self, answer: bytes) -> str:
        """Keep a distinct answer, so that a wrong one can be shown."""
        sha256 = hashlib.sha256(answer).hexdigest()
        if sha256 not in self._kept_sha256:
            path = self._run_dir.answers / sha256
            if not path.exists():
                path.write_bytes(answer)
            self._kept_sha256.add(sha256)
        return sha256

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

    def _look_at_inputs(self, *, last: bool) -> None:
        """Look whether an operation changed what it was asked about; told when it did, or last."""
        found = self._watch.look()
        if found["changed"] or last:
            self._history.probe("inputs", found)
        for one in found["changed"]:
            self._progress.say(f"input changed without an edit: {one['path']}")

    def _look_for_leftovers(self) -> None:
        """Look for what the subject left: processes, and files that play no known part."""
        roles = self._plan["target"]["cache"]["roles"]
        strangers = files_by_role(self._target.cache_folder, roles)[OTHER]
        processes = processes_that_name(str(self._run_dir.segment))
        detail = {"processes": len(processes), "files": [file.name for file in strangers]}
        self._history.probe("leftovers", detail)

    def _probe(self) -> None:
        cache = self._plan["target"]["cache"]
        found = files_by_role(self._target.cache_folder, cache["roles"])
        for role in cache.get("integrity", ()):
            for file in found.get(role, ()):
                result, tables = integrity(file.path)
                size = file.path.stat().st_size
                detail = {"file": file.name, "role": role, "result": result, "db_bytes": size}
                self._history.probe("integrity", detail | {"tables": tables})
                self._progress.say(f"integrity_check of {file.name}: {result}")
        if "integrity_command" in cache:
            argv = self._target.beside(resolve_command(cache["integrity_command"], "the target"))
            env = self._target.env(None, self._base_env)
            result = sound_by_command(argv, env, self._cwd)
            sizes, _ = measure(self._target.cache_folder, cache["roles"])
            detail = {"file": Path(argv[0]).name, "role": "cache", "result": result}
            detail |= {"db_bytes": sum(sizes.values()), "tables": {}}
            self._history.probe("integrity", detail)
            self._progress.say(f"integrity_command {detail['file']}: {result}")


def _live(running: Running) -> Live:
    child = running.child

    def kill(why: str) -> None:
        running.killed_for = running.killed_for or why
        child.kill_group()

    def send(number: signal.Signals) -> bool:
        return child.send(number)

    return Live(running.operation, child.pid, running.since_ns, kill, send)


def _findings(running: Running, tail: bytes) -> dict[str, Any] | None:
    found = dict(running.findings or {})
    if b"Traceback (most recent call last)" in tail:
        found["traceback"] = True
    patterns = [word.decode() for word in _ALARMING if word in tail.lower()]
    if patterns:
        found["patterns"] = patterns
    return found or None


def _printable(tail: bytes) -> str:
    last = tail.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return "".join(char if ord(char) >= _MIN_CHAR else " " for char in last)
