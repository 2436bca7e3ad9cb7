"""Record a few operations of the tool, and open every state that a crash could have left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soakproof.deep.crash import State, crash_states
from soakproof.deep.recording import Recording
from soakproof.deep.room import Question, Tool, ask, copy_room, finish, lay, unreadable
from soakproof.deep.scans import Found, Lab, PointResult, left_behind, of_answer
from soakproof.errors import SoakError

__all__ = ["Candidate", "candidates", "crash_point"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state to open.

    Args:
        state: one of those that are the same.
        alike: how many states of its model are the same.
    """

    state: State
    alike: int


def candidates(
    lab: Lab, base: Path, questions: Sequence[Question], seed: int, drawn: int
) -> list[Candidate]:
    """Record the questions, asked one after the other, and return the different states.

    Args:
        lab: where it is done.
        base: the room in which they are asked (a copy of it).
        questions: each is new to the cache, so that it writes.
        seed: of the states that are drawn.
        drawn: how many at each point.

    Raises:
        SoakError: an answer was not right.
        CannotRebuildError: the tool does something that cannot be rebuilt from a trace.
    """
    with lab.room() as (room, trace):
        copy_room(base, room)
        recording = Recording(lab.strace, room, left_out=_not_cache(lab.tool, room))
        for number, question in enumerate(questions):
            command = lab.tool.command(room, question, number)
            process = recording.start(command.argv, command.env, trace, command.cwd)
            answered = finish(lab.tool, room, question, number, process)
            if answered.how != "right":
                message = f"{question.key}: without any fault {answered.how} {answered.told}"
                raise SoakError(message)
            recording.take(trace)
    first: dict[tuple[str, str, int], State] = {}
    alike: dict[tuple[str, str, int], int] = {}
    for state in crash_states(recording.base, recording.effects, seed, drawn):
        name = state.model, state.tree.digest(), len(state.acknowledged)
        first.setdefault(name, state)
        alike[name] = alike.get(name, 0) + 1
    return [Candidate(state, alike[name]) for name, state in first.items()]


def crash_point(
    lab: Lab,
    base: Path,
    questions: Sequence[Question],
    keep: Path,
    number: int,
    candidate: Candidate,
) -> PointResult:
    """Open one state with the tool: every question, and the first once more.

    A state in which something was found is kept as a folder, to look at.

    Args:
        lab: where it is done.
        base: the room in which they were recorded.
        questions: those that were recorded; each must be answered rightly.
        keep: takes the states in which something was found.
        number: of the state.
        candidate: the state.
    """
    state = candidate.state
    with lab.room() as (room, _):
        copy_room(base, room)  # files that were there keep their modes
        lay(state.tree, room)
        for name in _not_cache(lab.tool, room):
            (room / name).mkdir(exist_ok=True)
        found = _opened(lab.tool, room, [*questions, questions[0]])
    told = (
        f"{state.model} after {state.at} effects, variant {state.variant}, "
        f"{len(state.acknowledged)} answers given"
    )
    if found:
        lay(state.tree, keep / str(number))
    return PointResult(number, told, True, tuple(found), "opened")  # noqa: FBT003 - reached


def _not_cache(tool: Tool, room: Path) -> list[str]:
    """Return the folders of a room in which the tool leaves what is not its cache."""
    cache = tool.cache_folder(room)
    return [name for name in ("telemetry", "scratch") if not cache.is_relative_to(room / name)]


def _opened(tool: Tool, room: Path, questions: Sequence[Question]) -> list[Found]:
    broken = unreadable(tool.databases(room))
    found = [Found("unreadable", f"after the crash: {one}") for one in broken]
    for number, question in enumerate(questions):
        answered = ask(tool, room, question, number)
        if answered.how != "right":
            found.append(of_answer(answered, f"question {number + 1}"))
    return found + left_behind(tool, room)
