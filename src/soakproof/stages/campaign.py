"""The stage ``campaign``: thousands of soaks, each a point of seeds times a grid.

Writes ``_ctx/campaigns/<name>/``. What is done there is not done again, so the same command goes on
where an earlier one was ended, however it ended. The name is made of all that is asked (campaign,
target, gate, grid, seeds, the tool itself): another question is another campaign.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.dice import rank
from soakproof.errors import MissingInput, UsageError
from soakproof.fleet.book import Book
from soakproof.fleet.coverage import reachable
from soakproof.fleet.engine import Answered, Engine, Local, Task
from soakproof.fleet.grid import Point, parse_grid, parse_seeds, points
from soakproof.fleet.result import failed_result
from soakproof.fleet.summary import summarise
from soakproof.fleet.tally import merge, merge_all
from soakproof.model import SCHEMA_VERSION
from soakproof.report.campaign import campaign_markdown
from soakproof.report.campaign_progress import CampaignProgress
from soakproof.report.html.campaign import campaign_page
from soakproof.rundir import Project, write_bytes, write_json
from soakproof.targets.command import about, resolve_command
from soakproof.targets.oracle import identity
from soakproof.workload.settings import ENVIRONMENT, FAULTS_CAMPAIGN, resolve

__all__ = ["Campaigned", "campaign"]

_PASSED_ON: Final = ("ops", "duration", "workers", "gate", "target_command")
_SAMPLE_EVERY: Final = 200
_KEEP: Final = 50
_LEAST_FREE_BYTES: Final = 1024 * 1024
"""Less than any soak writes."""


@dataclass(frozen=True, slots=True)
class Campaigned:
    """What a campaign came to.

    Args:
        book: its folder.
        summary: its document.
    """

    book: Book
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for, read and checked before the first soak.

    ``cases``: the name of the point → ``path``, ``seed``, and of what failure it was made.
    """

    spec: dict[str, Any]
    points: Mapping[str, Point]
    cases: Mapping[str, Mapping[str, str]]
    reachable: Mapping[str, frozenset[str]]
    flags: Mapping[str, str]
    jobs: int
    sample_every: int
    keep: int
    engine: str
    scheduler: str | None
    wheels: str | None
    distributions: tuple[str, ...]


def campaign(
    project: Project, flags: Mapping[str, str | None], environ: Mapping[str, str]
) -> Campaigned:
    """Soak every point that is not done yet, and sum up.

    Args:
        project: keeps campaign and runs.
        flags: text as given.
        environ: of the soaks; its settings of soaks say nothing here.

    Raises:
        UsageError: a flag cannot be used; nothing was soaked then.
        Interrupted: Ctrl-C; what was done is done.
    """
    asked = _asked(project, flags)
    name = flags.get("name") or asked.spec["name"]
    ours = set(ENVIRONMENT.values())
    clean_env = {key: text for key, text in environ.items() if key not in ours}
    with (
        Book(project.campaigns / name) as book,
        CampaignProgress(len(asked.cases) + len(asked.points)) as progress,
    ):
        if book.busy():
            progress.say("waiting for the soaks of an earlier attempt at this campaign to end")
            book.wait()
        book.begin({**asked.spec, "name": name})
        began_s = time.monotonic()
        state = "interrupted"
        try:
            with (
                project.keeping_latest(),
                _engine(project, asked, book, clean_env, progress) as engine,
            ):
                _soak_all(project, asked, book, engine, progress)
            state = "completed"
        finally:
            summary = _sum_up(asked, book, state, time.monotonic() - began_s)
    return Campaigned(book, summary)


@contextmanager
def _engine(
    project: Project,
    asked: _Asked,
    book: Book,
    environ: Mapping[str, str],
    progress: CampaignProgress,
) -> Iterator[Engine]:
    """Give the engine that was asked for."""
    if asked.engine == "local":
        place = (project.root, book.scratch)
        with Local(environ, *place, asked.jobs, (book.lock_fd,)) as engine:
            yield engine
        return
    from soakproof.fleet.dask_engine import Dask
    from soakproof.fleet.parcel import pack

    parcel = pack(project.root, asked.distributions, asked.wheels)
    with Dask(asked.scheduler, asked.jobs, parcel, project.runs, progress.say) as cluster:
        yield cluster


