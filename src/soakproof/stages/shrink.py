"""The stage ``shrink``: make a run that failed into the smallest case that fails the same way.

Reads plan, metrics and verdict of a run; soaks hundreds of smaller ones, each in a process and a
run of its own that is removed at once; writes one case into the seed base, ``eval/seeds/TARGET``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof import schema
from soakproof.errors import UsageError
from soakproof.faults.planning import planner_of
from soakproof.fleet.reduce import BudgetUsed, Case, reduced, size_of
from soakproof.fleet.result import ABOUT_ANSWERS
from soakproof.model import SCHEMA_VERSION, Source, Verdict
from soakproof.own_commands import OwnCommands, last_words
from soakproof.places import Places
from soakproof.rundir import Project, RunDir, as_json, write_json
from soakproof.workload.schedule import Workload
from soakproof.workload.script import edits_of, operations_of, script_of
from soakproof.workload.settings import ENVIRONMENT

__all__ = ["Shrunk", "shrink"]

_REPEATS: Final = "2/3"
_BUDGET: Final = 600

_ELSEWHERE: Final = re.compile(r"\{(?!project\}|python\})\w+\}")
"""A folder that a case does not name: it is published, and the folder is one of this machine."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What came of it.

    Args:
        path: the case; ``None``: the run did not fail again.
        document: the case, or what was tried in vain.
        before: operations, faults and edits of the run.
        soaks: how many were spent.
        command: what was soaked in place of the target's own command.
    """

    path: Path | None
    document: Mapping[str, Any]
    before: tuple[int, int, int]
    soaks: int
    command: str | None = None

    @property
    def exit_code(self) -> int:
        """0, or 11 where the failure did not come again."""
        return 0 if self.path is not None else 11

    def lines(self, shown: str) -> list[str]:
        """Return what to tell: ``shown`` is the case's path, as a person reads it."""
        ops, faults, edits = self.before
        told = f"{ops} operations, {faults} faults and {edits} edits"
        if self.path is None:
            why = self.document["shows"]["criterion"]
            return [f"not shrunk: {told} did not fail {why} again in {self.soaks} soaks"]
        left_ops, left_faults, left_edits = size_of(self.document)
        return [
            f"{told} shrunk to {left_ops}, {left_faults} and {left_edits} in {self.soaks} soaks",
            f"shows: {self.document['shows']['criterion']}: {self.document['shows']['words']}",
            f"case: {shown}",
            shlex.join(["replay:", "soakproof", "replay", shown, "--no-record", *self._by_flag()]),
        ]

    def _by_flag(self) -> list[str]:
        """Return the command as a flag where it is no part of the project: a case names none."""
        named = " ".join(self.document["target_command"] or ())
        if self.command is None or not _ELSEWHERE.search(named):
            return []
        return ["--target-command", self.command]


def shrink(
    project: Project,
    run_dir: RunDir,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    tell: Callable[[str], None],
) -> Shrunk:
    """Make a run that failed smaller.

    Args:
        project: takes the runs, and the case.
        run_dir: the run that failed; its documents are read, its segment is not needed.
        flags: criterion, repeats, budget, jobs, out; text as given.
        environ: of the soaks; its settings of soaks say nothing here.
        tell: called with a line for each case that is smaller and fails.

    Raises:
        UsageError: a flag cannot be used, or the run did not fail by that criterion.
    """
    need, repeats = _repeats(flags.get("repeats") or _REPEATS)
    budget = _count(flags, "budget", _BUDGET)
    jobs = _count(flags, "jobs", 1)
    case = _case_of(run_dir, flags.get("criterion"))
    command = None
    if (named := case["target_command"]) is not None:
        command = shlex.join(Places.load(run_dir).reveal_in(named))
    ours = set(ENVIRONMENT.values())
    clean_env = {name: text for name, text in environ.items() if name not in ours}
    with OwnCommands(clean_env) as commands, project.keeping_latest():
        trials = _Trials(project, commands, case["shows"], (need, repeats), jobs, command)
        trials.budget, trials.tell = budget, tell
        if not trials.fails(case):
            return Shrunk(None, case, size_of(case), trials.soaks, command)
        smallest, minimal = reduced(case, trials.fails)
        trials.budget = None
        confirmed = trials.count(smallest)
    origin = {
        **case["origin"],
        "soaks": trials.soaks,
        "failed": confirmed,
        "repeats": repeats,
        "minimal": minimal,
    }
    shows = {**case["shows"], "words": trials.words or case["shows"]["words"]}
    document = {**smallest, "origin": origin, "shows": shows}
    path = (
        Path(given).resolve() if (given := flags.get("out")) else _home(project, run_dir, document)
    )
    schema.check(document, "case", path)
    write_json(path, document)
    return Shrunk(path, document, size_of(case), trials.soaks, command)


