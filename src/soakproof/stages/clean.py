"""Stage clean: decide everything, prepare the segment, begin with nothing in the cache.

Writes ``plan.json``, ``places.json`` and ``gate.toml``, the segment, and an empty telemetry folder,
in a run directory of its own. Nothing of an earlier run is read or removed.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.checks.contract import outside_contract
from soakproof.dice import rank
from soakproof.errors import EvidenceBroken, MissingInput, RunExists
from soakproof.faults.planning import FaultPlanner
from soakproof.model import MEASURES, SCHEMA_VERSION, Setting, Source
from soakproof.places import Places, reveal_plan
from soakproof.rundir import Project, RunDir, write_bytes, write_json
from soakproof.targets.beside import run_once
from soakproof.targets.command import resolve_command
from soakproof.targets.files import measure
from soakproof.targets.target import Places as TargetPlaces
from soakproof.targets.target import Target
from soakproof.workload.fit import misfits
from soakproof.workload.languages import Language
from soakproof.workload.schedule import DIGEST_OPS, Workload, digest, schedule
from soakproof.workload.segment import (
    Segment,
    copy_folder,
    generate,
    listed,
    measured,
    module_name,
    prepare_stdlib,
)
from soakproof.workload.settings import Bound, resolve, resolve_bound

__all__ = ["DEFAULT_CAMPAIGN", "clean"]

DEFAULT_CAMPAIGN: Final = "eval/campaigns/ast_cache.toml"


@dataclass(frozen=True, slots=True)
class _Files:
    """The three files a campaign is made of, read and validated; or as a run's plan kept them."""

    campaign_path: Path
    campaign: dict[str, Any]
    campaign_sha256: str
    target_path: Path
    target: dict[str, Any]
    target_sha256: str
    gate_path: Path
    gate: bytes


def clean(
    project: Project,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    *,
    like: RunDir | None = None,
) -> RunDir:
    """Make a run directory with a plan, a segment and nothing else.

    Args:
        project: whose ``_ctx/runs`` takes the run.
        flags: ops, workers, seed, duration, campaign, run_id, gate, target_command; text as given.
        environ: the environment, for ``OPS`` and its fellows.
        like: take campaign, target and gate as this run's plan keeps them, whatever the files say
            by now.

    Returns:
        The new run directory; the run is also the latest now.

    Raises:
        UsageError: a flag or variable cannot be used, or a run of this id is there.
        ConfigError: the campaign, target or gate file is wrong (key and line).
        MissingInput: one of them is not there.
        EvidenceBroken: the run to be like has another gate than its plan says.
    """
    campaign = resolve("campaign", flags, environ, default=_default_campaign(project))
    files = _read(project, campaign.value, flags) if like is None else _kept(project, like)
    shown = project.relative(files.campaign_path)
    defaults = files.campaign["defaults"]
    bound = resolve_bound(flags, environ, campaign_ops=(defaults["ops"], shown))
    workers = resolve("workers", flags, environ, campaign=(defaults["workers"], shown))
    seed = resolve("seed", flags, environ, campaign=(defaults["seed"], shown))
    command = _command(project, files, flags)
    now = datetime.datetime.now(datetime.UTC)
    run, run_id = _create(project, flags, environ, f"{now:%Y%m%dT%H%M%SZ}-{files.campaign['name']}")
    run.telemetry.mkdir()
    run.target_scratch.mkdir(parents=True)
    segment = _segment(run, files, seed.value, command.value, environ)
    write_bytes(run.gate, files.gate)
    settings = {
        "ops": bound.ops,
        "duration_s": bound.duration_s,
        "workers": workers,
        "seed": seed,
        "run_id": run_id,
        "campaign": Setting(shown, campaign.source, campaign.origin),
        "gate": _gate_setting(project, files, flags),
        "target_command": command,
    }
    schedule_sha256, faults = _planned(files, segment, seed.value, bound.ops.value)
    plan = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.run_id,
        "created_at_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "soakproof_version": soakproof.__version__,
        "campaign_path": shown,
        "campaign_sha256": files.campaign_sha256,
        "campaign": files.campaign,
        "target_path": project.relative(files.target_path),
        "target_sha256": files.target_sha256,
        "target": files.target,
        "gate_path": project.relative(files.gate_path),
        "gate_sha256": _sha256(run.gate),
        "settings": {name: asdict(setting) for name, setting in settings.items()},
        "replay_argv": _replay(project, files, bound, workers, seed, command),
        "segment": _segment_document(segment),
        "measures": MEASURES,
        "schedule_sha256": schedule_sha256,
        "faults": faults,
    }
    outside = list(outside_contract(files.campaign, files.target, workers.value))
    plan |= {"outside_contract": outside} if outside else {}
    places = Places.of(project, run, (command.value, files.target["command"]))
    places.save(run)
    plan = places.hide_in(plan)
    schema.check(plan, "plan", run.plan)
    write_json(run.plan, plan)
    return run


