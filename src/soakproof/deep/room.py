"""A room: a scratch folder in which one operation meets one fault, and is asked about after it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soakproof.deep.disk import Tree

__all__ = [
    "Answered",
    "Command",
    "Question",
    "Tool",
    "ask",
    "begin",
    "copy_room",
    "end",
    "finish",
    "lay",
    "output",
    "tree_of",
    "unreadable",
]

_HANG_GUARD_S: Final = 60
"""No claim about speed: an operation that is not back by then hangs."""

_SHOWN_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the kind of operation, and the key."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Command:
    """How an operation is started.

    Args:
        argv: command line, its executable as an absolute path.
        env: the whole environment.
        cwd: working folder.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Tool:
    """The tool under test, as its target's file describes it.

    Args:
        command: room, question, number of the operation in the room → how it is started.
        answer: the same, and what was printed on both streams → the answer, without what depends
            on where the room is; empty: none. What it was read from is taken away.
        right: question → exit code and the right answer, from the oracle.
        answers_with: question → the exit codes that come with an answer.
        cache_folder: room → folder of the cache.
        databases: room → databases that must be sound.
        check: room → ``ok``, or what the target's own check of its cache says.
        others: room → files of the cache that no rule of the target names.
        may_refuse: a clean refusal under a fault (an exit code, no answer) is no finding.
    """

    command: Callable[[Path, Question, int], Command]
    answer: Callable[[Path, Question, int, bytes, bytes], bytes]
    right: Mapping[Question, tuple[int, bytes]]
    answers_with: Callable[[Question], Collection[int]]
    cache_folder: Callable[[Path], Path]
    databases: Callable[[Path], Sequence[Path]]
    check: Callable[[Path], str]
    others: Callable[[Path], Sequence[str]]
    may_refuse: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """How a question ended.

    Args:
        how: ``right``, ``wrong``, ``refused``, ``crashed``, ``hung``, or ``killed`` (by the scan).
        told: what was seen, in a line.
    """

    how: str
    told: str = ""


def ask(tool: Tool, room: Path, question: Question, op: int) -> Answered:
    """Ask one question to its end and judge the answer; ``op`` is its number in the room."""
    command = tool.command(room, question, op)
    return finish(tool, room, question, op, begin(command.argv, command.env, command.cwd))


def begin(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own.

    Its output goes to pipes: a limit on the length of files must not reach the answer.
    """
    return subprocess.Popen(
        argv,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )


def output(process: subprocess.Popen[bytes]) -> tuple[int | None, bytes, bytes]:
    """Wait for a command's end and take away what it left; its exit code and what it printed.

    ``None`` in place of the exit code: it hung, and was killed.
    """
    hung = False
    try:
        out, err = process.communicate(timeout=_HANG_GUARD_S)
    except subprocess.TimeoutExpired:
        hung = True
        end(process)
        out, err = process.communicate()
    end(process)
    return None if hung else process.returncode, out, err


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and all that it started in its group; gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def finish(
    tool: Tool,
    room: Path,
    question: Question,
    op: int,
    process: subprocess.Popen[bytes],
    *,
    may_die: bool = False,
) -> Answered:
    """Wait for a command's end, take away what it left, and judge its answer.

    Args:
        tool: the tool.
        room: where it was asked.
        question: what was asked.
        op: the operation's number in the room.
        process: from :func:`begin`.
        may_die: the scan kills it; then it has no answer.
    """
    code, out, complaint = output(process)
    answer = tool.answer(room, question, op, out, complaint)
    if code is None:
        return Answered("hung", f"not back after {_HANG_GUARD_S} s")
    if may_die and code in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        return Answered("killed")
    last = " ".join(complaint.decode("utf-8", "replace").split())[-_SHOWN_CHARS:]
    if (code, answer) == tool.right[question]:
        return Answered("right")
    if code < 0 or b"Traceback (most recent call last)" in complaint:
        return Answered("crashed", f"exit {code}: {last}")
    if code not in tool.answers_with(question):
        return Answered("refused", f"exit {code}: {last}")
    return Answered("wrong", f"exit {code}, {len(answer)} bytes that are not the answer: {last}")


def copy_room(base: Path, room: Path) -> None:
    """Make a room anew as a copy of another."""
    shutil.rmtree(room, ignore_errors=True)
    shutil.copytree(base, room, symlinks=True)


def tree_of(folder: Path) -> Tree:
    """Return what lies in a folder."""
    paths = sorted(folder.rglob("*"))
    return Tree(
        {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()},
        frozenset(str(path.relative_to(folder)) for path in paths if path.is_dir()),
    )


def lay(tree: Tree, folder: Path) -> None:
    """Make what lies in a folder that of a tree; files that are the same are left as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        name = str(path.relative_to(folder))
        if path.is_dir() and not path.is_symlink():
            if name not in tree.folders:
                path.rmdir()
        elif name not in tree.files:
            path.unlink()
    for name in sorted(tree.folders):
        (folder / name).mkdir(exist_ok=True)
    for name, content in tree.files.items():
        file = folder / name
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)


def unreadable(databases: Sequence[Path]) -> list[str]:
    """Return what SQLite finds wrong with databases, each tried on a copy with its companions.

    A copy, because opening one rolls back or plays in what a crash left, and the tool is to do
    that itself.
    """
    found = []
    for database in databases:
        with tempfile.TemporaryDirectory(prefix="soakproof-look-") as folder:
            for one in database.parent.glob(f"{database.name}*"):
                companion = one.name.removeprefix(database.name) in {"", "-wal", "-journal"}
                if companion and one.is_file():
                    shutil.copyfile(one, Path(folder) / one.name)
            problem = _problem_of(Path(folder) / database.name)
        if problem is not None:
            found.append(f"{database.name}: {problem}")
    return found


def _problem_of(database: Path) -> str | None:
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            rows = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as problem:
        return f"{type(problem).__name__}: {problem}"
    return None if rows == ["ok"] else "; ".join(rows)
