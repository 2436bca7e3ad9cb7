"""The scans: one operation, again and again, with one fault at one of its calls each time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeVar

from soakproof.deep import limited
from soakproof.deep.calls import Call, Trace, path_of, read_trace
from soakproof.deep.points import BEHIND, Point, Touch, touches
from soakproof.deep.room import (
    Answered,
    Question,
    Tool,
    ask,
    begin,
    copy_room,
    finish,
    unreadable,
)
from soakproof.deep.strace import Strace
from soakproof.errors import SoakError

__all__ = [
    "Found",
    "Lab",
    "PointResult",
    "Situation",
    "error_point",
    "kill_point",
    "left_behind",
    "of_answer",
    "short_point",
    "stop_point",
    "undisturbed",
]

_HANG_GUARD_S: Final = 60
"""No claim about speed: a process that is not at its point by then will not come there."""

_POLL_S: Final = 0.002

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Found:
    """Something that must not be.

    Args:
        kind: ``wrong``, ``crashed``, ``refused``, ``hung``, ``unreadable``, ``leftover``, …
        told: what was seen.
    """

    kind: str
    told: str


@dataclass(frozen=True, slots=True)
class PointResult:
    """What came of one point.

    Args:
        number: of the point in its scan, from 1.
        told: the point in words.
        reached: the fault happened; a point that was not reached shows nothing.
        found: what must not be.
        outcome: how the operation itself ended.
    """

    number: int
    told: str
    reached: bool
    found: tuple[Found, ...]
    outcome: str


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a scan begins.

    Args:
        name: ``cold`` (no cache yet) or ``warm``.
        base: the room that every point gets a copy of.
        question: the operation that meets the fault; it writes.
        other: another question.
        pristine: paths of the room that are not the cache's.
    """

    name: str
    base: Path
    question: Question
    other: Question
    pristine: frozenset[str]

    def inside(self, room: Path, tool: Tool) -> Callable[[str], str | None]:
        """Return the function that says which path of the cache, relative to the room, a path is.

        ``None``: it is not the cache's. The cache begins with the first folder on the way to its
        own that was not there before it.
        """
        way = tool.cache_folder(room).relative_to(room)
        ways = [way, *way.parents][::-1]
        top = room / next((one for one in ways[1:] if str(one) not in self.pristine), way)

        def relative(path: str) -> str | None:
            if path != str(top) and not path.startswith(f"{top}/"):
                return None
            return str(Path(path).relative_to(room))

        return relative


