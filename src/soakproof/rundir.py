"""Where a run keeps what, and how it is written.

A document is written whole or not at all (:func:`write_json`).
Nothing here knows what the documents mean.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from soakproof.errors import MissingInput, RunExists, UsageError

__all__ = [
    "Project",
    "RunDir",
    "as_json",
    "read_lines",
    "write_bytes",
    "write_json",
]

_PUBLISHED: Final = {"ast_cache": "ast_soak_run"}

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Project:
    """The folder whose ``_ctx/`` keeps the record and whose ``eval/`` says what to do.

    Args:
        root: absolute path of the folder.
    """

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Self:
        """Return the nearest folder upwards with ``eval/campaigns`` or ``_ctx``, else ``start``."""
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "eval" / "campaigns").is_dir() or (folder / "_ctx").is_dir():
                return cls(folder)
        return cls(here)

    @property
    def ctx(self) -> Path:
        """The record."""
        return self.root / "_ctx"

    @property
    def runs(self) -> Path:
        """One folder a run; not tracked."""
        return self.ctx / "runs"

    @property
    def campaigns(self) -> Path:
        """One folder a campaign of many soaks; not tracked."""
        return self.ctx / "campaigns"

    @property
    def latest(self) -> Path:
        """A file with the id of the run that was made last."""
        return self.runs / "latest"

    @property
    def seeds(self) -> Path:
        """Cases that failed once, one folder a target; tracked, and soaked first."""
        return self.root / "eval" / "seeds"

    @contextmanager
    def keeping_latest(self) -> Iterator[None]:
        """Let ``latest`` name afterwards the run that it names now."""
        before = self.latest.read_bytes() if self.latest.exists() else None
        try:
            yield
        finally:
            if before is not None:
                write_bytes(self.latest, before)
            else:
                self.latest.unlink(missing_ok=True)

    def published_metrics(self, campaign: str) -> Path:
        """Where the metrics of the last run of a campaign are found.

        The source documents call those of the campaign ``ast_cache`` ``ast_soak_run``.
        """
        return self.ctx / "metrics" / f"{_PUBLISHED.get(campaign, campaign)}.json"

    def campaign_of(self, default: str) -> str:
        """Return the campaign that is meant where nobody names one.

        Args:
            default: its path from the root; where that is not there, the only one there is.
        """
        path = self.root / default
        there = sorted(path.parent.glob("*.toml"))
        only = not path.is_file() and len(there) == 1
        return self.relative(there[0]) if only else default

    @property
    def evidence(self) -> Path:
        """One bundle a recorded run."""
        return self.ctx / "evidence"

    def relative(self, path: Path) -> str:
        """Return ``path`` relative to the root where it lies inside, for people and records."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def create_run(self, run_id: str) -> RunDir:
        """Make the folder of a new run and remember it as the latest.

        Raises:
            UsageError: the id is not a file name.
            RunExists: a run of this id is there already.
        """
        if not _RUN_ID.fullmatch(run_id):
            message = (
                f"run id {run_id!r}: expected letters, digits, '.', '_', '-' (at most 100), "
                "beginning with a letter or digit; choose another --run-id"
            )
            raise UsageError(message)
        run = RunDir(self.runs / run_id)
        try:
            run.path.mkdir(parents=True)
        except FileExistsError:
            message = (
                f"run id {run_id!r}: {self.relative(run.path)} is there already, and evidence is "
                "never overwritten; choose another --run-id, or remove that folder yourself"
            )
            raise RunExists(message) from None
        write_bytes(self.latest, f"{run_id}\n".encode())
        return run

    def open_run(self, run_id: str | None) -> RunDir:
        """Return the folder of a run, by default of the latest.

        Raises:
            MissingInput: there is no such run.
        """
        if run_id is None:
            try:
                run_id = self.latest.read_text("utf-8").strip()
            except FileNotFoundError:
                raise MissingInput(
                    self.latest, "no run yet: begin with `soakproof clean`"
                ) from None
        if not _RUN_ID.fullmatch(run_id):
            raise UsageError(f"run id {run_id!r}: expected the name of a folder in {self.runs}")
        run = RunDir(self.runs / run_id)
        if not run.plan.exists():
            raise MissingInput(run.plan, f"make it with `soakproof clean --run-id {run_id}`")
        return run

    def open_stored(self, run_id: str | None) -> RunDir:
        """Return a run's folder or, where that is gone, its evidence bundle.

        In a bundle the documents have the names they have in the folder; nothing may be written.

        Raises:
            MissingInput: there is neither.
        """
        if run_id is not None and _RUN_ID.fullmatch(run_id):
            stored = RunDir(self.evidence / run_id)
            if stored.plan.exists() and not RunDir(self.runs / run_id).plan.exists():
                return stored
        return self.open_run(run_id)


