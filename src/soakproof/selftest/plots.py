"""Make the project in which one defect is soaked: files of its own, so nothing is overwritten.

The campaign's target, gate, mix, edits and seed stay; what is smaller is said in
``docs/selftest.md``: operations, modules, and the faults that a defect does not need.
"""

from __future__ import annotations

import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from soakproof.rundir import RunDir, write_bytes, write_json
from soakproof.selftest.panel import SOUND, Defect, Family
from soakproof.selftest.site import site_of
from soakproof.selftest.wrapper.call import VARIABLES
from soakproof.toml_text import toml_text

__all__ = ["RUN_ID", "Plot", "Subject", "toy_subject"]

RUN_ID: Final = "soak"
"""The one run of such a project."""

_NAME: Final = "planted"

_MODULES: Final = 30
"""Enough for short soaks; a cold search index over them costs the oracle little."""

_OPS: Final = 64

_HOME: Final = resources.files("soakproof.selftest")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a defect is planted into.

    Args:
        campaign: its validated document.
        target: its validated document.
        gate: the bytes of its gate file.
        command: the target's own, its executable as an absolute path.
    """

    campaign: Mapping[str, Any]
    target: Mapping[str, Any]
    gate: bytes
    command: Sequence[str]

    @property
    def kinds(self) -> list[str]:
        """The operations that are asked."""
        return list(self.campaign["workload"]["mix"])


def toy_subject() -> Subject:
    """Return the small cache that comes with the panel."""
    command = [sys.executable, "-I", "-S", str(_HOME / "toy.py")]
    return Subject(
        tomllib.loads((_HOME / "toy_campaign.toml").read_text("utf-8")),
        tomllib.loads((_HOME / "toy_target.toml").read_text("utf-8")),
        (_HOME / "toy_gate.toml").read_bytes(),
        command,
    )


@dataclass(frozen=True, slots=True)
class Plot:
    """A project in a folder of its own, with one defect in it.

    Args:
        root: the folder; made by :meth:`make`.
        defect: what is planted.
        subject: into what.
        ops: how many operations; ``None``: as many as the defect needs.
    """

    root: Path
    defect: Defect
    subject: Subject
    ops: int | None = None

    @property
    def run_path(self) -> Path:
        """Where its run will be."""
        return self.root / "_ctx" / "runs" / RUN_ID

    @property
    def state(self) -> Path:
        """The folder that the calls of the wrapper share."""
        return self.root / "state"

    @property
    def campaign_path(self) -> Path:
        """Its campaign file."""
        return self.root / "eval" / "campaigns" / f"{_NAME}.toml"

    def make(self, oracle: Path) -> None:
        """Write the project's files.

        Args:
            oracle: the folder that keeps the oracle's answers for all of them.
        """
        self.state.mkdir(parents=True)
        oracle.mkdir(parents=True, exist_ok=True)
        (self.root / "_ctx").mkdir()
        (self.root / "_ctx" / "oracle").symlink_to(oracle, target_is_directory=True)
        folder = self.root / "eval"
        write_bytes(self.campaign_path, toml_text(self.campaign()).encode())
        write_bytes(folder / "targets" / f"{_NAME}.toml", toml_text(self.target()).encode())
        write_bytes(folder / "gates" / f"{_NAME}.toml", self.subject.gate)
        if self.defect.family is Family.WRAPPER:
            write_json(self.state / "site.json", self.site())

    def campaign(self) -> dict[str, Any]:
        """Return the campaign, made small enough for this defect."""
        made = {
            name: dict(table) if isinstance(table, Mapping) else table
            for name, table in self.subject.campaign.items()
        }
        made.pop("work_order", None)
        made |= {"target": f"../targets/{_NAME}.toml", "gate": f"../gates/{_NAME}.toml"}
        if "modules" in made["segment"]:
            made["segment"]["modules"] = min(_MODULES, made["segment"]["modules"])
        wanted = self.defect.faults
        made["faults"] = [
            fault for fault in made.get("faults", ()) if wanted is None or fault["kind"] in wanted
        ]
        if "episodes" in made and self.defect.edits is not None:
            made["episodes"]["edits"] = list(self.defect.edits)
        if self.defect.deadline_ms is not None:
            made["workload"]["deadline_ms"] = self.defect.deadline_ms
        made["defaults"]["ops"] = self.ops or (self._all_faults(made) if wanted is None else _OPS)
        return made

    def own_command(self) -> list[str]:
        """Return the target's own command, with its defect where that is the cache's."""
        command = list(self.subject.command)
        if self.defect.family is Family.CACHE and self.defect.name != SOUND:
            command += ["--defect", self.defect.name]
        return command

    def target_command(self) -> list[str] | None:
        """Return the command that takes the place of the target's own, if one does."""
        if self.defect.family is not Family.WRAPPER:
            return None
        wrapper = str(_HOME / "wrapper" / "__main__.py")
        return [
            *(sys.executable, "-I", "-S", wrapper, self.defect.name, str(self.state), "--"),
            *self.subject.command,
        ]

    def site(self) -> dict[str, Any]:
        """Return what the wrapper is told of the run."""
        run = RunDir(self.run_path)
        return site_of(
            self.subject.target,
            run_id=RUN_ID,
            segment=run.segment,
            telemetry=run.telemetry,
            scratch=run.target_scratch,
        )

    def target(self) -> dict[str, Any]:
        """Return the target: its own command, and for the wrapper which operation a call is."""
        target = {**self.subject.target, "command": self.own_command(), "anchors": []}
        if self.defect.family is Family.WRAPPER:
            target["environment"] = {**target.get("environment", {}), **VARIABLES}
        return target

    def _all_faults(self, campaign: Mapping[str, Any]) -> int:
        """Return so many operations that every fault has an episode, and every floor is reached."""
        floors = [one["floor"] for one in tomllib.loads(self.subject.gate.decode())["criteria"]]
        least: int = max(_OPS, min(campaign["defaults"]["ops"], 2 * max(floors, default=0)))
        shape = campaign.get("episodes")
        if shape is None:
            return least
        calm = shape["warm_share"] + campaign["workload"]["cold_share"]
        one = shape["asks"] + 2 * shape["after_keys"]
        needed: int = math.ceil((len(campaign["faults"]) + 1) * one / (1 - calm))
        return max(least, needed)
