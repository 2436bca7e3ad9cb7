"""What the deep tier was asked for: flags, campaign and target, read and checked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof import schema
from soakproof.errors import ConfigError, MissingInput, UsageError
from soakproof.rundir import Project
from soakproof.targets.command import resolve_command
from soakproof.workload.settings import resolve

__all__ = ["LEAST_KEYS", "SCANS", "Asked", "read_asked"]

SCANS: Final = ("calibration", "kill", "error", "short", "stop", "crash")
"""Everything that may be asked for with ``--scan``."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "max_points": 5000,
    "drawn": 1,
    "modules": 6,
    "may_refuse": False,
    "environment": {},
}
"""For a campaign without a table ``[deep]``."""

_CAMPAIGN: Final = "eval/campaigns/ast_cache.toml"
LEAST_KEYS: Final = 4
"""So many different questions are asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, read from flags and files."""

    campaign_path: Path
    target_path: Path
    campaign: Mapping[str, Any]
    target: Mapping[str, Any]
    command: tuple[str, ...]
    command_given: str | None
    settings: Mapping[str, Any]
    seed: int
    scans: tuple[str, ...]
    point: int | None
    max_points: int
    jobs: int

    @property
    def whole(self) -> bool:
        """All scans, and all of their points."""
        return self.scans == SCANS and self.point is None

    def replay(self, project: Project) -> str:
        """Return the command that repeats this, without scan and point."""
        argv = ["soakproof", "deep", "--campaign", project.relative(self.campaign_path)]
        argv += ["--seed", str(self.seed)]
        if self.command_given:
            argv += ["--target-command", self.command_given]
        return shlex.join(argv)


def read_asked(
    project: Project, flags: Mapping[str, str | None], environ: Mapping[str, str]
) -> Asked:
    """Read and check what was asked for.

    Raises:
        UsageError: a flag cannot be used.
        ConfigError, MissingInput: the campaign or its target is wrong or not there.
    """
    path = _find(project, flags.get("campaign") or _CAMPAIGN)
    campaign = schema.load_toml(path, "campaign", hint="give --campaign FILE")
    target_path = (path.parent / campaign["target"]).resolve()
    target = schema.load_toml(target_path, "target", hint=f"it is named in {path}")
    if "operations" not in target:
        problem = "expected a table [operations], found none; a library behind a worker has no "
        problem += "command of its own for each question, and the deep tier cannot scan it"
        raise ConfigError(target_path, problem, key="operations")
    for table in ("segment", "workload"):
        if table not in campaign:
            problem = f"expected a table [{table}] to take the questions from, found none"
            raise ConfigError(path, problem, key=table)
    if "oracle" not in target:
        problem = "expected a table [oracle], found none; without it no answer can be judged"
        raise ConfigError(target_path, problem, key="oracle")
    given = flags.get("target_command")
    command, origin = target["command"], target_path.name
    if given:
        command, origin = shlex.split(given), "--target-command"
    settings = {**_DEFAULTS, **campaign.get("deep", {})}
    if settings["modules"] < LEAST_KEYS:
        problem = f"expected at least {LEAST_KEYS}, found {settings['modules']}"
        raise ConfigError(path, problem, key="deep.modules")
    scan = flags.get("scan")
    if scan and scan not in SCANS:
        message = f"--scan: expected one of {', '.join(SCANS)}, found {scan!r}"
        raise UsageError(message)
    point = _number("point", flags)
    if point is not None and (not scan or scan == "calibration"):
        message = "--point: expected a scan that it is a point of; give --scan, too"
        raise UsageError(message)
    shown = project.relative(path)
    seed = resolve("seed", flags, environ, campaign=(campaign["defaults"]["seed"], shown))
    return Asked(
        campaign_path=path,
        target_path=target_path,
        campaign=campaign,
        target=target,
        command=resolve_command(command, origin),
        command_given=given,
        settings=settings,
        seed=seed.value,
        scans=(scan,) if scan else SCANS,
        point=point,
        max_points=_number("max_points", flags) or settings["max_points"],
        jobs=_number("jobs", flags) or len(os.sched_getaffinity(0)),
    )


def _find(project: Project, name: str) -> Path:
    given = Path(name)
    for path in (given, project.root / given, project.root / "eval/campaigns" / f"{name}.toml"):
        if path.is_file():
            return path.resolve()
    raise MissingInput(name, "expected a file, or the name of one in eval/campaigns/")


def _number(name: str, flags: Mapping[str, str | None]) -> int | None:
    text = flags.get(name)
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        flag = f"--{name.replace('_', '-')}"
        message = f"{flag}: expected a whole number of at least 1, found {text!r}"
        raise UsageError(message)
    return int(text)
