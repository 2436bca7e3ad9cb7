"""The stage `tally`: count any number of lines of history and telemetry, on all processors."""

from __future__ import annotations

import glob
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof import schema
from soakproof.bulk.blocks import Block, CutOff, Part, TooLong, blocks, form_of, parts
from soakproof.bulk.document import Counted, Names, document
from soakproof.bulk.fold import count_part, kind_of
from soakproof.bulk.partial import Partial, merge_all
from soakproof.bulk.records import Kind
from soakproof.errors import MissingInput, SoakError, UsageError
from soakproof.rotation.reading import is_there, members
from soakproof.rundir import Project, RunDir, write_json

__all__ = ["tally", "tally_run"]

_TRIES: Final = 10
"""A run that goes on packs a part now and then; not so often that it is never counted."""

_WORTH_A_PROCESS_BYTES: Final = 8 * 1024 * 1024
"""Less is counted sooner than another process begins."""


@dataclass(frozen=True, slots=True)
class _Input:
    """A file to be counted."""

    path: Path
    shown: str
    kind: Kind
    form: str


def tally(
    patterns: Sequence[str], jobs: str | None = None, out: Path | None = None
) -> dict[str, Any]:
    """Count the lines of files.

    Args:
        patterns: files, or patterns of files (``logs/*.jsonl.gz``, ``**`` for folders).
        jobs: processes at once, as given; ``None``: one a processor.
        out: takes the document, too.

    Returns:
        The document of the schema ``tally``.

    Raises:
        UsageError: a pattern or a file cannot be read, or ``jobs`` is no number.
        MissingInput: there is no such file.
    """
    found = [(path, str(path)) for pattern in patterns for path in _matching(pattern)]
    return _told(_inputs(found), Names(), jobs, out)


def tally_run(
    project: Project, run_dir: RunDir, jobs: str | None = None, out: Path | None = None
) -> dict[str, Any]:
    """Count the lines of a run's history and telemetry; its target says what commands mean.

    Raises:
        MissingInput: there is no history.
    """
    plan = schema.load_json(run_dir.plan, "plan", hint="make it with `soakproof clean`")
    if not is_there(run_dir.history):
        hint = f"make it with `soakproof run --run-id {run_dir.run_id}`"
        raise MissingInput(run_dir.history, hint)
    names = plan["target"].get("telemetry")
    told = [] if names is None else sorted(run_dir.telemetry.glob(names["glob"]))
    for _ in range(_TRIES - 1):
        before = members(run_dir.history)
        try:
            return _of_run(project, [*before, *told], Names(names), jobs, out)
        except UsageError:
            if members(run_dir.history) == before:
                raise  # else a part was packed while it was counted
    return _of_run(project, [*members(run_dir.history), *told], Names(names), jobs, out)


def _of_run(
    project: Project, paths: Sequence[Path], names: Names, jobs: str | None, out: Path | None
) -> dict[str, Any]:
    return _told(_inputs([(path, project.relative(path)) for path in paths]), names, jobs, out)


def _told(
    inputs: Sequence[_Input], names: Names, jobs: str | None, out: Path | None
) -> dict[str, Any]:
    tasks, files = [], []
    for number, one in enumerate(inputs):
        with _said(one.path):
            tasks += [(part, one.kind) for part in parts(one.path, number)]
            size_bytes = one.path.stat().st_size
        files.append(Counted(one.shown, one.kind, one.form, size_bytes))
    size_bytes = sum(file.size_bytes for file in files)
    told = document(_counted(tasks, _processes(jobs, len(tasks), size_bytes)), files, names)
    if out is not None:
        schema.check(told, "tally", out)
        write_json(out, told)
    return told


def _counted(tasks: Sequence[tuple[Part, Kind]], processes: int) -> Partial:
    if processes == 1:
        return merge_all(_count(task) for task in tasks)
    try:
        with ProcessPoolExecutor(processes, initializer=_leave_interrupts) as pool:
            return merge_all(pool.map(_count, tasks))
    except BrokenProcessPool:
        message = (
            "tally: a process that counted was ended from outside (out of memory?); nothing was "
            "written: try again with --jobs 1"
        )
        raise SoakError(message) from None


def _leave_interrupts() -> None:
    """Let Ctrl-C be answered once, by the process that was started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _count(task: tuple[Part, Kind]) -> Partial:
    part, kind = task
    with _said(part.path):
        return count_part(part, kind)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into a line that names it."""
    try:
        yield
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise UsageError(f"{path}: expected a file that can be read, found: {why}") from None


def _processes(jobs: str | None, tasks: int, size_bytes: int) -> int:
    if jobs is None:
        enough = size_bytes >= _WORTH_A_PROCESS_BYTES
        wanted = len(os.sched_getaffinity(0)) if enough else 1
    else:
        if not jobs.isdecimal() or not int(jobs):
            raise UsageError(f"--jobs: expected a whole number from 1, found {jobs!r}")
        wanted = int(jobs)
    return max(1, min(wanted, tasks))


def _matching(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    files = [one for one in found if one.is_file()]
    if not files:
        raise MissingInput(path, "expected a file, or a pattern that matches some")
    return files


def _inputs(found: Sequence[tuple[Path, str]]) -> list[_Input]:
    """Return the files with their kinds, each once, in the order given."""
    once: dict[Path, _Input] = {}
    for path, shown in found:
        if (real := path.resolve()) not in once:
            with _said(path):
                once[real] = _input(path, shown)
    return list(once.values())


def _input(path: Path, shown: str) -> _Input:
    form = form_of(path)
    return _Input(path, shown, kind_of(_first_lines(Part(path, 0, form)), path.name), form)


def _first_lines(part: Part) -> Sequence[bytes]:
    """Return the first lines of a file; none of one that cannot be read: that is told later."""
    found: Iterator[Block | TooLong] = blocks(part)
    try:
        first = next(found, None)
    except CutOff:
        return ()
    return first.lines if isinstance(first, Block) else ()