@dataclass(frozen=True, slots=True)
class RunDir:
    """The folder of one run: all that the stages share.

    Args:
        path: absolute path of the folder; its name is the run id.
    """

    path: Path

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def plan(self) -> Path:
        """What is to be done (clean)."""
        return self.path / "plan.json"

    @property
    def places(self) -> Path:
        """Which folders of this machine the plan's names stand for; never published (clean)."""
        return self.path / "places.json"

    @property
    def gate(self) -> Path:
        """The criteria as they were when the run was planned (clean)."""
        return self.path / "gate.toml"

    @property
    def segment(self) -> Path:
        """The code that the subject is asked about; the subject's cache lies in it (clean)."""
        return self.path / "segment"

    @property
    def telemetry(self) -> Path:
        """The subject's own event log lies in here."""
        return self.path / "telemetry"

    @property
    def anchors(self) -> Path:
        """Lines of the subject's source that this soak relies on (anchors)."""
        return self.path / "anchors.json"

    @property
    def target_scratch(self) -> Path:
        """What operations write beside their answers: ``{scratch}`` of the target's file (run)."""
        return self.scratch / "target"

    @property
    def history(self) -> Path:
        """Every operation and fault as it happened: the authoritative record (run)."""
        return self.path / "history.jsonl"

    @property
    def samples(self) -> Path:
        """Sizes of the cache's files over time (run)."""
        return self.path / "samples.jsonl"

    @property
    def run(self) -> Path:
        """Who ran what, on what (run)."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """The run told in plain lines (run)."""
        return self.path / "soak_run.log"

    @property
    def metrics(self) -> Path:
        """What was seen, counted (extract)."""
        return self.path / "metrics.json"

    @property
    def verdict(self) -> Path:
        """What it means (gate)."""
        return self.path / "verdict.json"

    @property
    def answers(self) -> Path:
        """Every distinct answer of the run, by its SHA-256 (run)."""
        return self.path / "answers"

    @property
    def versions(self) -> Path:
        """Every version of each edited file, by its SHA-256 (run)."""
        return self.path / "versions"

    @property
    def expected(self) -> Path:
        """What the right answers are, one line a question and version (expect)."""
        return self.path / "expected.jsonl"

    @property
    def report(self) -> Path:
        """The report of this run, one file (report)."""
        return self.path / "report.html"

    @property
    def report_markdown(self) -> Path:
        """The report as Markdown (report)."""
        return self.path / "report.md"

    @property
    def pictures(self) -> Path:
        """The report's pictures as SVG files (report)."""
        return self.path / "pictures"

    @property
    def junit(self) -> Path:
        """The verdict as JUnit XML (report)."""
        return self.path / "junit.xml"

    @property
    def scratch(self) -> Path:
        """Output of operations under way; empty between them."""
        return self.path / "scratch"


_ON_ONE_LINE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""Made once: a storm writes thousands of lines, and json.dumps makes an encoder for each."""


@functools.cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in dataclasses.fields(kind))


def as_json(value: object, *, compact: bool = False) -> bytes:
    """Return JSON of a dataclass or plain data, with a line feed; same value, same bytes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = _names(type(value))
        value = {name: part for name in names if (part := getattr(value, name)) is not None}
    if compact:
        text = _ON_ONE_LINE.encode(value)
    else:
        text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    return text.encode("utf-8", "surrogateescape") + b"\n"


def write_bytes(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` so that a reader, or a crash, finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException as problem:
        os.unlink(name)
        if isinstance(problem, OSError) and problem.filename is None:
            problem.filename = str(path)  # a write does not know where it writes to
        raise


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Put a JSON document at ``path``, whole or not at all."""
    write_bytes(path, as_json(document))


def read_lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (1-based number, line without its end, whether it ended) of a JSONL file.

    Memory is bounded by the longest line. Empty lines are not yielded, but counted.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            whole = line.endswith(b"\n")
            body = line.rstrip(b"\r\n")
            if body:
                yield number, body, whole
