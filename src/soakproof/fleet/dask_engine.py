"""Soak points on the workers of a Dask cluster (``dask.distributed``), wherever they are.

Code and wheels travel with the campaign, so a worker needs Python of the same minor version, pip,
and what ``dask worker`` needs. What can be used is asked again and again: workers come, die, and
come back under other addresses. Dask repeats a task whose worker died; a task whose workers are all
gone is given to others; a point that is soaked twice is merged like any other.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import io
import json
import platform
import queue
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import soakproof
from soakproof.errors import SoakError, UsageError
from soakproof.fleet import travel
from soakproof.fleet.engine import Answered, Task
from soakproof.fleet.parcel import Parcel

__all__ = ["Dask"]

_CONNECT_S: Final = 10
_LOOK_EVERY_S: Final = 5
_PATIENCE_S: Final = 120
"""How long a scheduler, or every worker, may be away before the campaign ends."""

_MOST_RUN_BYTES: Final = 64 * 1024 * 1024
_AHEAD: Final = 2
"""Points given to the cluster for each thread of its workers: none waits for us."""

_LOST: Final = frozenset({"cancelled", "lost"})


@dataclass(slots=True)
class _Given:
    """A task that the cluster has, and the workers that may do it."""

    task: Task
    workers: tuple[str, ...]


def _travelling() -> Any:  # noqa: ANN401 - the module, under another name
    """Return :mod:`soakproof.fleet.travel` as a module that nobody can import.

    What can be imported is pickled by its name, and where the next to unpickle it is a scheduler or
    a worker without soakproof, or with another one, that name means nothing, or something else.
    What cannot be is pickled with its code, here and wherever it is sent on.
    """
    spec = importlib.util.spec_from_file_location("soakproof_travelling", travel.__file__)
    if spec is None or spec.loader is None:
        raise AssertionError  # it is a file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Dask:
    """Soaks points on a cluster.

    Args:
        scheduler: its address; ``None``: a cluster of processes on this machine.
        jobs: points at once on this machine, without a scheduler.
        parcel: what travels.
        runs: folder that takes the runs that are worth keeping.
        tell: is told of workers that cannot be used, and of a scheduler that goes away.

    Raises:
        UsageError: there is no scheduler, or dask.distributed is not installed.
    """

    def __init__(
        self,
        scheduler: str | None,
        jobs: int,
        parcel: Parcel,
        runs: Path,
        tell: Callable[[str], None],
    ) -> None:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as problem:
            message = f"--engine dask: expected dask.distributed, found none ({problem}); install "
            raise UsageError(message + "soakproof[dask]") from None
        self._distributed = distributed
        self._travel = _travelling()
        self._parcel = parcel
        self._runs = runs
        self._tell = tell
        self._usable: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._mail: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._cluster: Any = None
        if scheduler is None:
            self._cluster = distributed.LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address=None
            )
        self._address = scheduler or self._cluster.scheduler_address
        self._client = self._connected(_CONNECT_S)

    def go(self, tasks: Iterator[Task]) -> Iterator[Answered]:
        """Yield what came of each task, as it comes.

        Raises:
            UsageError: no worker can be used.
            SoakError: the scheduler, or every worker, went away and did not come back.
        """
        given: dict[Any, _Given] = {}
        again: list[Task] = []
        threads = self._wait_for_workers()
        while True:
            while len(given) < _AHEAD * threads:
                task = again.pop() if again else next(tasks, None)
                if task is None:
                    break
                self._give(task, given)
            if not given:
                return
            ended = self._ended(given)
            for future in ended:
                task = given.pop(future).task
                if future.status in _LOST:
                    again.append(task)
                    continue
                yield self._answered(task, future)
            if not ended or again:
                again += self._look_after(given)
                threads = max(1, len(self._usable)) if self._usable else self._wait_for_workers()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the cluster; one of our own ends."""
        with suppress(OSError, TimeoutError, asyncio.CancelledError):
            self._client.run(self._travel.dismiss, self._parcel.name, workers=list(self._usable))
        with suppress(OSError, TimeoutError, asyncio.CancelledError):
            self._client.close(timeout=_CONNECT_S)
        if self._cluster is not None:
            self._cluster.close()

    # The scheduler.

    def _connected(self, patience_s: float) -> Any:  # noqa: ANN401 - a client of distributed
        try:
            return self._distributed.Client(self._address, timeout=patience_s, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as problem:
            words = str(problem).strip().splitlines() or [type(problem).__name__]
            message = (
                f"--scheduler: expected a Dask scheduler at {self._address}, found none that "
                f"answers within {patience_s:g} s ({words[0]}); start one with `dask scheduler`"
            )
            raise UsageError(message) from None

    def _reconnect(self) -> None:
        """Wait for the scheduler to come back.

        Raises:
            SoakError: it did not.
        """
        self._tell(f"the scheduler {self._address} went away; waiting for it")
        with suppress(OSError, TimeoutError, asyncio.CancelledError):
            self._client.close(timeout=1)
        self._usable.clear()
        until_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._client = self._connected(_LOOK_EVERY_S)
            except UsageError:
                if time.monotonic() >= until_s:
                    message = (
                        f"the scheduler {self._address} went away and was not back after "
                        f"{_PATIENCE_S} s; what is done is kept, and the same command goes on"
                    )
                    raise SoakError(message) from None
            else:
                self._tell("the scheduler is back")
                return

    # The workers.

    def _wait_for_workers(self) -> int:
        """Return how many workers can be used; waits for the first.

        Raises:
            UsageError: there are workers, and none can be used.
            SoakError: there are none.
        """
        until_s = time.monotonic() + _PATIENCE_S
        while True:
            seen = self._look()
            if self._usable:
                return len(self._usable)
            if seen:
                told = "; ".join(f"{address}: {why}" for address, why in self._refused.items())
                raise UsageError(f"--engine dask: expected a worker that can be used, found {told}")
            if time.monotonic() >= until_s:
                message = f"no worker came to the scheduler {self._address} in {_PATIENCE_S} s"
                raise SoakError(message)
            with suppress(TimeoutError):
                self._client.wait_for_workers(1, timeout=_LOOK_EVERY_S)

    def _look(self) -> int:
        """Bring our code to workers that are new, forget those that are gone; return how many."""
        try:
            found = self._client.get_versions()["workers"]
        except (OSError, TimeoutError, asyncio.CancelledError):
            return 0
        self._usable = {one: self._usable[one] for one in self._usable if one in found}
        ours = platform.python_version_tuple()[:2]
        for address, versions in found.items():
            if address in self._usable or address in self._refused:
                continue
            # Asked before anything of ours is sent: code is not the same in another version.
            python = str(versions["host"]["python"])
            if tuple(python.split(".")[:2]) != ours:
                why = f"expected Python {'.'.join(ours)}, found {python}"
            else:
                why = self._prepare(address)
            if why:
                self._refused[address] = why
                self._tell(f"worker {address} is not used: {why}")
        return len(found)

    def _prepare(self, address: str) -> str:
        """Bring code and wheels to a worker; return why it cannot be used, or nothing."""
        folder = self._client.run(self._travel.local_directory, workers=[address])[address]
        parcel = self._parcel.document()
        found = self._client.run(self._travel.prepare, folder, parcel, workers=[address])[address]
        if found["why_not"]:
            return str(found["why_not"])
        if found["version"] != soakproof.__version__:
            return f"expected soakproof {soakproof.__version__}, found {found['version']}"
        self._usable[address] = folder
        return ""

    # The tasks.

    def _give(self, task: Task, given: dict[Any, _Given]) -> None:
        workers = tuple(self._usable)
        future = self._client.submit(
            self._travel.soak_here,
            dict(self._usable),
            self._parcel.name,
            dict(task.spec),
            _MOST_RUN_BYTES,
            workers=list(workers),
            pure=False,
            key=f"{task.name}-{time.monotonic_ns()}",
        )
        given[future] = _Given(task, workers)
        future.add_done_callback(self._mail.put)

    def _ended(self, given: dict[Any, _Given]) -> list[Any]:
        """Return the futures that ended, or nothing after a while."""
        with suppress(queue.Empty):
            self._mail.get(timeout=_LOOK_EVERY_S)  # one look serves all that ended meanwhile
        return [future for future in given if future.status != "pending"]

    def _look_after(self, given: dict[Any, _Given]) -> list[Task]:
        """Look at scheduler and workers; return tasks that nobody can do any more."""
        if self._client.status != "running":
            orphans = [one.task for one in given.values()]
            given.clear()
            self._reconnect()
            return orphans
        self._look()
        stranded = [
            future for future, one in given.items() if not self._usable.keys() & set(one.workers)
        ]
        orphans = [given.pop(future).task for future in stranded]
        if stranded:
            self._client.cancel(stranded)
        return orphans

    def _answered(self, task: Task, future: Any) -> Answered:  # noqa: ANN401 - a future of distributed
        if future.status == "error":
            problem = future.exception()
            words = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
            if isinstance(problem, self._distributed.KilledWorker):  # it took several with it
                return Answered(task, None, words)
            # No point says this: the cluster cannot soak, and would fail with the next one, too.
            raise SoakError(
                f"the cluster at {self._address} cannot soak: {words}; "
                "what is done is kept, and the same command goes on"
            )
        came = future.result()
        if came["code"] == UsageError.exit_code:
            raise UsageError(str(came["words"]).removeprefix("soakproof: "))
        if not came["result"]:
            return Answered(task, None, f"ended with exit code {came['code']}: {came['words']}")
        result = json.loads(came["result"])
        if result["run"] is not None and came["run"]:
            with tarfile.open(fileobj=io.BytesIO(came["run"])) as tar:
                tar.extractall(self._runs, filter="data")
        else:
            result["run"] = None
        return Answered(task, result)
