"""What a soak is made of, read and checked: campaign, target, gate, case; or as a run kept them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from soakproof import schema
from soakproof.errors import EvidenceBroken, MissingInput, UsageError
from soakproof.places import Places, reveal_plan
from soakproof.rundir import Project, RunDir
from soakproof.workload.fit import misfits

__all__ = ["Asked", "Case", "asked_for", "defaults_of", "sha256_of", "with_faults"]


@dataclass(frozen=True, slots=True)
class Asked:
    """The three files a campaign is made of, read and validated; or as a run's plan kept them."""

    campaign_path: Path
    campaign: dict[str, Any]
    campaign_sha256: str
    target_path: Path
    target: dict[str, Any]
    target_sha256: str
    gate_path: Path
    gate: bytes
    case: Case | None = None


@dataclass(frozen=True, slots=True)
class Case:
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


def asked_for(
    project: Project, campaign_name: str, flags: Mapping[str, str | None], like: RunDir | None
) -> Asked:
    """Return what a soak is made of.

    Args:
        project: where bare names are looked for.
        campaign_name: path or bare name of the campaign's file; of a case, its own counts.
        flags: the path of a case, and the gate.
        like: take all as this run's plan keeps it.

    Raises:
        ConfigError: a file is wrong (key and line).
        MissingInput: one is not there.
        EvidenceBroken: the run to be like has another gate than its plan says.
    """
    if like is not None:
        return _kept(project, like)
    if not (given := flags.get("case")):
        return _read(project, campaign_name, flags)
    case = _read_case(project, Path(given))
    document = schema.load_json(case.path, "case", hint="")
    files = _read(project, document["campaign"], flags)
    return replace(files, campaign=_closing_nothing(files.campaign), case=case)


def with_faults(files: Asked, only: str | None) -> Asked:
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


def defaults_of(files: Asked) -> Mapping[str, Any]:
    """Return what holds where neither flag nor environment says: a case's, else the campaign's."""
    if files.case is None:
        return dict(files.campaign["defaults"])
    return {**files.case.settings, "ops": len(files.case.script["operations"])}


def _closing_nothing(campaign: Mapping[str, Any]) -> dict[str, Any]:
    """Return a campaign that verifies no work order: a part of it is not what was ordered."""
    return {name: value for name, value in campaign.items() if name != "work_order"}


def _read_case(project: Project, path: Path) -> Case:
    """Read a case: a soak whose operations and faults are listed one by one."""
    path = path.resolve()
    case = schema.load_json(path, "case", hint="expected a case, as `soakproof shrink` writes them")
    here = Places({"project": str(project.root), "python": sys.prefix})
    command = case["target_command"]
    return Case(
        path=path,
        script=case["script"],
        modules=case["modules"],
        settings={"workers": case["workers"], "seed": case["seed"]},
        command=None if command is None else here.reveal_in(command),
        replay=["soakproof", "replay", project.relative(path)],
    )


def _read(project: Project, campaign_name: str, flags: Mapping[str, str | None]) -> Asked:
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
    return Asked(
        campaign_path,
        campaign,
        sha256_of(campaign_path),
        target_path,
        target,
        sha256_of(target_path),
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


def _kept(project: Project, like: RunDir) -> Asked:
    """Return the files of an earlier run as its plan keeps them."""
    plan = schema.load_json(like.plan, "plan", hint="expected a run's folder")
    target = reveal_plan(like, plan)["target"]
    gate = like.gate.read_bytes()
    if hashlib.sha256(gate).hexdigest() != plan["gate_sha256"]:
        raise EvidenceBroken(f"{like.gate}: it is not the gate that {like.plan} names")
    return Asked(
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


def _kept_case(like: RunDir, plan: Mapping[str, Any]) -> Case:
    settings = plan["settings"]
    return Case(
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


def sha256_of(path: Path) -> str:
    """Return the hash of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