def _soak_all(
    project: Project, asked: _Asked, book: Book, engine: Engine, progress: CampaignProgress
) -> None:
    done = book.done((*asked.cases, *asked.points))
    for result in done.values():
        progress.known(result)
    kept = sum(result["run"] is not None for result in done.values())
    for answered in engine.go(_tasks(asked, book, done)):
        if answered.result is None:
            _refuse_full_disk(book.path)
        result = answered.result or _no_verdict(asked, answered)
        if result["run"] is not None:
            kept += 1
            if kept > asked.keep:
                shutil.rmtree(project.runs / result["run"], ignore_errors=True)
                result["run"] = None
        merged = merge(book.done([result["point"]]), {result["point"]: result})
        book.keep(merged[result["point"]])
        progress.soaked(result)


def _refuse_full_disk(folder: Path) -> None:
    """End the campaign where a point came to nothing for want of space: the next would, too.

    Raises:
        OSError: there is no space; the point is not done, and is soaked when the campaign goes on.
    """
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < _LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _tasks(asked: _Asked, book: Book, done: Mapping[str, Any]) -> Iterator[Task]:
    for name, case in asked.cases.items():
        if name not in done:
            point = Point(int(case["seed"]))
            yield Task(name, {**_spec_of(asked, book, point, name), "case": case["path"]})
    for name, point in asked.points.items():
        if name not in done:
            yield Task(name, _spec_of(asked, book, point, name))


def _spec_of(asked: _Asked, book: Book, point: Point, name: str) -> dict[str, Any]:
    run_id = f"{book.path.name}-{name}"
    return {
        "schema_version": SCHEMA_VERSION,
        "point": name,
        "seed": point.seed,
        "grid": dict(point.values),
        "case": None,
        "flags": dict(asked.flags),
        "run_id": run_id if len(run_id) <= _ID_CHARS else _short_id(run_id),
        "sample": rank(point.seed, "sample", name) % asked.sample_every == 0,
    }


_ID_CHARS: Final = 100


def _short_id(run_id: str) -> str:
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:12]
    return f"{run_id[: _ID_CHARS - 13]}-{digest}"


def _no_verdict(asked: _Asked, answered: Answered) -> dict[str, Any]:
    spec = answered.task.spec
    given = {**asked.flags, **spec["grid"], "seed": str(spec["seed"])}
    replay = ["soakproof", "all", "--no-record"]
    replay += [part for flag, text in given.items() for part in (_option(flag), text)]
    if spec["case"] is not None:
        replay = ["soakproof", "replay", spec["case"], "--no-record"]
    return failed_result(
        answered.task.name,
        spec,
        replay=replay,
        reason=answered.why_not,
        attempts=answered.attempts,
    )


def _option(flag: str) -> str:
    return f"--{flag.replace('_', '-')}"


def _sum_up(asked: _Asked, book: Book, state: str, elapsed_s: float) -> dict[str, Any]:
    """Write what the points that are done came to, whatever ended the campaign."""
    names = (*asked.cases, *asked.points)
    results = merge_all({name: one} for name, one in book.done(names).items())
    spec = schema.load_json(book.campaign, "fleet-plan", hint="")
    summary = summarise(
        spec,
        results,
        asked.reachable,
        state=state,
        elapsed_s=elapsed_s,
        cases=list(asked.cases.values()),
    )
    schema.check(summary, "fleet-summary", book.summary)
    write_json(book.summary, summary)
    write_bytes(book.report, campaign_markdown(summary).encode())
    write_bytes(book.page, campaign_page(summary).encode())
    return summary


# What is asked for.


def _asked(project: Project, flags: Mapping[str, str | None]) -> _Asked:
    seeds_text, grid_text = flags.get("seeds") or "", flags.get("grid") or ""
    seeds, grid = parse_seeds(seeds_text), parse_grid(grid_text.split())
    for name in grid:
        if flags.get(name):
            raise UsageError(f"--grid {name} and {_option(name)}: expected one of the two")
    for name in ("ops", "workers"):
        for text in (flags.get(name), *grid.get(name, ())):
            resolve(name, {name: text}, {})  # a value that no soak could use is refused here
    campaign_path = _campaign_path(project, flags.get("campaign") or FAULTS_CAMPAIGN)
    document = schema.load_toml(campaign_path, "campaign", hint="give --campaign FILE")
    passed = {name: text for name in _PASSED_ON if (text := flags.get(name))}
    passed["campaign"] = project.relative(campaign_path)
    selections = grid.get("faults", ("",))
    named = {point.name: point for point in points(seeds, grid)}
    spec = {
        "schema_version": SCHEMA_VERSION,
        "name": "",
        "soakproof_version": soakproof.__version__,
        "campaign": document["name"],
        "seeds": seeds_text,
        "grid": {name: list(values) for name, values in grid.items()},
        "points": len(named),
        "flags": passed,
        "asked_sha256": _asked_sha256(project, campaign_path, document, passed),
    }
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    spec["name"] = f"{document['name']}-{digest[:10]}"
    return _Asked(
        spec=spec,
        points=named,
        cases=_cases(project, campaign_path, document),
        reachable={
            text: reachable(_restricted(document, text, campaign_path)) for text in selections
        },
        flags=passed,
        jobs=_count(flags, "jobs", len(os.sched_getaffinity(0))),
        sample_every=_count(flags, "sample", _SAMPLE_EVERY),
        keep=_count(flags, "keep", _KEEP),
        engine=_engine_name(flags),
        scheduler=flags.get("scheduler") or None,
        wheels=flags.get("wheels") or None,
        distributions=_distributions(campaign_path, document),
    )


