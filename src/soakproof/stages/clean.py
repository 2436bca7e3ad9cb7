"""Stage clean: decide everything, prepare the segment, begin with nothing in the cache.

Writes ``plan.json``, ``places.json`` and ``gate.toml``, the segment, and an empty telemetry folder,
in a run directory of its own. Nothing of an earlier run is read or removed.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.errors import ConfigError, EvidenceBroken, MissingInput, RunExists
from soakproof.faults.planning import FaultPlanner
from soakproof.model import SCHEMA_VERSION, Setting, Source
from soakproof.places import Places, reveal_plan
from soakproof.rundir import Project, RunDir, write_bytes, write_json
from soakproof.targets.command import resolve_command
from soakproof.workload.kv import kv_plan
from soakproof.workload.schedule import DIGEST_OPS, Workload, digest, schedule
from soakproof.workload.segment import Segment, prepare_empty, prepare_stdlib
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
    campaign = resolve(
        "campaign", flags, environ, default=(DEFAULT_CAMPAIGN, "the default campaign")
    )
    files = _read(project, campaign.value, flags) if like is None else _kept(project, like)
    shown = project.relative(files.campaign_path)
    defaults = files.campaign["defaults"]
    bound = resolve_bound(flags, environ, campaign_ops=(defaults["ops"], shown))
    workers = resolve("workers", flags, environ, campaign=(defaults["workers"], shown))
    seed = resolve("seed", flags, environ, campaign=(defaults["seed"], shown))
    command = _command(files, flags)
    now = datetime.datetime.now(datetime.UTC)
    run, run_id = _create(project, flags, environ, f"{now:%Y%m%dT%H%M%SZ}-{files.campaign['name']}")
    segment = _segment(run, files, seed.value)
    run.telemetry.mkdir()
    run.scratch.mkdir()
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
        "segment": asdict(segment) | {"modules": list(segment.modules)},
        "schedule_sha256": schedule_sha256,
        "faults": faults,
    }
    places = Places.of(project, run, (command.value, files.target["command"]))
    places.save(run)
    plan = places.hide_in(plan)
    schema.check(plan, "plan", run.plan)
    write_json(run.plan, plan)
    return run


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
        raise ConfigError(campaign_path, problem, key="kv" if library else "workload")
    table = "kv" if library else "workload"
    known = target["worker"]["operations"] if library else list(target["operations"])
    unknown = sorted(set(campaign[table]["mix"]) - set(known))
    if unknown:
        shown = ", ".join(sorted(known))
        problem = f"expected operations of {target_path.name} ({shown}), found {unknown[0]!r}"
        raise ConfigError(campaign_path, problem, key=f"{table}.mix")
    if library:
        _refuse_odd_numbers(campaign_path, campaign["kv"])
        return
    kinds = {target["operations"][kind]["keys"] for kind in campaign["workload"]["mix"]}
    if "queries" in kinds and not campaign["workload"]["queries"]:
        problem = "expected at least one query, found none; the mix has operations that need them"
        raise ConfigError(campaign_path, problem, key="workload.queries")


def _refuse_odd_numbers(campaign_path: Path, asked: dict[str, Any]) -> None:
    if "incr" in asked["mix"] and not asked["counters"]:
        problem = "expected at least 1, for the mix has incr, found 0"
        raise ConfigError(campaign_path, problem, key="kv.counters")
    low, high = asked["value_bytes"]
    if low > high:
        problem = f"expected the least before the most, found {[low, high]}"
        raise ConfigError(campaign_path, problem, key="kv.value_bytes")


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


def _command(files: _Files, flags: Mapping[str, str | None]) -> Setting:
    if given := flags.get("target_command"):
        flag = "--target-command"
        return Setting(list(resolve_command(shlex.split(given), flag)), Source.FLAG, flag)
    origin = files.target_path.name
    return Setting(list(resolve_command(files.target["command"], origin)), Source.CAMPAIGN, origin)


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


def _segment(run: RunDir, files: _Files, seed: int) -> Segment:
    if "worker" in files.target:
        return prepare_empty(run.segment)
    asked = files.campaign["segment"]
    return prepare_stdlib(
        run.segment,
        count=asked["modules"],
        exclude=asked.get("exclude", ()),
        seed=seed,
        campaign_path=files.campaign_path,
    )


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
    if "worker" in files.target:
        return kv_plan(files.campaign, seed, ops, DIGEST_OPS)
    workload = Workload.of(files.campaign, files.target, segment.modules)
    limit = DIGEST_OPS if ops is None else ops
    operations = list(itertools.islice(schedule(workload, seed, ops), limit))
    planner = FaultPlanner(files.campaign.get("faults", ()), seed, workload.writers)
    faults = planner.plan_all(operations)
    listed = [{"fault": one.fault_id, "kind": one.kind, "at_op": one.at_op} for one in faults]
    return digest(operations, faults), [] if ops is None else listed


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
