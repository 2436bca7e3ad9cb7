"""Stage clean: decide everything, prepare the segment, begin with nothing in the cache.

Writes ``plan.json``, ``places.json`` and ``gate.toml``, the segment, and an empty telemetry folder,
in a run directory of its own. Nothing of an earlier run is read or removed.
"""

from __future__ import annotations

import datetime
import itertools
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import soakproof
from soakproof import schema
from soakproof.checks.contract import outside_contract
from soakproof.errors import RunExists
from soakproof.faults.planning import planner_of
from soakproof.model import MEASURES, SCHEMA_VERSION, Setting, Source
from soakproof.places import Places
from soakproof.rundir import Project, RunDir, write_bytes, write_json
from soakproof.stages.clean.asked import Asked, asked_for, defaults_of, sha256_of, with_faults
from soakproof.stages.clean.segment import make_segment
from soakproof.targets.command import resolve_command
from soakproof.workload.kv import kv_plan
from soakproof.workload.schedule import DIGEST_OPS, Workload, digest
from soakproof.workload.script import operations_of
from soakproof.workload.segment import Segment
from soakproof.workload.settings import DEFAULT_PART_BYTES, resolve, resolve_bound

__all__ = ["DEFAULT_CAMPAIGN", "clean"]

DEFAULT_CAMPAIGN: Final = "eval/campaigns/ast_cache.toml"


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
    only = resolve("faults", flags, {})
    files = with_faults(asked_for(project, campaign.value, flags, like), only.value)
    settings = _settings(project, files, flags, environ)
    shown = Setting(project.relative(files.campaign_path), campaign.source, campaign.origin)
    settings |= {"campaign": shown, "faults": only}
    now = datetime.datetime.now(datetime.UTC)
    name = f"{now:%Y%m%dT%H%M%SZ}-{files.campaign['name']}"
    run, settings["run_id"] = _create(project, flags, environ, name)
    run.telemetry.mkdir()
    run.target_scratch.mkdir(parents=True)
    command = settings["target_command"].value
    segment = make_segment(run, files, settings["seed"].value, command, environ)
    write_bytes(run.gate, files.gate)
    plan = _plan(project, run, files, settings, segment, now)
    places = Places.of(project, run, (command, files.target["command"]))
    places.save(run)
    plan = places.hide_in(plan)
    schema.check(plan, "plan", run.plan)
    write_json(run.plan, plan)
    return run


def _settings(
    project: Project, files: Asked, flags: Mapping[str, str | None], environ: Mapping[str, str]
) -> dict[str, Setting]:
    """Return what is set, and by whom; all of it, before anything is made."""
    shown, defaults = project.relative(files.campaign_path), defaults_of(files)
    bound = resolve_bound(flags, environ, campaign_ops=(defaults["ops"], shown))
    part_bytes = (DEFAULT_PART_BYTES, "64 MiB, of each part")
    return {
        "ops": bound.ops,
        "duration_s": bound.duration_s,
        "workers": resolve("workers", flags, environ, campaign=(defaults["workers"], shown)),
        "seed": resolve("seed", flags, environ, campaign=(defaults["seed"], shown)),
        "gate": _gate_setting(project, files, flags),
        "target_command": _command(project, files, flags),
        "part_bytes": resolve("part_bytes", flags, environ, default=part_bytes),
    }


def _plan(
    project: Project,
    run: RunDir,
    files: Asked,
    settings: Mapping[str, Setting],
    segment: Segment,
    now: datetime.datetime,
) -> dict[str, Any]:
    """Return the plan, with the places of this machine still in it."""
    plan: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.run_id,
        "created_at_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "soakproof_version": soakproof.__version__,
        "campaign_path": project.relative(files.campaign_path),
        "campaign_sha256": files.campaign_sha256,
        "campaign": files.campaign,
        "target_path": project.relative(files.target_path),
        "target_sha256": files.target_sha256,
        "target": files.target,
        "gate_path": project.relative(files.gate_path),
        "gate_sha256": sha256_of(run.gate),
        "settings": {name: asdict(setting) for name, setting in settings.items()},
        "replay_argv": _replay(project, files, settings),
        "segment": _segment_document(segment),
        **({} if files.case is None else {"script": files.case.script}),
        "measures": MEASURES,
    }
    plan["schedule_sha256"], plan["faults"] = _planned(plan)
    outside = list(outside_contract(files.campaign, files.target, settings["workers"].value))
    return plan | ({"outside_contract": outside} if outside else {})


def _command(project: Project, files: Asked, flags: Mapping[str, str | None]) -> Setting:
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


def _gate_setting(project: Project, files: Asked, flags: Mapping[str, str | None]) -> Setting:
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


def _segment_document(segment: Segment) -> dict[str, Any]:
    document = asdict(segment) | {"modules": list(segment.modules)}
    if not segment.inputs:
        del document["inputs"]
    return document


def _replay(project: Project, files: Asked, settings: Mapping[str, Setting]) -> list[str]:
    if files.case is not None:
        return list(files.case.replay)
    argv = ["soakproof", "all", "--campaign", project.relative(files.campaign_path)]
    if settings["ops"].value is not None:
        argv += ["--ops", str(settings["ops"].value)]
    else:
        argv += ["--duration", f"{settings['duration_s'].value:g}s"]
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