@dataclass(slots=True)
class Lab:
    """Rooms for several points at once.

    Args:
        folder: of the rooms; what is in it may be removed.
        tool: the tool under test.
        strace: a strace that works.
        jobs: points at once.
    """

    folder: Path
    tool: Tool
    strace: Strace
    jobs: int
    _free: SimpleQueue[int] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        """Make room for the rooms."""
        for number in range(self.jobs):
            self._free.put(number)

    @contextmanager
    def room(self) -> Iterator[tuple[Path, Path]]:
        """Lend the place of a room, and that of a trace."""
        number = self._free.get()
        try:
            yield self.folder / f"room-{number}", self.folder / f"trace-{number}"
        finally:
            self._free.put(number)

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Do something with each item, several at once; the results in the order of the items."""
        pool = ThreadPoolExecutor(self.jobs)
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def undisturbed(lab: Lab, situation: Situation) -> tuple[list[Touch], Mapping[str, int]]:
    """Run the operation once without a fault; return its calls that touch the cache.

    Also how many calls of each name there were in all.

    Raises:
        SoakError: it did not give the right answer, or its trace cannot be read.
    """
    with lab.room() as (room, trace):
        copy_room(situation.base, room)
        command = lab.tool.command(room, situation.question, 0)
        running = begin(lab.strace.watch(command.argv, trace), command.env, command.cwd)
        answered = finish(lab.tool, room, situation.question, 0, running)
        if answered.how != "right":
            message = f"{situation.question.key}: without any fault {answered.how} {answered.told}"
            raise SoakError(message)
        seen = _traced(trace)
        first = seen.calls[0].pid if seen.calls else 0
        totals = Counter(call.name for call in seen.calls if call.pid == first)
        return list(touches(seen.calls, situation.inside(room, lab.tool))), totals


def kill_point(lab: Lab, situation: Situation, number: int, point: Point) -> PointResult:
    """Kill the operation before a call is done; then ask after it."""
    with lab.room() as (room, trace):
        copy_room(situation.base, room)
        command = lab.tool.command(room, situation.question, 0)
        running = begin(lab.strace.kill_at(command.argv, trace, point), command.env, command.cwd)
        answered = finish(lab.tool, room, situation.question, 0, running, may_die=True)
        landed = [call for call in _traced(trace).calls if call.result is None]
        inside = situation.inside(room, lab.tool)
        reached = answered.how == "killed"
        if point.touch.path != BEHIND:
            reached = reached and any(_lands(call, inside) for call in landed)
        found = [] if answered.how in {"killed", "right"} else [of_answer(answered, "killed")]
        found += _unsound(lab.tool, room, "after the kill")
        found += _after(lab.tool, situation, room)
        told = f"killed at {point.told()}"
        return PointResult(number, told, reached, tuple(found), answered.how)


def error_point(lab: Lab, situation: Situation, number: int, point: Point) -> PointResult:
    """Let a call fail; the answer must be right all the same, and the cache heal."""
    with lab.room() as (room, trace):
        copy_room(situation.base, room)
        command = lab.tool.command(room, situation.question, 0)
        running = begin(lab.strace.fail_at(command.argv, trace, point), command.env, command.cwd)
        answered = finish(lab.tool, room, situation.question, 0, running)
        seen = _traced(trace)
        reached = any(_lands(call, situation.inside(room, lab.tool)) for call in _hit(seen.calls))
        return _judged(lab, situation, room, number, point, answered, reached=reached)


def short_point(lab: Lab, situation: Situation, number: int, point: Point) -> PointResult:
    """Let the kernel write less than it was asked for; as :func:`error_point` from there on."""
    with lab.room() as (room, trace):
        copy_room(situation.base, room)
        command = lab.tool.command(room, situation.question, 0)
        limit = [sys.executable, "-I", "-S", str(limited.__file__), str(point.limit_bytes)]
        running = begin(lab.strace.watch([*limit, *command.argv], trace), command.env, command.cwd)
        answered = finish(lab.tool, room, situation.question, 0, running)
        seen = _traced(trace)
        short = any(
            call.error == "EFBIG" or _is_short(call.name, call.arguments, call.result)
            for call in seen.calls
        )
        return _judged(lab, situation, room, number, point, answered, reached=short)


def stop_point(lab: Lab, situation: Situation, number: int, point: Point) -> PointResult:
    """Stop the operation at a call, let others run to their end, then let it go on; twice.

    The same point must come out the same.
    """
    outcomes = []
    for _ in range(2):
        with lab.room() as (room, trace):
            copy_room(situation.base, room)
            outcomes.append(_stopped(lab, situation, (room, trace), point))
    first, second = outcomes
    if first[1:] != second[1:]:
        told = f"{first[1:]} and then {second[1:]}"
        first = (first[0], (*first[1], Found("unsteady", told)), first[2])
    return PointResult(number, f"stopped at {point.told()}", *first)


def _stopped(
    lab: Lab, situation: Situation, places: tuple[Path, Path], point: Point
) -> tuple[bool, tuple[Found, ...], str]:
    room, trace = places
    tool = lab.tool
    trace.unlink(missing_ok=True)
    command = tool.command(room, situation.question, 0)
    running = begin(lab.strace.stop_at(command.argv, trace, point), command.env, command.cwd)
    stopped = _wait_for_stop(trace, running)
    asked = [(situation.question, "same"), (situation.other, "other")]
    others = []
    for op, (question, name) in enumerate(asked, 1):
        one = tool.command(room, question, op)
        others.append((name, question, op, begin(one.argv, one.env, one.cwd)))
    ended = [(name, finish(tool, room, question, op, one)) for name, question, op, one in others]
    if stopped is not None:
        _go_on(stopped)
    answered = finish(tool, room, situation.question, 0, running)
    found = [
        of_answer(one, f"the {name} question meanwhile")
        for name, one in ended
        if one.how != "right"
    ]
    if answered.how != "right":
        found.append(of_answer(answered, "the stopped operation"))
    found += _unsound(tool, room, "after it went on")
    found += _after(tool, situation, room)
    return stopped is not None, tuple(found), answered.how


def _wait_for_stop(trace: Path, running: subprocess.Popen[bytes]) -> int | None:
    """Return the process that was stopped; ``None``: it ended without."""
    give_up = time.monotonic() + _HANG_GUARD_S
    pause = threading.Event()
    while time.monotonic() < give_up:
        ended = running.poll() is not None
        if trace.exists():
            for line in trace.read_text("ascii", "replace").splitlines():
                if line.endswith("--- stopped by SIGSTOP ---"):
                    return int(line.split()[0])
        if ended:
            return None
        pause.wait(_POLL_S)
    return None


def _go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _judged(
    lab: Lab,
    situation: Situation,
    room: Path,
    number: int,
    point: Point,
    answered: Answered,
    *,
    reached: bool,
) -> PointResult:
    """Judge an operation that had to answer under its fault, and ask after it."""
    fine = {"right", "refused"} if lab.tool.may_refuse or point.starves else {"right"}
    found = [] if answered.how in fine else [of_answer(answered, "under the fault")]
    found += _unsound(lab.tool, room, "after the fault")
    found += _after(lab.tool, situation, room)
    return PointResult(number, point.told(), reached, tuple(found), answered.how)


def _after(tool: Tool, situation: Situation, room: Path) -> list[Found]:
    """Ask the same question twice and another one; then look at what lies there."""
    asked = (
        (situation.question, "asked again"),
        (situation.question, "asked a third time"),
        (situation.other, "another question"),
    )
    found = []
    for op, (question, words) in enumerate(asked, 10):
        answered = ask(tool, room, question, op)
        if answered.how != "right":
            found.append(of_answer(answered, words))
    return found + left_behind(tool, room)


def left_behind(tool: Tool, room: Path) -> list[Found]:
    """Return what is wrong with what lies in a room's cache once it has healed."""
    found = _unsound(tool, room, "after it was asked again")
    checked = tool.check(room)
    if checked != "ok":
        found.append(Found("unreadable", f"by the target's own check: {checked}"))
    return found + [Found("leftover", name) for name in tool.others(room)]


