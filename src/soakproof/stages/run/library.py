"""One soak of a library under way: operations dealt to workers, every one of them in the history.

Operations are sent a few at a time (``depth``), so a worker never waits for us. The history has
them before they are sent, and their answers after they were read, so the times enclose what
happened. A part of the soak begins and ends with nothing under way. Faults that take the cache's
files away are met by workers that were started under them, and everybody starts anew afterwards.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from soakproof.awake import Awake, Lapse
from soakproof.dice import stream
from soakproof.faults.fault import Fault, Site
from soakproof.faults.registry import EXCUSING, KEEPING, KINDS
from soakproof.line_writers import LineWriter
from soakproof.model import FaultPlan, Live, Operation, Outcome, Phase, Sample
from soakproof.places import Places
from soakproof.proc import Ended, processes_that_name
from soakproof.report.progress import Progress
from soakproof.rundir import RunDir
from soakproof.stages.run.cost import Cost
from soakproof.stages.run.crew import Crew, Member
from soakproof.stages.run.writing import HistoryWriter
from soakproof.targets.files import OTHER, files_by_role, integrity, measure
from soakproof.targets.target import Places as TargetPlaces
from soakproof.targets.target import Target
from soakproof.targets.worker import Reply
from soakproof.unique_values import FOREIGN, made_by, value_of
from soakproof.workload.kv import KvOp, KvPart, KvWorkload, as_operation, kv_ops, kv_parts

__all__ = ["LibrarySoak"]

_NS_PER_MS: Final = 1_000_000
_TICK_MS: Final = 10
_WRITES_VALUE: Final = frozenset({"set", "add"})
_COUNTER: Final = "c"
_ERROR_CHARS: Final = 300
_STUCK_MS: Final = 20
"""One that has not answered for so long may be waiting for what a fault holds."""

_PATIENCE: Final = 3
"""Starts in a row without an answer, after which a slot's operations fail with ``spawn``."""


