"""Parsing in several processes, without a pool.

Each child takes every n-th question, sends all its answers in one piece and ends; a child whose
parent is gone ends before its next question, so nothing is left running.  What a child that was
killed did not send is worked out here.
"""

import marshal
import os
import signal

from trifecta.errors import TrifectaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trifecta.ask import Question

    # an answer, or the parts of an error, which can be sent between processes
    Solved = bytes | tuple[int, str, str, dict[str, object]]


def solve(question: "Question") -> "Solved":
    """Give the answer, or the parts of the error."""
    try:
        return question.solve()
    except TrifectaError as error:
        return error.exit_code, error.kind, error.message, error.fields


def solve_all(questions: "list[Question]", jobs: int) -> "list[Solved]":
    """Solve all in *jobs* processes; answers in the order of the questions."""
    children: list[tuple[int, int]] = []
    solved: list[Solved | None] = [None] * len(questions)
    try:
        for number in range(jobs):
            child = _start(questions[number::jobs])
            if child is None:
                break  # no more processes to be had: the rest is done below
            children.append(child)
        for number, (_, pipe) in enumerate(children):
            for index, answer in enumerate(_receive(pipe)):
                solved[number + index * jobs] = answer
    finally:
        for pid, pipe in children:
            os.close(pipe)
            _end(pid)
    return [
        solve(question) if answer is None else answer
        for question, answer in zip(questions, solved, strict=True)
    ]


def _start(questions: "list[Question]") -> tuple[int, int] | None:
    """Start a child; give its process id and the pipe that its answers come from."""
    parent = os.getpid()
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:
        os.close(reading)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent says what there is to say
        answers: list[Solved] = []
        for question in questions:
            if os.getppid() != parent:
                os._exit(1)  # nobody wants them any more
            answers.append(solve(question))
        rest = memoryview(marshal.dumps(answers))
        while rest:
            rest = rest[os.write(writing, rest) :]
        code = 0
    finally:
        os._exit(code)  # never return into the parent's program


def _receive(pipe: int) -> "list[Solved]":
    """Read what a child sends; nothing if it did not send all."""
    pieces: list[bytes] = []
    while piece := os.read(pipe, 1 << 20):
        pieces.append(piece)
    try:
        answers: list[Solved] = marshal.loads(b"".join(pieces))  # noqa: S302 - from our own child
    except (EOFError, ValueError, TypeError):
        return []
    return answers


def _end(pid: int) -> None:
    """Reap a child; end it first if it is still at work because we are stopping early."""
    if os.waitpid(pid, os.WNOHANG) == (0, 0):
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