def _engine_name(flags: Mapping[str, str | None]) -> str:
    name = flags.get("engine") or "local"
    if name not in {"local", "dask"}:
        raise UsageError(f"--engine: expected local or dask, found {name!r}")
    for flag in ("scheduler", "wheels"):
        if flags.get(flag) and name == "local":
            raise UsageError(f"--{flag}: expected --engine dask beside it, found --engine local")
    return name


def _distributions(path: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what must be installed where a point is soaked: ourselves, and the tool."""
    target_path = (path.parent / document["target"]).resolve()
    target = schema.load_toml(target_path, "target", hint=f"it is named in {path}")
    tool = target.get("source", {}).get("distribution")
    return ("soakproof",) if tool is None else ("soakproof", tool)


def _cases(
    project: Project, path: Path, document: Mapping[str, Any]
) -> dict[str, Mapping[str, str]]:
    """Return the cases of the target's seed base, by the name of the point that soaks each."""
    target_path = (path.parent / document["target"]).resolve()
    target = schema.load_toml(target_path, "target", hint=f"it is named in {path}")
    found: dict[str, Mapping[str, str]] = {}
    for file in sorted((project.seeds / target["name"]).glob("*.json")):
        case = schema.load_json(file, "case", hint="")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        found[f"case-{file.stem}-{digest[:6]}"] = {
            "path": project.relative(file),
            "seed": str(case["seed"]),
            "run_id": case["origin"]["run_id"],
            "criterion": case["shows"]["criterion"],
        }
    return found


def _campaign_path(project: Project, name: str) -> Path:
    found = [Path(name), project.root / name, project.root / "eval" / "campaigns" / f"{name}.toml"]
    for path in found:
        if path.is_file():
            return path.resolve()
    hint = "expected a file, or the name of one in eval/campaigns/; give --campaign FILE"
    raise MissingInput(name, hint)


def _restricted(document: Mapping[str, Any], text: str, path: Path) -> dict[str, Any]:
    """Return a campaign with the faults that one value of the grid leaves in it."""
    faults = document.get("faults", [])
    kinds = set(text.split("+")) if text else {fault["kind"] for fault in faults}
    unknown = sorted(kinds - {fault["kind"] for fault in faults})
    if unknown:
        known = ", ".join(sorted({fault["kind"] for fault in faults})) or "it has none"
        message = f"--grid faults: expected kinds of {path.name} ({known}), found {unknown[0]!r}"
        raise UsageError(message)
    return {**document, "faults": [fault for fault in faults if fault["kind"] in kinds]}


def _asked_sha256(
    project: Project, path: Path, document: Mapping[str, Any], passed: Mapping[str, str]
) -> str:
    """Return a digest over campaign, target and gate file, and over the tool's own code."""
    sha = hashlib.sha256(path.read_bytes())
    target_path = (path.parent / document["target"]).resolve()
    target = schema.load_toml(target_path, "target", hint=f"it is named in {path}")
    gate_path = Path(passed["gate"]) if "gate" in passed else path.parent / document["gate"]
    for part in (target_path, gate_path):
        if part.is_file():
            sha.update(part.read_bytes())
    given = passed.get("target_command")
    argv = shlex.split(given) if given else target["command"]
    command = resolve_command(argv, "--target-command" if given else target_path.name, project.root)
    package_dir = None
    if "about" in target:
        package_dir = Path(about(command, target["about"])["package_dir"])
    sha.update(identity(command, package_dir).encode())
    return sha.hexdigest()


def _count(flags: Mapping[str, str | None], name: str, default: int) -> int:
    text = flags.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        message = f"{_option(name)}: expected a whole number of at least 1, found {text!r}"
        raise UsageError(message)
    return int(text)
