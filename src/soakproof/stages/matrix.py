"""The stage ``matrix``: the panel of promises over real tools in pinned versions.

Each promise of each target is a whole soak in a project of its own under
``_ctx/runs/matrix/<target>/<promise>``, by the same commands that a person would type; what was not
a yes stays there. Writes the target's row beside them and, from all rows of this panel,
``docs/matrix.json`` and ``docs/matrix.md``.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.errors import ConfigError, UsageError
from soakproof.lines import BadLine, decode_expected, decode_history
from soakproof.matrix.cells import NO, NOT_SHOWN, YES, Cell, Edits, Seen, blamed, cell_of, not_asked
from soakproof.matrix.edits import count_edits
from soakproof.matrix.panel import Panel, Promise, Row, choose
from soakproof.matrix.plots import RUN_ID, Plot, Subject, narrowed
from soakproof.model import SCHEMA_VERSION
from soakproof.own_commands import OwnCommands, last_words
from soakproof.report.matrix import matrix_markdown
from soakproof.rotation.reading import is_there
from soakproof.rundir import Project, RunDir, write_bytes, write_json
from soakproof.workload.settings import ENVIRONMENT

__all__ = ["Told", "matrix"]

_HANG_GUARD_S: Final = 900
"""No claim about speed: a short soak that is not back by then hangs."""

_VERSION_DEADLINE_S: Final = 60
_EXIT_UNEXPECTED: Final = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What a matrix found.

    Args:
        rows: of the targets that were asked for.
        written: what was written; nothing where only a part of a row was asked for.
        exit_code: 0, or 10 where a cell is not what is known of that version.
    """

    rows: list[dict[str, Any]]
    written: list[Path]
    exit_code: int


def matrix(
    project: Project,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    tell: Callable[[str, Cell], None],
) -> Told:
    """Soak targets of the panel, or some of their promises.

    Args:
        project: whose ``eval/matrix.toml`` is the panel, and whose ``docs/`` takes the table.
        flags: only, promises, seed, jobs; text as given.
        environ: the environment of the soaks; tools are looked for on its ``PATH``.
        tell: called with the target's name and each cell as it comes.

    Raises:
        UsageError: a flag cannot be used, or a tool is not there or of another version.
        ConfigError, MissingInput: the panel or a target's file is wrong or not there.
    """
    path = project.root / "eval" / "matrix.toml"
    panel = Panel.of(schema.load_toml(path, "matrix-panel", hint="it lists targets and promises"))
    names = _chosen("only", flags, panel.targets)
    asked = _chosen("promises", flags, [one.promise_id for one in panel.promises])
    if given := flags.get("seed"):
        panel = replace(panel, seed=_number("seed", given, 0))
    jobs = _number("jobs", flags.get("jobs") or "1", 1)
    clean_env = {name: text for name, text in environ.items() if name not in ENVIRONMENT.values()}
    whole = len(asked) == len(panel.promises) and not flags.get("seed")
    entries = [_entry(project, name) for name in names]
    commands = [_command(project, entry, environ) for entry in entries]
    digest = _panel_sha256(project, path)
    rows, written = [], []
    with OwnCommands(clean_env) as own:
        for entry, command in zip(entries, commands, strict=True):
            soaker = _Soaker(project, panel, entry, command, own)
            row = soaker.row([one for one in panel.promises if one.promise_id in asked], jobs, tell)
            row["panel_sha256"] = digest
            rows.append(row)
            if whole:
                _write_row(project, row)
    if whole:
        written = _publish(project, panel, digest)
    unexpected = any(row["unexpected"] for row in rows)
    return Told(rows, written, _EXIT_UNEXPECTED if unexpected else 0)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The files of one target's folder."""

    row: Row
    folder: Path
    campaign: dict[str, Any]
    target: dict[str, Any]
    gate: bytes


def _chosen(flag: str, flags: Mapping[str, str | None], known: Sequence[str]) -> list[str]:
    try:
        return choose(flags.get(flag) or "", known)
    except KeyError as problem:
        message = f"--{flag}: expected some of {', '.join(known)}; found {problem.args[0]!r}"
        raise UsageError(message) from None


