"""The stage ``repeat``: the same campaign with many seeds; a sound tool must pass with all of them.

Each seed is a whole soak. What it left is judged a second time, by other processes: a verdict that
changes for the same history is a defect of the judge. Only folders of seeds that did not pass are
kept, so the disk that it takes is bounded.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.errors import EvidenceBroken, UsageError
from soakproof.fleet.grid import parse_seeds
from soakproof.model import EXIT_CODES, Verdict, compose
from soakproof.own_commands import OwnCommands, last_words
from soakproof.rundir import Project, RunDir, write_bytes
from soakproof.workload.settings import ENVIRONMENT, FAULTS_CAMPAIGN

__all__ = ["Repeated", "Seeded", "repeat"]

_PASSED_ON: Final = ("campaign", "ops", "duration", "workers", "gate", "target_command")
_USAGE: Final = UsageError.exit_code


@dataclass(frozen=True, slots=True)
class Seeded:
    """What came of one seed.

    Args:
        seed: the seed.
        verdict: of its soak; UNKNOWN where it has none.
        why: the criteria that did not pass, or why there is no verdict.
        stable: whether the second judgement was, byte for byte, the first.
        kept: the run's folder, where it was kept.
        seconds: how long it took.
    """

    seed: int
    verdict: Verdict
    why: str
    stable: bool
    kept: str | None
    seconds: float

    def line(self) -> str:
        """Return one line for people."""
        parts = [f"seed {self.seed}: {self.verdict}", f"({self.seconds:.1f} s)", self.why]
        if not self.stable:
            parts.append("judged again, the verdict was another one")
        if self.kept:
            parts.append(f"kept in {self.kept}")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Repeated:
    """All seeds."""

    seeds: tuple[Seeded, ...]

    @property
    def exit_code(self) -> int:
        """The composed verdict's, or 12 if a verdict changed for the same history."""
        if not all(one.stable for one in self.seeds):
            return EvidenceBroken.exit_code
        return EXIT_CODES[compose(one.verdict for one in self.seeds)]

    def document(self) -> dict[str, Any]:
        """Return all as plain data."""
        return {"exit_code": self.exit_code, "seeds": [asdict(one) for one in self.seeds]}

    def line(self) -> str:
        """Return the sum in one line."""
        counts = {verdict: sum(one.verdict is verdict for one in self.seeds) for verdict in Verdict}
        told = [f"{count} {verdict}" for verdict, count in counts.items() if count]
        changed = sum(not one.stable for one in self.seeds)
        told += [f"{changed} changed when judged again"] if changed else []
        return f"{len(self.seeds)} seeds: {', '.join(told)}"


def repeat(
    project: Project,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    tell: Callable[[Seeded], None],
) -> Repeated:
    """Soak with each seed.

    Args:
        project: whose campaign is soaked, and whose ``_ctx/runs`` takes the runs.
        flags: seeds, jobs, and those that every soak is given.
        environ: the environment of the soaks; its ``SEED`` and ``RUN_ID`` say nothing here.
        tell: called with each seed as it comes.

    Raises:
        UsageError: a flag cannot be used, by this command or by a soak.
    """
    seeds = parse_seeds(flags.get("seeds") or "")
    jobs = flags.get("jobs") or "1"
    if not jobs.isdecimal() or int(jobs) < 1:
        message = f"--jobs: expected a whole number of at least 1, found {jobs!r}"
        raise UsageError(message)
    ours = {ENVIRONMENT["seed"], ENVIRONMENT["run_id"]}
    clean_env = {name: text for name, text in environ.items() if name not in ours}
    latest = project.latest.read_bytes() if project.latest.exists() else None
    try:
        with OwnCommands(clean_env) as commands:
            soaker = _Soaker(project, commands, _passed_on(project, flags))
            told = []
            for one in soaker.go(seeds, int(jobs)):
                told.append(one)
                tell(one)
    finally:
        _restore_latest(project, latest)
    return Repeated(tuple(sorted(told, key=lambda one: seeds.index(one.seed))))


def _passed_on(project: Project, flags: Mapping[str, str | None]) -> list[str]:
    campaign = flags.get("campaign") or project.campaign_of(FAULTS_CAMPAIGN)
    wanted = {**flags, "campaign": campaign}
    given = ((name, wanted.get(name)) for name in _PASSED_ON)
    pairs = [(f"--{name.replace('_', '-')}", text) for name, text in given if text]
    return [part for pair in pairs for part in pair]


def _restore_latest(project: Project, before: bytes | None) -> None:
    """Let ``latest`` name a run that is there."""
    if not project.latest.exists():
        return
    name = project.latest.read_text("utf-8").strip()
    if (project.runs / name).is_dir():
        return
    if before is None:
        project.latest.unlink()
    else:
        write_bytes(project.latest, before)


class _Soaker:
    """Soaks seed by seed.

    Args:
        project: takes the runs.
        commands: runs soakproof's commands.
        arguments: what every soak is given.
    """

    def __init__(self, project: Project, commands: OwnCommands, arguments: Sequence[str]) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self._name = f"repeat-{now:%Y%m%dT%H%M%SZ}-{os.getpid()}"
        self._project = project
        self._commands = commands
        self._arguments = arguments

    def go(self, seeds: Sequence[int], jobs: int) -> Iterator[Seeded]:
        """Yield what came of each seed, as it comes."""
        self._project.runs.mkdir(parents=True, exist_ok=True)
        pool = ThreadPoolExecutor(jobs)
        try:
            for done in as_completed([pool.submit(self._soak, seed) for seed in seeds]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _soak(self, seed: int) -> Seeded:
        began = time.monotonic()
        run = RunDir(self._project.runs / f"{self._name}-seed-{seed}")
        log = run.path.with_name(f"{run.run_id}.log")
        arguments = ["all", "--no-record", "--run-id", run.run_id, "--seed", str(seed)]
        code = self._commands.run([*arguments, *self._arguments], cwd=self._project.root, log=log)
        if code == _USAGE:
            words = last_words(log).removeprefix("soakproof: ")
            log.unlink()
            raise UsageError(words)
        verdict, why = Verdict.UNKNOWN, f"ended with exit code {code}: {last_words(log)}"
        stable = True
        if run.verdict.exists():
            document = json.loads(run.verdict.read_bytes())
            verdict = Verdict(document["verdict"])
            unmet = [one for one in document["criteria"] if one["verdict"] != Verdict.PASS]
            why = "; ".join(f"{one['id']} {one['verdict']}: {one['reason']}" for one in unmet)
            stable = self._judged_again(run, log)
        if verdict is Verdict.PASS and stable:
            shutil.rmtree(run.path)
            log.unlink()
        elif run.path.is_dir():
            log.replace(run.path / "repeat.log")
        kept = self._project.relative(run.path) if run.path.is_dir() else None
        return Seeded(seed, verdict, why, stable, kept, time.monotonic() - began)

    def _judged_again(self, run: RunDir, log: Path) -> bool:
        """Extract and judge once more, in new processes; whether all bytes are the same."""
        before = [run.metrics.read_bytes(), run.verdict.read_bytes()]
        again = ["extract", "--run-id", run.run_id, "--out", str(run.metrics)]
        for arguments in (again, ["gate", "--run-id", run.run_id]):
            self._commands.run(arguments, cwd=self._project.root, log=log)
        return before == [run.metrics.read_bytes(), run.verdict.read_bytes()]
