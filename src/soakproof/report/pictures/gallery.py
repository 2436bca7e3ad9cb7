"""All pictures of a run, in the order in which a report shows them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from soakproof.report.pictures.bins import Slice, slices
from soakproof.report.pictures.cache import file_bytes, hit_rate, lock_waits
from soakproof.report.pictures.frame import Picture
from soakproof.report.pictures.operations import latency, operations
from soakproof.report.pictures.storm import Storm
from soakproof.report.pictures.timeline import first_failed, focus, timeline
from soakproof.report.pictures.windows import FaultKind, fault_kinds

__all__ = ["NAMES", "Gallery", "gallery"]

NAMES: Final = ("operations", "hit-rate", "lock-waits", "bytes", "latency", "timeline")
"""The pictures' names, in the order of a report."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures, and what they have in common."""

    pictures: tuple[Picture, ...]
    parts: tuple[Slice, ...]
    kinds: tuple[FaultKind, ...]


def gallery(storm: Storm, metrics: Mapping[str, Any]) -> Gallery:
    """Return the pictures of a run."""
    kinds = fault_kinds(metrics, storm)
    parts = slices(storm, kinds)
    on = focus(storm, kinds, first_failed(storm, metrics))
    pictures = (
        operations(storm, kinds),
        hit_rate(storm, kinds, parts, metrics),
        lock_waits(storm, kinds),
        file_bytes(storm, kinds),
        latency(storm, kinds, parts),
        timeline(storm, kinds, on),
    )
    return Gallery(pictures, tuple(parts), tuple(kinds))
