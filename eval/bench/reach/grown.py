"""A run of any size, made of a real one: its operations again, in the schedule of a new plan.

What an operation of the real run took, answered and told of itself, an operation of the grown one
on the same key takes, answers and tells; so every stage after ``run`` has honest work to do.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof import schema
from soakproof.line_writers import ChainedLineWriter
from soakproof.model import Operation, Outcome, Phase
from soakproof.places import Places, reveal_plan
from soakproof.rundir import RunDir, as_json
from soakproof.stages.run.writing import HistoryWriter
from soakproof.workload.script import operations_of
from speed.process import MeasurementError

__all__ = ["Seen", "by_key", "grow"]

_BEGIN_NS: Final = 10**12
_GAP_NS: Final = 200_000
_SAMPLE_NS: Final = 100_000_000
_KEPT: Final = (
    *("pid", "exit_code", "wall_ms", "user_ms", "sys_ms", "max_rss_kb"),
    *("answer_sha256", "raw_sha256", "answer_bytes", "stderr_bytes", "detail"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """An operation of the real run.

    Args:
        began_ns: when it was started.
        ended: its completion's fields.
        events: what it told.
    """

    began_ns: int
    ended: Mapping[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, order=True)
class _Ending:
    """An operation under way."""

    at_ns: int
    index: int
    worker: int
    operation: Operation = field(compare=False)
    seen: Seen = field(compare=False)


def by_key(
    history: Sequence[Mapping[str, Any]], events: Sequence[dict[str, Any]]
) -> dict[tuple[str, bool], list[Seen]]:
    """Return what was seen by key, and whether it was the key's first operation.  Pure.

    Raises:
        MeasurementError: an operation had no answer; a calm run has none of those.
    """
    began = {line["op"]: line for line in history if line["type"] == "invoke"}
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        told[event["x"]["op"]].append(event)
    found: dict[tuple[str, bool], list[Seen]] = defaultdict(list)
    asked: set[str] = set()
    ends = {line["op"]: line for line in history if line["type"] in set(Outcome)}
    for op, line in began.items():
        if ends.get(op, {}).get("type") != Outcome.OK:
            raise MeasurementError(f"expected every operation answered, found {ends.get(op)}")
        found[line["key"], line["key"] not in asked].append(
            Seen(line["mono_ns"], ends[op], told[op])
        )
        asked.add(line["key"])
    return found


def grow(small: RunDir, big: RunDir) -> None:
    """Write into a planned run what ``run`` would have left there."""
    plan = reveal_plan(big, schema.load_json(big.plan, "plan", hint=""))
    lines = [json.loads(line) for line in small.history.read_bytes().splitlines()]
    told_files = sorted(small.telemetry.glob(plan["target"]["telemetry"]["glob"]))
    told = [line for path in told_files for line in path.read_bytes().splitlines() if line]
    found = by_key(lines, [json.loads(line) for line in told])
    events = big.telemetry / told_files[0].name
    with (
        ChainedLineWriter(big.history, big.run_id, Places.load(big).hide_bytes) as chained,
        events.open("wb") as telling,
    ):
        history = HistoryWriter(chained)
        history.begin(big.run_id, hashlib.sha256(big.plan.read_bytes()).hexdigest())
        storm = _Storm(history, telling, big.run_id, plan["settings"]["workers"]["value"], found)
        for phase, group in itertools.groupby(operations_of(plan), key=lambda op: op.phase):
            storm.phase(phase, group)
        for line in lines:
            if line["type"] == "probe":
                history.probe(line["kind"], line["detail"])
        history.end(None)
    _beside(small, big, storm.now_ns, plan["settings"]["ops"]["value"])


class _Storm:
    """Writes operations as slots would have worked through them."""

    def __init__(
        self,
        history: HistoryWriter,
        telling: Any,  # noqa: ANN401 - a file
        run_id: str,
        workers: int,
        found: Mapping[tuple[str, bool], Sequence[Seen]],
    ) -> None:
        self._history, self._telling, self._run_id = history, telling, run_id
        self._workers, self._found = workers, found
        self.now_ns = _BEGIN_NS

    def phase(self, phase: Phase, operations: Iterator[Operation]) -> None:
        """Write a phase: it ends when its last operation has."""
        self._history.phase(phase, "begin", episode=None, again=0)
        under_way: list[_Ending] = []
        free = list(range(self._workers))
        for operation in operations:
            if not free:
                free.append(self._end(heapq.heappop(under_way)))
            self.now_ns += _GAP_NS
            seen = self._seen(operation)
            took_ns = seen.ended["mono_ns"] - seen.began_ns
            worker = free.pop()
            self._history.invoke(operation, worker, self.now_ns)
            self._tell(operation, seen, self.now_ns)
            ending = _Ending(self.now_ns + took_ns, operation.index, worker, operation, seen)
            heapq.heappush(under_way, ending)
        while under_way:
            self._end(heapq.heappop(under_way))
        self._history.phase(phase, "end", episode=None, again=0)

    def _seen(self, operation: Operation) -> Seen:
        name = (operation.key, operation.first_ask)
        there = self._found.get(name)
        if not there:
            raise MeasurementError(f"expected an operation like {name} in the real run, found none")
        return there[operation.index % len(there)]

    def _end(self, ending: _Ending) -> int:
        self.now_ns = max(self.now_ns, ending.at_ns)
        kept = {name: ending.seen.ended.get(name) for name in _KEPT}
        self._history.complete(
            ending.operation, ending.worker, Outcome.OK, mono_ns=ending.at_ns, **kept
        )
        return ending.worker

    def _tell(self, operation: Operation, seen: Seen, began_ns: int) -> None:
        later_ns = began_ns - seen.began_ns
        for event in seen.events:
            x = event["x"] | {
                "op": operation.op_id,
                "mono_ns": event["x"]["mono_ns"] + later_ns,
            }
            told = event | {"run_id": self._run_id, "x": x}
            self._telling.write(as_json(told, compact=True))


def _beside(small: RunDir, big: RunDir, end_ns: int, ops: int) -> None:
    """Write or copy what else ``run`` leaves."""
    last = json.loads(small.samples.read_bytes().splitlines()[-1])
    count = (end_ns - _BEGIN_NS) // _SAMPLE_NS + 1
    with big.samples.open("wb") as file:
        for at in range(count):
            sample = last | {
                "mono_ns": _BEGIN_NS + at * _SAMPLE_NS,
                "ops_done": ops * at // count,
            }
            file.write(as_json(sample, compact=True))
    document = json.loads(small.run.read_bytes()) | {"run_id": big.run_id}
    big.run.write_bytes(as_json(document))
    shutil.copyfile(small.log, big.log)
    for mine, his in ((small.answers, big.answers), (small.versions, big.versions)):
        shutil.copytree(mine, his)
    big.scratch.mkdir(exist_ok=True)
