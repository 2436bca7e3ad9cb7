"""Who soaks the points. An engine takes tasks and yields what came of each, as it comes.

The local engine runs each point as a process of its own, some at once, forked from one that has
loaded everything; another engine only has to keep the same promise: every task is answered once, by
a result or by the reason there is none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Protocol, Self

from soakproof.errors import UsageError
from soakproof.fleet.point_server import PointServer
from soakproof.own_commands import last_words
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
    """Soaks points on this machine; what still runs when it is left is ended.

    Args:
        environ: the environment of all points.
        root: the project's folder.
        scratch: folder for what points are asked and say; nothing of a point stays in it.
        jobs: points at once.
        hand_down: descriptors that each soak inherits.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        root: Path,
        scratch: Path,
        jobs: int,
        hand_down: Sequence[int] = (),
    ) -> None:
        self._scratch = scratch
        self._jobs = jobs
        scratch.mkdir(parents=True, exist_ok=True)
        self._servers = [
            PointServer(environ, root, scratch / f"server-{number}.log", hand_down)
            for number in range(jobs)
        ]
        self._free: SimpleQueue[PointServer] = SimpleQueue()
        for server in self._servers:
            self._free.put(server)

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

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still runs: Ctrl-C, or a reader that went away."""
        for server in self._servers:
            server.leave()
        for server in self._servers:
            server.wait()

    def _soak(self, task: Task) -> Answered:
        folder = self._scratch / task.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        spec, out, log = folder / "point.json", folder / "result.json", folder / "point.log"
        write_json(spec, dict(task.spec))
        code: int | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            server = self._free.get()
            try:
                code = server.run(spec, out, log)
            finally:
                self._free.put(server)
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
