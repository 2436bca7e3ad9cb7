"""Make the project in which one promise is soaked: the target's own campaign, cut down to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.matrix.panel import Promise
from soakproof.rundir import write_bytes
from soakproof.toml_text import toml_text

__all__ = ["RUN_ID", "Plot", "Subject", "narrowed"]

RUN_ID: Final = "soak"
"""The one run of such a project."""

_NAME: Final = "panel"


@dataclass(frozen=True, slots=True)
class Subject:
    """A target with its campaign and gate.

    Args:
        folder: where its files lie.
        campaign: its validated document.
        target: its validated document; the command's executable as an absolute path.
        gate: the bytes of its gate file.
    """

    folder: Path
    campaign: Mapping[str, Any]
    target: Mapping[str, Any]
    gate: bytes


def narrowed(subject: Subject, promise: Promise) -> dict[str, Any] | str:
    """Return the campaign that asks one promise and nothing else; or why it has nothing for it.

    Segment, sampling and shape stay; faults, edits and kinds of operations are those of the
    promise that the campaign has, and there are as many operations as its episodes take.
    """
    made = {
        name: dict(table) if isinstance(table, Mapping) else table
        for name, table in subject.campaign.items()
    }
    shape, mix = made.get("episodes"), made["workload"]["mix"]
    if shape is None:
        return "its campaign has no episodes"
    faults = [one for one in made.get("faults", ()) if one["kind"] in promise.faults]
    edits = [kind for kind in shape["edits"] if kind in promise.edits]
    if promise.faults and not faults:
        return f"its campaign has no fault {' or '.join(promise.faults)}"
    if promise.edits and not edits:
        return f"its campaign has no edit {' or '.join(promise.edits)}"
    if promise.all_kinds and len(mix) == 1:
        return "its campaign has one set of options"
    if not promise.all_kinds:
        first = next(iter(mix))
        made["workload"]["mix"] = {first: 1}
    made.pop("work_order", None)
    shape["edits"] = edits
    shape["asks"] = promise.asks or shape["asks"]
    made |= {
        "target": f"../targets/{_NAME}.toml",
        "gate": f"../gates/{_NAME}.toml",
        "faults": faults,
        "defaults": {**made["defaults"], "ops": _ops(made, promise.episodes)},
    }
    return made


def _ops(campaign: Mapping[str, Any], episodes: int) -> int:
    """Return how many operations so many episodes take, with the calm part before them."""
    shape = campaign["episodes"]
    calm = shape["warm_share"] + campaign["workload"]["cold_share"]
    one = shape["asks"] + 2 * shape["after_keys"]
    needed: int = math.ceil(episodes * one / (1 - calm))
    return needed


@dataclass(frozen=True, slots=True)
class Plot:
    """A project in a folder of its own, for one promise of one target.

    Args:
        root: the folder; made by :meth:`make`.
        subject: the target.
        campaign: as :func:`narrowed` made it.
    """

    root: Path
    subject: Subject
    campaign: Mapping[str, Any]

    @property
    def run_path(self) -> Path:
        """Where its run will be."""
        return self.root / "_ctx" / "runs" / RUN_ID

    @property
    def campaign_path(self) -> Path:
        """Its campaign file."""
        return self.root / "eval" / "campaigns" / f"{_NAME}.toml"

    def make(self, oracle: Path) -> None:
        """Write the project's files.

        Args:
            oracle: the folder that keeps the oracle's answers for all promises of this target.
        """
        (self.root / "_ctx").mkdir(parents=True)
        oracle.mkdir(parents=True, exist_ok=True)
        (self.root / "_ctx" / "oracle").symlink_to(oracle, target_is_directory=True)
        folder = self.root / "eval"
        write_bytes(self.campaign_path, toml_text(self._campaign()).encode())
        target = {**self.subject.target, "anchors": []}
        write_bytes(folder / "targets" / f"{_NAME}.toml", toml_text(target).encode())
        write_bytes(folder / "gates" / f"{_NAME}.toml", self.subject.gate)

    def _campaign(self) -> dict[str, Any]:
        """Return the campaign with the folder of its segment found from anywhere."""
        made = dict(self.campaign)
        if "folder" in made["segment"]:
            folder = (self.subject.folder / made["segment"]["folder"]).resolve()
            made["segment"] = {**made["segment"], "folder": str(folder)}
        return made