def _default_campaign(project: Project) -> tuple[str, str]:
    """Return the campaign that nobody named: the default one, or the only one there is."""
    if not (project.root / DEFAULT_CAMPAIGN).is_file():
        there = sorted((project.root / DEFAULT_CAMPAIGN).parent.glob("*.toml"))
        if len(there) == 1:
            return project.relative(there[0]), "the only campaign"
    return DEFAULT_CAMPAIGN, "the default campaign"


def _read(project: Project, campaign_name: str, flags: Mapping[str, str | None]) -> _Files:
    campaign_path = _find(project, campaign_name, "campaigns")
    campaign = schema.load_toml(campaign_path, "campaign", hint="give --campaign FILE")
    target_path = (campaign_path.parent / campaign["target"]).resolve()
    target = schema.load_toml(target_path, "target", hint=f"it is named in {campaign_path}")
    if given := flags.get("gate"):
        gate_path = _find(project, given, "gates")
    else:
        gate_path = (campaign_path.parent / campaign["gate"]).resolve()
    schema.load_toml(gate_path, "gate", hint=f"it is named in {campaign_path}")
    for misfit in misfits(campaign, target):
        path = campaign_path if misfit.file == "campaign" else target_path
        raise schema.located(path, misfit.problem, misfit.key)
    return _Files(
        campaign_path,
        campaign,
        _sha256(campaign_path),
        target_path,
        target,
        _sha256(target_path),
        gate_path,
        gate_path.read_bytes(),
    )


def _kept(project: Project, like: RunDir) -> _Files:
    """Return the files of an earlier run as its plan keeps them."""
    plan = schema.load_json(like.plan, "plan", hint="expected a run's folder")
    target = reveal_plan(like, plan)["target"]
    gate = like.gate.read_bytes()
    if hashlib.sha256(gate).hexdigest() != plan["gate_sha256"]:
        raise EvidenceBroken(f"{like.gate}: it is not the gate that {like.plan} names")
    return _Files(
        project.root / plan["campaign_path"],
        plan["campaign"],
        plan["campaign_sha256"],
        project.root / plan["target_path"],
        target,
        plan["target_sha256"],
        project.root / plan["gate_path"],
        gate,
    )


def _find(project: Project, name: str, folder: str) -> Path:
    """Return the file of a path or a bare name (``x`` → ``eval/campaigns/x.toml``)."""
    given = Path(name)
    candidates = [given, project.root / given, project.root / "eval" / folder / f"{name}.toml"]
    for path in candidates:
        if path.is_file():
            return path.resolve()
    hint = f"expected a file, or the name of one in eval/{folder}/; give --{folder[:-1]} FILE"
    raise MissingInput(name, hint)


def _command(project: Project, files: _Files, flags: Mapping[str, str | None]) -> Setting:
    if given := flags.get("target_command"):
        flag = "--target-command"
        return Setting(
            list(resolve_command(shlex.split(given), flag, project.root)), Source.FLAG, flag
        )
    origin = files.target_path.name
    return Setting(
        list(resolve_command(files.target["command"], origin, project.root)),
        Source.CAMPAIGN,
        origin,
    )


def _gate_setting(project: Project, files: _Files, flags: Mapping[str, str | None]) -> Setting:
    source = Source.FLAG if flags.get("gate") else Source.CAMPAIGN
    origin = "--gate" if flags.get("gate") else project.relative(files.campaign_path)
    return Setting(project.relative(files.gate_path), source, origin)


def _create(
    project: Project, flags: Mapping[str, str | None], environ: Mapping[str, str], default: str
) -> tuple[RunDir, Setting]:
    """Make the run's folder; a name of our own gets a number where two soaks begin at once."""
    setting = resolve("run_id", flags, environ, default=(default, "time and campaign"))
    if setting.source is not Source.DEFAULT:
        return project.create_run(setting.value), setting
    for number in itertools.count(1):
        name = default if number == 1 else f"{default}-{number}"
        try:
            run = project.create_run(name)
        except RunExists:
            continue
        return run, Setting(name, setting.source, setting.origin)
    raise AssertionError  # count() has no end


