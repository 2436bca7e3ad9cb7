"""Who soaks the points. An engine takes tasks and yields what came of each, as it comes.

The local engine runs each point as a process of its own, some at once; another engine only has to
keep the same promise: every task is answered once, by a result or by the reason there is none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from soakproof.errors import UsageError
from soakproof.own_commands import OwnCommands, last_words
from soakproof.rundir import write_json

__all__ = ["Answered", "Engine", "Local", "Task"]

_ATTEMPTS: Final = 3
"""How often a point is begun whose process was killed by somebody: out of memory, say."""


@dataclass(frozen=True, slots=True)
class Task:
    """One point to be soaked.

    Args:
        name: of the point.
        spec: what ``soakproof point`` is given.
    """

    name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a task.

    Args:
        task: which.
        result: its result; ``None``: there is none.
        why_not: the reason, where there is none.
        attempts: how often it was begun.
    """

    task: Task
    result: dict[str, Any] | None
    why_not: str = ""
    attempts: int = 1


class Engine(Protocol):
    """Soaks points."""

    def go(self, tasks: Iterator[Task]) -> Iterator[Answered]:
        """Yield what came of each task; tasks are taken as there is room for them."""


class Local:
    """Soaks points on this machine.

    Args:
        commands: runs soakproof's commands; what still runs when it is left is ended.
        root: the project's folder.
        scratch: folder for what points are asked and say; nothing of a point stays in it.
        jobs: points at once.
        hand_down: descriptors that each soak inherits.
    """

    def __init__(
        self,
        commands: OwnCommands,
        root: Path,
        scratch: Path,
        jobs: int,
        hand_down: Sequence[int] = (),
    ) -> None:
        self._commands = commands
        self._root = root
        self._scratch = scratch
        self._jobs = jobs
        self._hand_down = tuple(hand_down)

    def go(self, tasks: Iterator[Task]) -> Iterator[Answered]:
        """Yield what came of each task, as it comes."""
        pool = ThreadPoolExecutor(self._jobs)
        running: set[Future[Answered]] = set()
        try:
            while True:
                while len(running) < self._jobs and (task := next(tasks, None)) is not None:
                    running.add(pool.submit(self._soak, task))
                if not running:
                    return
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _soak(self, task: Task) -> Answered:
        folder = self._scratch / task.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        spec, out, log = folder / "point.json", folder / "result.json", folder / "point.log"
        write_json(spec, dict(task.spec))
        code: int | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            arguments = ["point", str(spec), "--out", str(out)]
            code = self._commands.run(arguments, cwd=self._root, log=log, hand_down=self._hand_down)
            if out.exists():
                result = json.loads(out.read_bytes())
                shutil.rmtree(folder)
                return Answered(task, {**result, "attempts": attempt}, attempts=attempt)
            if code is None or code >= 0:
                break
        words = last_words(log).removeprefix("soakproof: ")
        shutil.rmtree(folder)
        if code == UsageError.exit_code:
            raise UsageError(words)
        return Answered(task, None, f"ended with exit code {code}: {words}", attempt)