def _number(flag: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        message = f"--{flag}: expected a whole number of at least {least}, found {text!r}"
        raise UsageError(message)
    return int(text)


def _entry(project: Project, name: str) -> _Entry:
    folder = project.root / "eval" / "targets" / name
    hint = "each target of eval/matrix.toml is a folder in eval/targets/"
    row = schema.load_toml(folder / "row.toml", "matrix-row", hint=hint)
    if row["name"] != name:
        raise ConfigError(folder / "row.toml", f"expected the folder's name {name!r}", key="name")
    campaign = schema.load_toml(folder / "campaign.toml", "campaign", hint=hint)
    target = schema.load_toml(folder / "target.toml", "target", hint=hint)
    schema.load_toml(folder / "gate.toml", "gate", hint=hint)
    if "contract" not in target:
        problem = "expected a table [contract], which says what its makers promise; found none"
        raise ConfigError(folder / "target.toml", problem, key="name")
    return _Entry(Row(row), folder, campaign, target, (folder / "gate.toml").read_bytes())


def _command(project: Project, entry: _Entry, environ: Mapping[str, str]) -> list[str]:
    """Return the target's command with absolute paths, and see that it is the pinned version."""
    search = environ.get("PATH", os.defpath)
    command = _absolute(project, entry.target["command"], search, entry)
    argv = _absolute(project, entry.row.document["version_argv"], search, entry)
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            timeout=_VERSION_DEADLINE_S,
            check=True,
            stdin=subprocess.DEVNULL,
            env=dict(environ),
        )
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{entry.row.name}: expected `{' '.join(argv)}` to tell a version; {error}"
        raise UsageError(message) from None
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    wanted = entry.row.document["version"]
    if wanted not in said:
        message = (
            f"{entry.row.name}: expected version {wanted}, found {said.strip()[:80]!r}; run it in "
            f'its own environment: nox -s "matrix({entry.row.name})"'
        )
        raise UsageError(message)
    return command


def _absolute(project: Project, command: Sequence[str], search: str, entry: _Entry) -> list[str]:
    """Return a command with its executable and its own scripts as absolute paths."""
    found = shutil.which(command[0], path=search)
    if found is None:
        message = (
            f"{entry.row.name}: expected {command[0]!r} on PATH, found none; make its environment "
            f'with nox -s "matrix({entry.row.name})"'
        )
        raise UsageError(message)
    rest = [
        str(project.root / part) if (project.root / part).is_file() else part
        for part in command[1:]
    ]
    return [str(Path(found).absolute()), *rest]


class _Soaker:
    """Soaks one target, promise by promise.

    Args:
        project: takes the runs.
        panel: with the seed.
        entry: the target.
        command: its own, with absolute paths.
        own: runs soakproof's commands.
    """

    def __init__(
        self,
        project: Project,
        panel: Panel,
        entry: _Entry,
        command: Sequence[str],
        own: OwnCommands,
    ) -> None:
        self._panel = panel
        self._entry = entry
        self._own = own
        self._folder = _folder(project, entry.row.name)
        target = {**entry.target, "command": list(command)}
        self._subject = Subject(entry.folder, entry.campaign, target, entry.gate)

    def row(
        self, promises: Sequence[Promise], jobs: int, tell: Callable[[str, Cell], None]
    ) -> dict[str, Any]:
        """Soak some promises, several at a time, and return the target's row."""
        began = time.monotonic()
        by_id = {one.promise_id: one for one in self._panel.promises}
        needed = {one.same_soak_as or one.promise_id: None for one in promises}
        cells = []
        pool = ThreadPoolExecutor(jobs)
        try:
            soaks = {name: pool.submit(self._seen, by_id[name]) for name in needed}
            for promise in promises:
                soak = soaks[promise.same_soak_as or promise.promise_id]
                cells.append(self._cell(promise, soak.result()))
                tell(self._entry.row.name, cells[-1])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # what runs is ended by its owner
        self._tidy(needed, cells)
        documents = blamed([cell.document() for cell in cells], self._panel.promises)
        told = self._entry.row.document
        now = datetime.datetime.now(datetime.UTC)
        return {
            **{name: told[name] for name in _TOLD},
            "not_promised": dict(self._entry.row.not_promised),
            "contract": self._entry.target["contract"],
            "created_at_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "soakproof_version": soakproof.__version__,
            "seconds": round(time.monotonic() - began, 1),
            "unexpected": _unexpected(self._entry.row, documents),
            "cells": documents,
        }

    def _cell(self, promise: Promise, seen: Seen | str) -> Cell:
        row, seed = self._entry.row, self._panel.seed
        promised = promise.promise_id not in row.not_promised
        replay = f'nox -s "matrix({row.name})" -- --promises {promise.promise_id} --seed {seed}'
        if isinstance(seen, str):
            return not_asked(promise, seen, promised=promised, seed=seed, replay=replay)
        return cell_of(promise, seen, promised=promised, seed=seed, replay=replay)

    def _tidy(self, soaked: Iterable[str], cells: Sequence[Cell]) -> None:
        """Remove the projects that nobody has to look into."""
        by_id = {one.promise_id: one.same_soak_as for one in self._panel.promises}
        kept = {by_id[cell.promise] or cell.promise for cell in cells if cell.shown != YES}
        for name in soaked:
            if name not in kept:
                shutil.rmtree(self._folder / name, ignore_errors=True)
        shutil.rmtree(self._folder / "oracle", ignore_errors=True)

    def _seen(self, promise: Promise) -> Seen | str:
        """Soak one promise; or say why the target's campaign has nothing for it."""
        campaign = narrowed(self._subject, promise)
        if isinstance(campaign, str):
            return campaign
        began = time.monotonic()
        plot = Plot(self._folder / promise.promise_id, self._subject, campaign)
        shutil.rmtree(plot.root, ignore_errors=True)
        plot.make(self._folder / "oracle")
        workers = promise.workers or self._panel.workers
        arguments = [
            "all",
            "--no-record",
            "--run-id",
            RUN_ID,
            "--campaign",
            str(plot.campaign_path),
        ]
        arguments += ["--seed", str(self._panel.seed), "--workers", str(workers)]
        log = plot.root / "soak.log"
        code = self._own.run(arguments, cwd=plot.root, log=log, patience_s=_HANG_GUARD_S)
        problem = f"the soak ended with exit code {code}: {last_words(log)}"
        if code is None:
            problem = f"the soak was not back after {_HANG_GUARD_S} s"
        documents = []
        for name in ("verdict", "metrics"):
            path = plot.run_path / f"{name}.json"
            documents.append(json.loads(path.read_bytes()) if path.exists() else None)
        edits = _edits(RunDir(plot.run_path))
        return Seen(documents[0], documents[1], edits, time.monotonic() - began, problem)