def _case_of(run_dir: RunDir, criterion: str | None) -> dict[str, Any]:
    """Return the run as a case: all that its dice said, listed, and what it failed with."""
    plan = schema.load_json(run_dir.plan, "plan", hint="expected the id or folder of a run")
    metrics = schema.load_json(run_dir.metrics, "metrics", hint="expected a run that was judged")
    verdict = schema.load_json(run_dir.verdict, "verdict", hint="expected a run that was judged")
    ops = plan["settings"]["ops"]["value"] or metrics["ops"]["invoked"]
    operations = list(itertools.islice(operations_of(plan), ops))
    workload = Workload.of(plan["campaign"], plan["target"], plan["segment"])
    settings = plan["settings"]
    script = plan.get("script") or script_of(
        operations,
        planner_of(plan, workload.writers).plan_all(operations),
        edits_of(plan),
    )
    command = settings["target_command"]
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": plan["campaign_path"],
        "target_command": command["value"] if command["source"] == Source.FLAG else None,
        "workers": settings["workers"]["value"],
        "seed": settings["seed"]["value"],
        "modules": plan["segment"]["modules"],
        "script": script,
        "shows": _shows(run_dir, metrics, verdict, criterion),
        "origin": {
            "run_id": run_dir.run_id,
            "python": plan["segment"]["python"],
            "operations": len(operations),
            "faults": len(script["faults"]),
            "soaks": 0,
            "failed": 0,
            "repeats": 1,
            "minimal": False,
        },
    }


def _shows(
    run_dir: RunDir, metrics: Mapping[str, Any], verdict: Mapping[str, Any], criterion: str | None
) -> dict[str, Any]:
    """Return what the run failed with: the criterion given, else one about answers if any."""
    failed = [one["id"] for one in verdict["criteria"] if one["verdict"] == Verdict.FAIL]
    failed.sort(key=lambda name: name not in ABOUT_ANSWERS)
    wanted = criterion or (failed[0] if failed else "any criterion")
    if wanted not in failed:
        message = (
            f"{run_dir.verdict}: expected {wanted} to be FAIL, found "
            f"{', '.join(failed) or 'no criterion that is'}"
        )
        raise UsageError(message)
    first = metrics["answers"].get("first") if wanted in ABOUT_ANSWERS else None
    return {
        "criterion": wanted,
        "answer": first["answer"] if first else None,
        "words": first["words"] if first else "",
    }