def _segment(
    run: RunDir, files: _Files, seed: int, command: list[str], environ: Mapping[str, str]
) -> Segment:
    """Make the segment, run the target's own preparation in it, and say which keys there are."""
    asked, target = files.campaign["segment"], files.target
    exclude = asked.get("exclude", ())
    place = TargetPlaces(run.run_id, run.segment, run.telemetry, run.target_scratch)
    subject = Target(target, tuple(command), place)
    if asked["source"] == "stdlib":
        library = prepare_stdlib(
            run.segment,
            count=asked["modules"],
            exclude=exclude,
            seed=seed,
            campaign_path=files.campaign_path,
        )
        if not {"prepare", "clean", "edits"} & target.keys() and _asks_modules(target):
            return library
    elif asked["source"] == "folder":
        copy_folder(_folder(files), run.segment, exclude=exclude, campaign_path=files.campaign_path)
    else:
        run.segment.mkdir()
        generate(asked["files"], run.segment, seed=seed, campaign_path=files.campaign_path)
    for step in ("prepare", "clean"):
        if step in target:
            argv = resolve_command(target[step]["argv"], f"{files.target_path}: {step}.argv")
            run_once(
                subject.beside(argv),
                subject.env(None, environ),
                subject.cwd,
                deadline_s=target[step]["deadline_s"],
                where=(files.target_path, f"{step}.argv"),
            )
    _refuse_full_cache(subject, files)
    inputs = listed(run.segment, subject.cache_folder)
    return measured(run.segment, inputs, _keys(files, inputs, run.segment, seed))


def _asks_modules(target: Mapping[str, Any]) -> bool:
    """Whether the target asks about Python modules and searches, as one of the library's does."""
    return all(one["keys"] in {"modules", "queries"} for one in target["operations"].values())


def _folder(files: _Files) -> Path:
    """Return the folder that a campaign copies: beside its own file, or beside the target's."""
    name = files.campaign["segment"]["folder"]
    beside = [files.campaign_path.parent / name, files.target_path.parent / name]
    found: Path = next((path for path in beside if path.is_dir()), beside[0])
    return found.resolve()


def _refuse_full_cache(subject: Target, files: _Files) -> None:
    """The cache starts empty, or a run proves nothing of a cold one."""
    _, counts = measure(subject.cache_folder, files.target["cache"]["roles"])
    if found := sum(counts.values()):
        problem = f"expected an empty cache after `prepare`, found {found} files; add `clean`"
        raise schema.located(files.target_path, problem, "cache.directory")


def _keys(files: _Files, inputs: Mapping[str, str], segment: Path, seed: int) -> list[str]:
    """Return the keys that name a file, shuffled by the seed.

    Raises:
        ConfigError: an operation has none, or an edit could not change one.
    """
    operations, keys = files.target["operations"], set[str]()
    language = Language.of(files.target)
    for kind in files.campaign["workload"]["mix"]:
        source = operations[kind]["keys"]
        if source == "modules":
            found = {name: path for path in inputs if (name := module_name(path)) is not None}
        elif source == "files":
            glob = operations[kind].get("glob", "*")
            found = {path: path for path in inputs if fnmatchcase(path, glob)}
        else:
            continue
        if not found:
            problem = f"expected files of the segment for {kind!r}, found none"
            raise schema.located(files.target_path, problem, f"operations.{kind}.glob")
        keys |= found.keys()
        _refuse_unfit(files, segment, language, found.values())
    return sorted(keys, key=lambda key: rank(seed, "file", key))


def _refuse_unfit(files: _Files, segment: Path, language: Language, paths: Iterable[str]) -> None:
    """An edit must be able to change each file twice, the second time without changing its size."""
    if not files.campaign.get("episodes", {}).get("edits"):
        return
    for path in paths:
        content = (segment / path).read_bytes()
        once = language.changed(content, _MARKS[0])
        twice = language.changed(once, _MARKS[1])
        if once in {content, twice} or len(once) != len(twice):
            problem = (
                f"expected a change of {path} that can be made twice and keeps its size, found none"
            )
            raise schema.located(files.target_path, problem, "edits")


_MARKS: Final = (1234, 5678)


def _segment_document(segment: Segment) -> dict[str, Any]:
    document = asdict(segment) | {"modules": list(segment.modules)}
    if not segment.inputs:
        del document["inputs"]
    return document


def _replay(
    project: Project, files: _Files, bound: Bound, workers: Setting, seed: Setting, command: Setting
) -> list[str]:
    argv = ["soakproof", "all", "--campaign", project.relative(files.campaign_path)]
    if bound.ops.value is not None:
        argv += ["--ops", str(bound.ops.value)]
    else:
        argv += ["--duration", f"{bound.duration_s.value:g}s"]
    argv += ["--workers", str(workers.value), "--seed", str(seed.value)]
    if command.source is Source.FLAG:
        argv += ["--target-command", shlex.join(command.value)]
    return argv


def _planned(
    files: _Files, segment: Segment, seed: int, ops: int | None
) -> tuple[str, list[dict[str, Any]]]:
    """Return the digest of the schedule, and its faults; a soak by time plans them as it goes."""
    workload = Workload.of(files.campaign, files.target, _segment_document(segment))
    limit = DIGEST_OPS if ops is None else ops
    operations = list(itertools.islice(schedule(workload, seed, ops), limit))
    planner = FaultPlanner(files.campaign.get("faults", ()), seed, workload.writers)
    faults = planner.plan_all(operations)
    listed = [{"fault": one.fault_id, "kind": one.kind, "at_op": one.at_op} for one in faults]
    return digest(operations, faults), [] if ops is None else listed


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
