"""The stage ``deep``: every system call that changes the cache is a place where something happens.

Works in ``_ctx/runs/deep-<time>-<pid>/``: ``deep.json``, ``deep.md``, and the states in which
something was found. A whole tier is also published as ``_ctx/deep/deep.json`` and ``deep.md``.
"""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.deep.calibration import EXPECTED, Row, calibrate
from soakproof.deep.crash import MODELS
from soakproof.deep.strace import Strace, find_strace
from soakproof.deep.verdicts import failing, skipped_row, whole_verdict
from soakproof.model import EXIT_CODES, SCHEMA_VERSION
from soakproof.places import Places
from soakproof.report.deep_tables import deep_markdown
from soakproof.rundir import Project, RunDir, write_bytes, write_json
from soakproof.stages.deep.asked import Asked, read_asked
from soakproof.stages.deep.scanning import scanned
from soakproof.stages.deep.scene import make_scene

__all__ = ["DeepResult", "deep"]

SITUATIONS: Final = ("cold", "warm")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DeepResult:
    """What the deep tier found.

    Args:
        document: ``deep.json``.
        path: where it was written.
        published: where it was published; ``None``: it was not whole.
    """

    document: dict[str, Any]
    path: Path
    published: Path | None


def deep(
    project: Project, flags: Mapping[str, str | None], environ: Mapping[str, str], tell: Tell
) -> DeepResult:
    """Run the deep tier, or a part of it.

    Args:
        project: whose campaign is taken, and whose ``_ctx`` gets the result.
        flags: campaign, seed, target_command, scan, point, max_points, jobs; text as given.
        environ: the environment of everything that is started; strace is looked for on its PATH.
        tell: takes a line as each scan ends.

    Raises:
        UsageError: a flag cannot be used.
        ConfigError, MissingInput: the campaign or its target is wrong or not there.
        SoakError: the tool does not answer rightly even without a fault.
        KeyboardInterrupt: Ctrl-C or SIGTERM; points under way have ended.
    """
    with _ended_in_order():
        return _deep(project, flags, environ, tell)


def _deep(
    project: Project, flags: Mapping[str, str | None], environ: Mapping[str, str], tell: Tell
) -> DeepResult:
    began = time.monotonic()
    now = datetime.datetime.now(datetime.UTC)
    asked = read_asked(project, flags, environ)
    strace = find_strace(environ)
    folder = project.runs / f"deep-{now:%Y%m%dT%H%M%SZ}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        seen = _seen(project, asked, strace, folder, environ, tell)
    finally:
        for scratch in ("rooms", "calibration", "base"):
            shutil.rmtree(folder / scratch, ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    verdict, reason = whole_verdict(seen.rows, seen.calibration)
    calibration = seen.calibration
    document = {
        "schema_version": SCHEMA_VERSION,
        "created_at_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "soakproof_version": soakproof.__version__,
        "campaign": project.relative(asked.campaign_path),
        "target": asked.target["name"],
        "target_code_sha256": seen.code_sha256,
        "seed": asked.seed,
        "max_points": asked.max_points,
        "whole": asked.whole,
        "strace": {
            "version": strace.version,
            "usable": strace.path is not None,
            "reason": strace.reason,
        },
        "calibration": None if calibration is None else [asdict(row) for row in calibration],
        "scans": seen.rows,
        "failing": seen.failing,
        "verdict": str(verdict),
        "reason": reason,
        "exit_code": EXIT_CODES[verdict],
        "seconds": round(time.monotonic() - began, 1),
    }
    return _written(project, folder, _hidden(project, folder, asked, document))


@dataclass(slots=True)
class _Seen:
    """What the scans and the calibration showed."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    failing: list[dict[str, Any]] = field(default_factory=list)
    calibration: list[Row] | None = None
    code_sha256: str | None = None


def _seen(
    project: Project,
    asked: Asked,
    strace: Strace,
    folder: Path,
    environ: Mapping[str, str],
    tell: Tell,
) -> _Seen:
    """Calibrate and scan; without a strace, say of each row why not."""
    seen = _Seen()
    if strace.path is None:
        seen.rows = [skipped_row(*one, str(strace.reason)) for one in _planned(asked.scans)]
        return seen
    if "calibration" in asked.scans:
        seen.calibration = _calibrated(asked, strace, folder / "calibration", environ, tell)
    if asked.scans == ("calibration",):
        return seen
    scene = make_scene(project, asked, strace, folder, environ)
    seen.code_sha256 = scene.code_sha256
    for row, results in scanned(asked, scene):
        seen.rows.append(row)
        seen.failing += failing(row["scan"], row["situation"], results, asked.replay(project))
        tell(f"{row['scan']}, {row['situation']}: {row['run']} points, {row['verdict']}")
    return seen


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C: points under way come to their end, and nobody stays stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _hidden(
    project: Project, folder: Path, asked: Asked, document: dict[str, Any]
) -> dict[str, Any]:
    """Return the document without the paths of this machine."""
    places = Places.of(project, RunDir(folder), (asked.command, asked.target["command"]))
    hidden: dict[str, Any] = places.hide_in(document)
    return hidden


def _written(project: Project, folder: Path, document: dict[str, Any]) -> DeepResult:
    """Write the result where it was made and, a whole one, where it is found."""
    path, published = folder / "deep.json", None
    schema.check(document, "deep", path)
    write_json(path, document)
    page = deep_markdown(document).encode()
    write_bytes(folder / "deep.md", page)
    if document["whole"] and document["strace"]["usable"]:
        published = project.ctx / "deep" / "deep.json"
        write_json(published, document)
        write_bytes(published.with_suffix(".md"), page)
    return DeepResult(document, path, published)


def _planned(scans: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield scan and situation of each row that there would be."""
    for scan in scans:
        if scan == "calibration":
            yield scan, "sqlite"
        else:
            yield from ((scan, one) for one in (MODELS if scan == "crash" else SITUATIONS))


def _calibrated(
    asked: Asked, strace: Strace, folder: Path, environ: Mapping[str, str], tell: Tell
) -> list[Row]:
    rows = []
    for setting in EXPECTED:
        place = folder / "-".join(setting)
        rows += calibrate(strace, place, environ, setting, asked.seed)
        shutil.rmtree(place)
    agree = sum(row.agrees for row in rows)
    tell(f"calibration: {agree} of {len(rows)} rows agree with SQLite's documentation")
    return rows