_TOLD: Final = (
    "name",
    "package",
    "version",
    "origin",
    "family",
    "documentation",
    "claimed",
    "found",
)
"""What a row takes from ``row.toml`` as it is."""


def _edits(run_dir: RunDir) -> Edits:
    """Count the edits of a run; lines that cannot be read are told by its metrics."""
    if not (is_there(run_dir.history) and run_dir.expected.exists()):
        return Edits()
    history = (one for one in decode_history(run_dir.history) if not isinstance(one, BadLine))
    expected = (one for one in decode_expected(run_dir.expected) if not isinstance(one, BadLine))
    return count_edits(history, expected)


def _unexpected(row: Row, cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the cells that are not what is known of this version."""
    by_promise = {cell["promise"]: cell for cell in cells}
    return [
        f"{name}: known to be {wanted}, shown {cell['shown']} ({cell['why']})"
        for name, wanted in row.known.items()
        if (cell := by_promise.get(name)) is not None and cell["shown"] != wanted
    ]


def _folder(project: Project, name: str) -> Path:
    return project.runs / "matrix" / name


def _panel_sha256(project: Project, path: Path) -> str:
    """Return the SHA-256 of the panel's promises, which a row is worth nothing without."""
    document = schema.load_toml(path, "matrix-panel", hint=project.relative(path))
    asked = {name: document[name] for name in ("seed", "workers", "promises")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _write_row(project: Project, row: dict[str, Any]) -> None:
    path = _folder(project, row["name"]) / "row.json"
    write_json(path, row)


def _publish(project: Project, panel: Panel, digest: str) -> list[Path]:
    """Write the table from all rows of this panel, whichever session made them."""
    rows, not_run = [], []
    for name in panel.targets:
        kept = _folder(project, name) / "row.json"
        row = json.loads(kept.read_bytes()) if kept.exists() else None
        if row is None or row["panel_sha256"] != digest:
            not_run.append(name)
        else:
            rows.append(_told_anew(project, panel, row))
    cells = [cell for row in rows for cell in row["cells"]]
    document = {
        "schema_version": SCHEMA_VERSION,
        "panel_sha256": digest,
        "seed": panel.seed,
        "promises": [
            {"id": one.promise_id, "question": one.question, "proves": one.proves}
            for one in panel.promises
        ],
        "yes": sum(cell["shown"] == YES for cell in cells),
        "no": sum(cell["shown"] == NO and cell["promised"] for cell in cells),
        "not_shown": sum(cell["shown"] == NOT_SHOWN for cell in cells),
        "not_run": not_run,
        "rows": rows,
    }
    written = [project.root / "docs" / f"matrix.{kind}" for kind in ("json", "md")]
    schema.check(document, "matrix", written[0])
    write_json(written[0], document)
    write_bytes(written[1], matrix_markdown(document).encode())
    return written


def _told_anew(project: Project, panel: Panel, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with what its target's files say by now: words need no new soak.

    A row of another version than the folder pins is not this target's.
    """
    entry = _entry(project, row["name"])
    told, promised = entry.row.document, entry.row.not_promised
    if told["version"] != row["version"]:
        problem = f"expected version {row['version']}, which was soaked, found {told['version']!r}"
        raise ConfigError(entry.folder / "row.toml", f"{problem}; soak it again", key="version")
    cells = [
        cell | {"promised": cell["promise"] not in promised}
        for cell in blamed(row["cells"], panel.promises)
    ]
    return {
        **row,
        **{name: told[name] for name in _TOLD},
        "not_promised": dict(promised),
        "contract": entry.target["contract"],
        "unexpected": _unexpected(entry.row, cells),
        "cells": cells,
    }
