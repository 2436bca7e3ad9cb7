"""Stage clean: decide everything, prepare the segment, begin with nothing in the cache.

Writes ``plan.json``, ``places.json`` and ``gate.toml``, the segment, and an empty telemetry folder,
in a run directory of its own. Nothing of an earlier run is read or removed.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.checks.contract import outside_contract
from soakproof.dice import rank
from soakproof.errors import EvidenceBroken, MissingInput, RunExists, UsageError
from soakproof.faults.planning import planner_of
from soakproof.model import MEASURES, SCHEMA_VERSION, Setting, Source
from soakproof.places import Places, reveal_plan
from soakproof.rundir import Project, RunDir, write_bytes, write_json
from soakproof.targets.beside import run_once
from soakproof.targets.command import resolve_command
from soakproof.targets.files import files_by_role, matches
from soakproof.targets.target import Places as TargetPlaces
from soakproof.targets.target import Target
from soakproof.workload.fit import misfits
from soakproof.workload.kv import kv_plan
from soakproof.workload.languages import Language
from soakproof.workload.schedule import DIGEST_OPS, Workload, digest
from soakproof.workload.script import operations_of
from soakproof.workload.segment import (
    Segment,
    copy_folder,
    generate,
    listed,
    measured,
    module_name,
    prepare_empty,
    prepare_named,
    prepare_stdlib,
)
from soakproof.workload.settings import DEFAULT_PART_BYTES, Bound, resolve, resolve_bound

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
    case: _Case | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """What a case says in place of the dice; or as a run's plan kept it.

    Args:
        path: its file, or the plan.
        script: operations and faults.
        modules: of the segment.
        settings: workers and seed.
        command: the target's, where the case names one.
        replay: the command that repeats it.
    """

    path: Path
    script: dict[str, Any]
    modules: Sequence[str]
    settings: Mapping[str, int]
    command: Sequence[str] | None
    replay: Sequence[str]


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
        flags: ops, workers, seed, duration, campaign, run_id, gate, target_command, faults, and
            the path of a case; text as given.
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
    default = (project.campaign_of(DEFAULT_CAMPAIGN), "the default campaign")
    campaign = resolve("campaign", flags, environ, default=default)
    files = _files(project, campaign.value, flags, like)
    only = resolve("faults", flags, {})
    files = _with_faults(files, only.value)
    shown = project.relative(files.campaign_path)
    defaults = _defaults(files)
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
        "faults": only,
        "part_bytes": resolve(
            "part_bytes", flags, environ, default=(DEFAULT_PART_BYTES, "64 MiB, of each part")
        ),
    }
    plan: dict[str, Any] = {
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
        "replay_argv": _replay(project, files, bound, settings),
        "segment": _segment_document(segment),
        **({} if files.case is None else {"script": files.case.script}),
        "measures": MEASURES,
    }
    plan["schedule_sha256"], plan["faults"] = _planned(plan)
    outside = list(outside_contract(files.campaign, files.target, workers.value))
    plan |= {"outside_contract": outside} if outside else {}
    places = Places.of(project, run, (command.value, files.target["command"]))
    places.save(run)
    plan = places.hide_in(plan)
    schema.check(plan, "plan", run.plan)
    write_json(run.plan, plan)
    return run


def _files(
    project: Project, campaign_name: str, flags: Mapping[str, str | None], like: RunDir | None
) -> _Files:
    if like is not None:
        return _kept(project, like)
    if not (given := flags.get("case")):
        return _read(project, campaign_name, flags)
    case = _read_case(project, Path(given))
    document = schema.load_json(case.path, "case", hint="")
    files = _read(project, document["campaign"], flags)
    return replace(files, campaign=_closing_nothing(files.campaign), case=case)


def _closing_nothing(campaign: Mapping[str, Any]) -> dict[str, Any]:
    """Return a campaign that verifies no work order: a part of it is not what was ordered."""
    return {name: value for name, value in campaign.items() if name != "work_order"}


def _read_case(project: Project, path: Path) -> _Case:
    """Read a case: a soak whose operations and faults are listed one by one."""
    path = path.resolve()
    case = schema.load_json(path, "case", hint="expected a case, as `soakproof shrink` writes them")
    here = Places({"project": str(project.root), "python": sys.prefix})
    command = case["target_command"]
    return _Case(
        path=path,
        script=case["script"],
        modules=case["modules"],
        settings={"workers": case["workers"], "seed": case["seed"]},
        command=None if command is None else here.reveal_in(command),
        replay=["soakproof", "replay", project.relative(path)],
    )


def _defaults(files: _Files) -> Mapping[str, Any]:
    """Return what holds where neither flag nor environment says: a case's, else the campaign's."""
    if files.case is None:
        return dict(files.campaign["defaults"])
    return {**files.case.settings, "ops": len(files.case.script["operations"])}


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
    _refuse_misfits(campaign_path, campaign, target_path, target)
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


def _refuse_misfits(
    campaign_path: Path, campaign: dict[str, Any], target_path: Path, target: dict[str, Any]
) -> None:
    """Refuse a campaign that asks its target for what it has not."""
    library = "worker" in target
    if library != ("kv" in campaign):
        wanted = "a table [kv]" if library else "tables [segment] and [workload]"
        what = "a library behind a worker" if library else "a command line"
        problem = f"expected {wanted}, for {target_path.name} is {what}, found none"
        raise schema.located(campaign_path, problem, "kv" if library else "workload")
    if not library:
        for misfit in misfits(campaign, target):
            path = campaign_path if misfit.file == "campaign" else target_path
            raise schema.located(path, misfit.problem, misfit.key)
        return
    known = target["worker"]["operations"]
    unknown = sorted(set(campaign["kv"]["mix"]) - set(known))
    if unknown:
        shown = ", ".join(sorted(known))
        problem = f"expected operations of {target_path.name} ({shown}), found {unknown[0]!r}"
        raise schema.located(campaign_path, problem, "kv.mix")
    _refuse_odd_numbers(campaign_path, campaign["kv"])


def _refuse_odd_numbers(campaign_path: Path, asked: dict[str, Any]) -> None:
    if "incr" in asked["mix"] and not asked["counters"]:
        problem = "expected at least 1, for the mix has incr, found 0"
        raise schema.located(campaign_path, problem, "kv.counters")
    low, high = asked["value_bytes"]
    if low > high:
        problem = f"expected the least before the most, found {[low, high]}"
        raise schema.located(campaign_path, problem, "kv.value_bytes")


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
        _kept_case(like, plan) if "script" in plan else None,
    )


def _kept_case(like: RunDir, plan: Mapping[str, Any]) -> _Case:
    settings = plan["settings"]
    return _Case(
        path=like.plan,
        script=plan["script"],
        modules=plan["segment"]["modules"],
        settings={name: settings[name]["value"] for name in ("workers", "seed")},
        command=None,  # given again as a flag, where it was one
        replay=plan["replay_argv"],
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
    if files.case is not None and files.case.command is not None:
        origin = files.case.path.name
        command = resolve_command(files.case.command, origin, project.root)
        return Setting(list(command), Source.FLAG, origin)
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
    if "worker" in files.target:
        return prepare_empty(run.segment)
    asked, target = files.campaign["segment"], files.target
    exclude = asked.get("exclude", ())
    place = TargetPlaces(run.run_id, run.segment, run.telemetry, run.target_scratch)
    subject = Target(target, tuple(command), place)
    if asked["source"] == "stdlib":
        library = _library(run, files, seed)
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


def _library(run: RunDir, files: _Files, seed: int) -> Segment:
    """Copy modules of the standard library: those that a case names, else as many as asked for."""
    if files.case is not None:
        case = files.case
        return prepare_named(run.segment, modules=case.modules, case_path=case.path)
    asked = files.campaign["segment"]
    return prepare_stdlib(
        run.segment,
        count=asked["modules"],
        exclude=asked.get("exclude", ()),
        seed=seed,
        campaign_path=files.campaign_path,
    )


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
    cache = files.target["cache"]
    by_role = files_by_role(subject.cache_folder, cache["roles"])
    found = [
        file.name
        for some in by_role.values()
        for file in some
        if not any(matches(file.name, glob) for glob in cache.get("protected", ()))
    ]
    if found:
        problem = (
            f"expected an empty cache after `prepare`, found {len(found)} files, such as "
            f"{found[0]!r}; add `clean`"
        )
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


def _with_faults(files: _Files, only: str | None) -> _Files:
    """Return the files with a campaign that has no faults but those of some kinds."""
    if only is None:
        return files
    kinds = only.split("+")
    faults = files.campaign.get("faults", [])
    known = sorted({fault["kind"] for fault in faults})
    unknown = sorted(set(kinds) - set(known))
    if unknown:
        message = (
            f"--faults: expected kinds of {files.campaign_path.name} joined by + "
            f"({', '.join(known) or 'it has none'}), found {unknown[0]!r}"
        )
        raise UsageError(message)
    left = [fault for fault in faults if fault["kind"] in kinds]
    return replace(files, campaign={**_closing_nothing(files.campaign), "faults": left})


def _replay(
    project: Project, files: _Files, bound: Bound, settings: Mapping[str, Setting]
) -> list[str]:
    if files.case is not None:
        return list(files.case.replay)
    argv = ["soakproof", "all", "--campaign", project.relative(files.campaign_path)]
    if bound.ops.value is not None:
        argv += ["--ops", str(bound.ops.value)]
    else:
        argv += ["--duration", f"{bound.duration_s.value:g}s"]
    argv += ["--workers", str(settings["workers"].value), "--seed", str(settings["seed"].value)]
    if settings["faults"].value is not None:
        argv += ["--faults", settings["faults"].value]
    command = settings["target_command"]
    if command.source is Source.FLAG:
        argv += ["--target-command", shlex.join(command.value)]
    return argv


def _planned(plan: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return the digest of the schedule, and its faults; a soak by time plans them as it goes."""
    ops = plan["settings"]["ops"]["value"]
    if "worker" in plan["target"]:
        return kv_plan(plan["campaign"], plan["settings"]["seed"]["value"], ops, DIGEST_OPS)
    workload = Workload.of(plan["campaign"], plan["target"], plan["segment"])
    operations = list(itertools.islice(operations_of(plan), DIGEST_OPS if ops is None else ops))
    faults = planner_of(plan, workload.writers).plan_all(operations)
    listed = [{"fault": one.fault_id, "kind": one.kind, "at_op": one.at_op} for one in faults]
    return digest(operations, faults), [] if ops is None else listed


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