def _unsound(tool: Tool, room: Path, when: str) -> list[Found]:
    return [Found("unreadable", f"{when}: {one}") for one in unreadable(tool.databases(room))]


def of_answer(answered: Answered, who: str) -> Found:
    """Return how a question ended as something that must not be."""
    return Found(answered.how, f"{who}: {answered.told}" if answered.told else who)


def _hit(calls: Sequence[Call]) -> list[Call]:
    """Return the first call that was made to fail, if any: the others follow from it."""
    return [call for call in calls if call.injected][:1]


def _lands(call: Call, inside: Callable[[str], str | None]) -> bool:
    """Tell whether a call is about the cache: counts are of names, not of files."""
    named = (path_of(argument) for argument in call.arguments)
    return any(path is not None and inside(path) is not None for path in named)


def _is_short(name: str, arguments: Sequence[str], result: int | None) -> bool:
    """Tell whether a write took less than it was asked to."""
    if name not in {"write", "pwrite64"} or result is None or result < 0:
        return False
    return result < int(arguments[2])


def _traced(path: Path) -> Trace:
    """Read a trace.

    Raises:
        SoakError: a line cannot be read, so that nothing can be said.
    """
    with path.open("r", encoding="ascii", errors="replace") as lines:
        trace = read_trace(lines)
    if trace.unreadable:
        message = f"{path}: strace wrote what cannot be read here: {trace.unreadable[0][:200]!r}"
        raise SoakError(message)
    return trace