class _Trials:
    """Soaks cases and says whether they fail for the same reason, in k of n repeats.

    Args:
        project: takes the runs.
        commands: runs soakproof's commands.
        shows: the reason.
        times: k, n; no more are soaked than it takes to know.
        jobs: repeats at once.
        command: in place of the target's own.
    """

    budget: int | None = None

    def __init__(
        self,
        project: Project,
        commands: OwnCommands,
        shows: Mapping[str, Any],
        times: tuple[int, int],
        jobs: int,
        command: str | None,
    ) -> None:
        self._command = [] if command is None else ["--target-command", command]
        self._project = project
        self._commands = commands
        self._shows = shows
        self._need, self._repeats = times
        self._pool = ThreadPoolExecutor(jobs)
        self._jobs = jobs
        self._known: dict[str, bool] = {}
        self._smallest: tuple[int, int, int] | None = None
        self.soaks = 0
        self.words = ""
        self.tell: Callable[[str], None] = lambda _line: None

    def fails(self, case: Case) -> bool:
        """Whether it fails often enough; remembered.

        Raises:
            BudgetUsed: no more soaks may be spent.
        """
        name = hashlib.sha256(as_json({**case, "origin": None})).hexdigest()
        if name not in self._known:
            self._known[name] = self.count(case) >= self._need
        if self._known[name] and self._smallest != size_of(case):
            self._smallest = size_of(case)
            ops, faults, edits = self._smallest
            self.tell(f"{ops} operations, {faults} faults, {edits} edits fail ({self.soaks} soaks)")
        return self._known[name]

    def count(self, case: Case) -> int:
        """Return how many repeats failed; it stops when enough did, or no longer can."""
        failed = begun = 0
        while failed < self._need and failed + self._repeats - begun >= self._need:
            if self.budget is not None and self.soaks >= self.budget:
                raise BudgetUsed
            batch = min(self._jobs, self._repeats - begun, max(1, self._need - failed))
            numbers = range(self.soaks, self.soaks + batch)
            begun, self.soaks = begun + batch, self.soaks + batch
            failed += sum(self._pool.map(lambda number: self._soak(case, number), numbers))
        return failed

    def _soak(self, case: Case, number: int) -> bool:
        run = RunDir(self._project.runs / f"shrink-{os.getpid()}-{number}")
        file, log = run.path.with_suffix(".json"), run.path.with_suffix(".log")
        write_json(file, dict(case))
        arguments = ["replay", str(file), "--no-record", "--run-id", run.run_id, *self._command]
        try:
            code = self._commands.run(arguments, cwd=self._project.root, log=log)
            if code == UsageError.exit_code:
                raise UsageError(last_words(log).removeprefix("soakproof: "))
            return run.verdict.exists() and self._same(run)
        finally:
            for path in (file, log):
                path.unlink(missing_ok=True)
            shutil.rmtree(run.path, ignore_errors=True)

    def _same(self, run: RunDir) -> bool:
        """Whether a run failed for the same reason: criterion, and what is wrong with answers."""
        verdict, metrics = (
            json.loads(run.verdict.read_bytes()),
            json.loads(run.metrics.read_bytes()),
        )
        failed = {one["id"] for one in verdict["criteria"] if one["verdict"] == Verdict.FAIL}
        if self._shows["criterion"] not in failed:
            return False
        if self._shows["answer"] is None:
            return True
        first = metrics["answers"].get("first")
        same = first is not None and first["answer"] == self._shows["answer"]
        if same:
            self.words = first["words"]
        return same


def _home(project: Project, run_dir: RunDir, document: Mapping[str, Any]) -> Path:
    """Return where a case belongs: the seed base of its target, under a name of its content."""
    target: str = json.loads(run_dir.plan.read_bytes())["target"]["name"]
    digest = hashlib.sha256(as_json({**document, "origin": None, "shows": None})).hexdigest()
    name = f"{document['shows']['criterion']}-{digest[:10]}.json"
    return project.seeds / target / name


def _repeats(text: str) -> tuple[int, int]:
    need, slash, repeats = text.partition("/")
    good = slash and need.isdecimal() and repeats.isdecimal()
    if not good or not 1 <= int(need) <= int(repeats):
        message = f"--repeats: expected K/N such as 2/3, K at least 1 and at most N, found {text!r}"
        raise UsageError(message)
    return int(need), int(repeats)


def _count(flags: Mapping[str, str | None], name: str, default: int) -> int:
    text = flags.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--{name}: expected a whole number of at least 1, found {text!r}")
    return int(text)
