"""Which states of a disk a crash can leave: choose them, seeded, from what was done. Pure.

Four models of a crash:

``kill``
    the process dies between two calls; all that it did is there.
``torn_write``
    it dies in the middle of its last write, at a sector.
``power_journalled``
    the power fails. Bytes that were not synced survive sector by sector or not. Names reach the
    disk in order, with any sync that comes later, as on journalled file systems.
``power_names_apart``
    the power fails, and a name survives on its own unless its folder was synced: the letter of
    fsync(2), and what careful programs are written for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from soakproof.deep.disk import (
    Acknowledged,
    Data,
    Disk,
    Effect,
    Folder,
    Gone,
    Name,
    Rename,
    Size,
    Sync,
    SyncFolder,
    Tree,
    sectors,
)
from soakproof.dice import stream

__all__ = ["MODELS", "State", "crash_states", "power_cut"]

MODELS: Final = ("kill", "torn_write", "power_journalled", "power_names_apart")

_SHARES: Final = (0.5, 0.9, 0.1)
"""How much of what is in doubt survives, in the drawn variants: half, nearly all, hardly any."""

_NAMED: Final = (Name, Folder, Rename, Gone)


@dataclass(frozen=True, slots=True)
class State:
    """One state that a crash may leave.

    Args:
        model: one of :data:`MODELS`.
        at: how many effects there had been.
        variant: which of the model's states at that point.
        acknowledged: what the process had told by then.
        tree: what lies on the disk.
    """

    model: str
    at: int
    variant: int
    acknowledged: tuple[bytes, ...]
    tree: Tree


def crash_states(base: Tree, effects: Sequence[Effect], seed: int, drawn: int) -> Iterator[State]:
    """Yield the states of all models, in the order of the effects.

    Args:
        base: what lay on the disk before, all of it synced.
        effects: what was done.
        seed: of the choices.
        drawn: how many states of a power cut are drawn at each point, beside the two extremes
            (nothing in doubt survives; all names survive and no byte).
    """
    disk = Disk.of(base)
    told: list[bytes] = []
    yield State("kill", 0, 0, (), disk.tree())
    for at, effect in enumerate(effects, 1):
        if isinstance(effect, Data):
            torn = _torn(disk, effect, seed, at)
            if torn is not None:
                yield State("torn_write", at, 0, tuple(told), torn)
        disk.apply(effect)
        if isinstance(effect, Acknowledged):
            told.append(effect.text)
        acknowledged = tuple(told)
        if not isinstance(effect, Sync | SyncFolder):
            yield State("kill", at, 0, acknowledged, disk.tree())
        for model in MODELS[2:]:
            for variant in range(2 + drawn):
                tree = power_cut(base, effects[:at], model, variant, seed)
                yield State(model, at, variant, acknowledged, tree)


def power_cut(base: Tree, effects: Sequence[Effect], model: str, variant: int, seed: int) -> Tree:
    """Return what a power cut after these effects leaves.

    Args:
        base: what lay on the disk before.
        effects: what was done until the power failed.
        model: ``power_journalled`` or ``power_names_apart``.
        variant: 0: nothing in doubt survives; 1: all names and no byte; above: drawn.
        seed: of the choices.
    """
    dice = stream(seed, "power", model, len(effects), variant)
    byte_share, name_share = 0.0, float(variant)
    if variant > 1:
        byte_share = name_share = _SHARES[(variant - 2) % len(_SHARES)]
    apart = model == "power_names_apart"
    safe_names = _safe_names(effects, apart=apart)
    ordered_end = _ordered_end(effects, safe_names, dice, name_share)
    safe_data = _safe_data(effects)
    disk = Disk.of(base)
    for at, effect in enumerate(effects):
        if isinstance(effect, _NAMED):
            drawn = dice.random() < name_share if apart else at < ordered_end
            if at in safe_names or drawn:
                disk.apply(effect)
        elif isinstance(effect, Size):
            if at in safe_data or dice.random() < byte_share:
                disk.apply(effect)
        elif isinstance(effect, Data):
            _apply_data(disk, effect, dice, 1.0 if at in safe_data else byte_share)
    return disk.tree()


def _apply_data(disk: Disk, effect: Data, dice: random.Random, share: float) -> None:
    if share >= 1.0:
        disk.apply(effect)
        return
    if share <= 0.0:
        return
    for piece in sectors(effect):
        if dice.random() < share:
            disk.apply(piece)


def _safe_data(effects: Sequence[Effect]) -> set[int]:
    """Return the positions of writes and cuts that a later sync of the file made last."""
    safe: set[int] = set()
    pending: dict[int, list[int]] = {}
    for at, effect in enumerate(effects):
        if isinstance(effect, Data | Size):
            pending.setdefault(effect.file, []).append(at)
        elif isinstance(effect, Sync):
            safe.update(pending.pop(effect.file, ()))
    return safe


def _safe_names(effects: Sequence[Effect], *, apart: bool) -> set[int]:
    """Return the positions of changes of names that a later sync made last."""
    safe: set[int] = set()
    pending: list[int] = []
    for at, effect in enumerate(effects):
        if isinstance(effect, _NAMED):
            pending.append(at)
        elif isinstance(effect, SyncFolder) and apart:
            done = [one for one in pending if effect.path in _folders_of(effects[one])]
            safe.update(done)
            pending = [one for one in pending if one not in safe]
        elif isinstance(effect, Sync | SyncFolder) and not apart:
            safe.update(pending)
            pending = []
    return safe


def _ordered_end(
    effects: Sequence[Effect], safe: set[int], dice: random.Random, share: float
) -> int:
    """Return the position before which names survive, where they reach the disk in order."""
    doubtful = [at for at, one in enumerate(effects) if isinstance(one, _NAMED) and at not in safe]
    kept = len(doubtful) if share >= 1.0 else int(share and dice.random() * (len(doubtful) + 1))
    return doubtful[kept] if kept < len(doubtful) else len(effects)


def _folders_of(effect: Effect) -> set[str]:
    """Return the folders whose entries a change of names changes."""
    match effect:
        case Name(path) | Folder(path) | Gone(path):
            paths = {path}
        case Rename(old, new):
            paths = {old, new}
        case _:
            paths = set()
    return {str(PurePosixPath(path).parent) for path in paths}


def _torn(disk: Disk, effect: Data, seed: int, at: int) -> Tree | None:
    """Return the disk with the first sectors of a write; ``None``: it is one sector."""
    pieces = list(sectors(effect))
    if len(pieces) == 1:
        return None
    kept = 1 + int(stream(seed, "torn", at).random() * (len(pieces) - 1))
    torn = Disk(dict(disk.names), dict(disk.contents), set(disk.folders))
    torn.contents[effect.file] = bytearray(disk.contents.get(effect.file, b""))
    for piece in pieces[:kept]:
        torn.apply(piece)
    return torn.tree()