class LibrarySoak:
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
        places = TargetPlaces(
            run_dir.run_id, run_dir.segment, run_dir.telemetry, run_dir.target_scratch
        )
        self._target = Target(plan["target"], tuple(self._settings["target_command"]), places)
        self._hidden = Places.load(run_dir)
        self._asked: Mapping[str, Any] = plan["campaign"]["kv"]
        self._workload = KvWorkload.of(plan["campaign"])
        self._site = Site(
            segment=run_dir.segment,
            cache_folder=self._target.cache_folder,
            lock_path=self._target.lock_path,
            roles=plan["target"]["cache"]["roles"],
            scratch=run_dir.scratch,
            protected=plan["target"]["cache"].get("protected", ()),
            databases=("database", *plan["target"]["cache"].get("integrity", ())),
        )
        self._stopping: str | None = None
        self._until_ns: int | None = None
        self._part = KvPart(Phase.COLD, None, 0, 0)
        self._part_began_ns = 0
        self._fault: Fault | None = None
        self._met: dict[int, int] = {}
        self._source: Iterator[list[KvOp]] = iter(())
        self._block: Sequence[KvOp] = ()
        self._at = 0
        self._failed_starts: dict[int, int] = {}
        self._done = 0
        self._next_sample_ns = 0
        self._next_tick_ns = 0
        self._crew: Crew
        self.cost: dict[str, Any] = {}

    def go(self) -> str | None:
        """Run all parts; return the name of the signal that stopped it, if one did."""
        self._run_dir.scratch.mkdir(exist_ok=True)
        cost = Cost()
        plan_sha256 = hashlib.sha256(self._run_dir.plan.read_bytes()).hexdigest()
        self._history.begin(self._run_dir.run_id, plan_sha256)
        if (duration_s := self._settings["duration_s"]) is not None:
            self._until_ns = self.awake.now_ns() + int(duration_s * 1e9)
        self._crew = Crew(
            self._target.command,
            self._target.env(None, os.environ),
            slots=self._settings["workers"],
            deadline_ms=self._asked["deadline_ms"],
            scratch=self._run_dir.scratch,
            listener=self,
            awake=self.awake,
        )
        with self._signals():
            try:
                self._parts()
                self._dismiss()
            finally:
                try:
                    if self._fault is not None:
                        self._fault.heal()
                finally:
                    self._crew.close()
                    self.cost = cost.document(self._done)
        self._sample()
        if self._stopping is None:
            self._probe()
            self._look_for_leftovers()
        self._history.end(self._stopping)
        return self._stopping

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into an orderly stop while the body runs."""

        def on_signal(number: int, _frame: object) -> None:
            if self._stopping:  # asked twice: no longer in order, but workers are still reaped
                raise KeyboardInterrupt
            self._stopping = signal.Signals(number).name

        numbers = (signal.SIGINT, signal.SIGTERM)
        old = {number: signal.signal(number, on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    # The parts, one after another.

    def _parts(self) -> None:
        faults = self._plan["campaign"].get("faults", ())
        seed, ops = self._settings["seed"], self._settings["ops"]
        for part in kv_parts(self._workload, faults, seed, ops):
            if self._enough():
                return
            kind = None if part.fault is None else part.fault.kind
            self._history.phase(part.phase, "begin", episode=part.episode, again=0, kind=kind)
            self._progress.phase(part.phase)
            self._run_part(part, anew=kind in EXCUSING)
            self._history.phase(part.phase, "end", episode=part.episode, again=0, kind=kind)

    def _run_part(self, part: KvPart, *, anew: bool) -> None:
        self._part, self._part_began_ns = part, self.awake.now_ns()
        self._source = kv_ops(self._workload, self._settings["seed"], part.first, part.end)
        self._block, self._at, self._met = (), 0, {}
        if anew:
            self._dismiss()
        if part.fault is not None:
            self._fault = self._make(part.fault)
        self._crew.begin()
        while self._deal() or any(map(_under_way, self._crew.members)):
            self._turn()
        if anew:
            self._dismiss()
        fault, self._fault = self._fault, None
        if fault is not None:
            fault.heal()

    def _make(self, plan: FaultPlan) -> Fault | None:
        kind = KINDS[plan.kind]
        dice = stream(self._settings["seed"], "fault params", plan.kind, plan.at_op)
        drawn = FaultPlan(
            plan.fault_id, plan.kind, plan.at_op, kind.draw(plan.params, dice), plan.episode
        )
        why_not = kind.unavailable(self._site)

        def say(event: str, detail: dict[str, Any]) -> None:
            self._history.fault(drawn, event, detail)
            self._progress.fault(drawn.fault_id, event, detail)

        if why_not:
            say("skipped", {"why": why_not})
            return None
        return kind.make(drawn, self._site, say)

    def _enough(self) -> bool:
        timed_out = self._until_ns is not None and self.awake.seen_ns() >= self._until_ns
        return timed_out or self._stopping is not None

    # Operations, dealt to workers.

    def _deal(self) -> bool:
        """Give operations to workers that have few; return whether any are left."""
        depth = self._asked["depth"]
        for member in self._crew.members:
            if self._stopping is not None:
                self._crew.kill(member, "interrupted")
                continue
            if member.child is None:
                if self._left():
                    self._start(member)
            elif member.ready and len(member.waiting) <= depth // 2 and self._admits(member):
                ops = self._take(depth - len(member.waiting))
                if ops:
                    self._send(member, ops)
        return self._left()

    def _left(self) -> bool:
        if self._enough():
            return False
        if self._at < len(self._block):
            return True
        self._block, self._at = next(self._source, ()), 0
        return bool(self._block)

    def _take(self, count: int) -> list[KvOp]:
        taken: list[KvOp] = []
        while len(taken) < count and self._left():
            some = self._block[self._at : self._at + count - len(taken)]
            self._at += len(some)
            taken += some
        return taken

    def _admits(self, member: Member) -> bool:
        """Whether a worker may be sent operations: the fault that it is to meet is there."""
        fault, pid = self._fault, member.pid
        if fault is None or pid is None or pid in self._met:
            return True
        if not fault.admits:
            # A fault that will never be there is no reason to wait for ever.
            patience_ns = self._asked["deadline_ms"] * _NS_PER_MS
            if self.awake.seen_ns() - self._part_began_ns > patience_ns:
                fault.heal()
            return fault.done
        self._met[pid] = self.awake.now_ns()
        return True

    def _send(self, member: Member, ops: list[KvOp]) -> None:
        lines = _encoded(ops)
        self._hurry(member, ops)
        now_ns = time.monotonic_ns()
        self._history.sent(self._part.phase, member.slot, member.pid, _told(ops), now_ns)
        self._crew.send(member, ops, lines)
        if self._fault is not None and not self._fault.done:
            self._fault.started(self._live(member))

    def _hurry(self, member: Member, ops: Sequence[KvOp]) -> None:
        """Tell the fault when what is left might be done before its moment comes."""
        fault, end, pid = self._fault, self._part.end, member.pid
        if fault is None or fault.done or end is None or pid is None:
            return
        left = end - 1 - ops[-1][0]
        if left <= self._asked["depth"] * len(self._crew.members):
            fault.hurry(
                self.awake.now_ns(), self._as_live(member, as_operation(ops[0], self._part))
            )

    def _start(self, member: Member) -> None:
        if self._failed_starts.get(member.slot, 0) < _PATIENCE:
            why_not = self._crew.start(member)
            if why_not is None:
                return
        else:
            why_not = f"{_PATIENCE} workers in a row ended without an answer"
        self._failed_starts[member.slot] = 0
        ops, now_ns = self._take(self._asked["depth"]), time.monotonic_ns()
        self._history.sent(self._part.phase, member.slot, None, _told(ops), now_ns)
        self._history.ended(
            Outcome.FAIL,
            member.slot,
            None,
            [[op[0], why_not] for op in ops],
            time.monotonic_ns(),
            reason="spawn",
            error=why_not,
        )
        self._done += len(ops)
        for op in ops:
            self._progress.completed(Outcome.FAIL, f"op {op[0]}", "spawn", why_not)

    # Time.

    def _turn(self) -> None:
        now_ns = self.awake.now_ns()
        if now_ns >= self._next_tick_ns:
            self._tick(now_ns)
        left_ms = max(0.0, (self._next_tick_ns - self.awake.now_ns()) / _NS_PER_MS)
        self._crew.wait(left_ms)

    def _tick(self, now_ns: int) -> None:
        self._next_tick_ns = now_ns + _TICK_MS * _NS_PER_MS
        if self._fault is not None and not self._fault.done:
            self._fault.tick(now_ns, self._lives(now_ns))
        self._crew.watch()
        if now_ns >= self._next_sample_ns:
            interval_ms: int = self._plan["campaign"]["sampling"]["interval_ms"]
            self._next_sample_ns = now_ns + interval_ms * _NS_PER_MS
            self._sample()
        self._progress.refresh()

    def _lives(self, now_ns: int) -> dict[int, Live]:
        """Return what is under way, as a fault sees it.

        Who waits for what a fault holds is told by the kernel: it has the file open and sleeps.
        A worker always has it open and often sleeps, so only one that is stuck is shown there.
        """
        plan = self._part.fault
        holds = plan is not None and plan.kind in KEEPING and self._mode() != "random"
        stuck_ns = _STUCK_MS * _NS_PER_MS if holds else 0
        lives = {}
        for member in self._crew.members:
            met = bool(member.waiting) and member.pid in self._met
            if met and now_ns - member.quiet_since_ns >= stuck_ns:
                live = self._live(member)
                lives[live.pid] = live
        return lives

    def _mode(self) -> str:
        return "" if self._fault is None else str(self._fault.plan.params.get("mode", ""))

    def _live(self, member: Member) -> Live:
        return self._as_live(member, as_operation(member.waiting[0], self._part))

    def _as_live(self, member: Member, head: Operation) -> Live:
        child = member.child
        if child is None:  # asked only of those that have operations, or are given some
            raise AssertionError

        def kill(why: str) -> None:
            self._crew.kill(member, why)

        since_ns = self._met.get(child.pid, member.sent_ns)
        return Live(head, child.pid, since_ns, kill, child.send)

    def _dismiss(self) -> None:
        """End all workers in order: they read the end of their input."""
        self._crew.begin()
        self._crew.dismiss()
        while self._crew.running:
            self._turn()

    # What the crew tells.

    def greeted(self, member: Member) -> None:
        """Write who has come."""
        hello = member.hello
        if hello is not None:
            detail = {
                "worker": member.slot,
                "pid": member.pid,
                "library": hello.library,
                "version": hello.version,
                "operations": hello.operations,
            }
            self._history.probe("worker", detail)

    def answered(self, member: Member, replies: Sequence[tuple[KvOp, Reply]], mono_ns: int) -> None:
        """Write what came back, the errors by themselves."""
        self._failed_starts[member.slot] = 0
        oks = [[op[0], _answer(op, reply)] for op, reply in replies if reply.ok]
        if oks:
            self._history.ended(Outcome.OK, member.slot, member.pid, oks, mono_ns)
            self._progress.answered(len(oks))
        refused = [(op, reply.error) for op, reply in replies if not reply.ok]
        if refused:
            told = [[op[0], self._shown(error)] for op, error in refused]
            self._history.ended(
                Outcome.FAIL, member.slot, member.pid, told, mono_ns, reason="refused"
            )
            for op, error in refused:
                self._progress.completed(Outcome.FAIL, f"op {op[0]}", "refused", error)
        self._done += len(replies)
        if self._fault is not None and not self._fault.done and member.killed_for is None:
            head = as_operation(replies[-1][0], self._part)
            pid = member.pid or 0
            self._fault.ended(
                Live(head, pid, member.sent_ns, lambda _: None, lambda _: False), None
            )

    def gone(self, member: Member, pid: int, ended: Ended, reason: str, error: str) -> None:
        """Write what had no answer: it may have happened."""
        lost = list(member.waiting)
        member.waiting.clear()
        orderly = member.leaving and not lost and ended.exit_code == 0
        if orderly:
            return
        if not member.answered:
            self._failed_starts[member.slot] = self._failed_starts.get(member.slot, 0) + 1
        self._history.ended(
            Outcome.INFO,
            member.slot,
            pid,
            [[op[0]] for op in lost],
            ended.ended_ns,
            reason=reason,
            error=self._shown(error) or None,
            exit_code=ended.exit_code,
            signal=ended.signal,
            user_ms=ended.user_ms,
            sys_ms=ended.sys_ms,
            max_rss_kb=ended.max_rss_kb,
            stderr_bytes=self._crew.stderr_bytes(member),
            detail=member.findings,
        )
        self._done += len(lost)
        for op in lost:
            self._progress.completed(Outcome.INFO, f"op {op[0]}", reason, None)
        fault, last = self._fault, lost[0] if lost else member.last
        if fault is not None and not fault.done and last is not None:
            head = as_operation(last, self._part)
            live = Live(head, pid, member.sent_ns, lambda _: None, lambda _: False)
            fault.ended(live, ended.signal)

    def _shown(self, text: str) -> str:
        printable = "".join(char if char.isprintable() else " " for char in text[:_ERROR_CHARS])
        return self._hidden.hide(self._target.normal(printable.encode()).decode())

    def lapsed(self, lapse: Lapse) -> None:
        """Write that time was lost, or that the clock was set."""
        self._history.lapse(lapse)
        self._progress.lapse(lapse.what, lapse.ms)

    # What is looked at beside the operations.

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

    def _look_for_leftovers(self) -> None:
        roles = self._plan["target"]["cache"]["roles"]
        strangers = files_by_role(self._target.cache_folder, roles)[OTHER]
        processes = processes_that_name(str(self._run_dir.segment))
        detail = {"processes": len(processes), "files": [entry.name for entry in strangers]}
        self._history.probe("leftovers", detail)

    def _probe(self) -> None:
        cache = self._plan["target"]["cache"]
        found = files_by_role(self._target.cache_folder, cache["roles"])
        for role in cache.get("integrity", ()):
            for entry in found.get(role, ()):
                result, tables = integrity(entry.path)
                size = entry.path.stat().st_size
                detail = {"file": entry.name, "role": role, "result": result, "db_bytes": size}
                self._history.probe("integrity", detail | {"tables": tables})
                self._progress.say(f"integrity_check of {entry.name}: {result}")


def _under_way(member: Member) -> bool:
    """Whether a worker has operations, or its end, that was asked for, has not come yet."""
    return bool(member.waiting) or (member.child is not None and member.killed_for is not None)


def _encoded(ops: Sequence[KvOp]) -> bytes:
    """Return the lines of operations; keys and values hold nothing that JSON would escape."""
    lines = []
    for number, kind, key, arg in ops:
        if kind in _WRITES_VALUE:
            value = value_of(number, key, arg)
            lines.append(f'{{"id":{number},"op":"{kind}","key":"{key}","value":"{value}"}}\n')
        elif kind == "incr":
            lines.append(f'{{"id":{number},"op":"incr","key":"{key}","value":{arg}}}\n')
        else:
            lines.append(f'{{"id":{number},"op":"{kind}","key":"{key}"}}\n')
    return "".join(lines).encode()


def _told(ops: Sequence[KvOp]) -> Sequence[Any]:
    return [op if op[3] else op[:3] for op in ops]


def _answer(op: KvOp, reply: Reply) -> int | bool | str | None:
    """Return an answer as the history tells it: a value by the write that made it."""
    answer, kind, key = reply.answer, op[1], op[2]
    said: int | bool
    if answer is None:
        return None
    if kind == "get" and not key.startswith(_COUNTER):
        return made_by(answer, key)
    wanted = int if kind in {"get", "incr"} else bool
    if type(answer) is wanted:
        said = answer
        return said
    return FOREIGN + repr(answer)[:_ERROR_CHARS]
