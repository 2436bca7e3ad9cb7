"""The schedule: which operations, in which order; a pure function of campaign, keys and seed.

The seed reproduces choices, not scheduling: which worker takes an operation, and when, is for the
history to say.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Final

from soakproof.dice import stream
from soakproof.model import FaultPlan, Operation, Phase
from soakproof.workload.episodes import Episodes, Kinds, Known, episode

__all__ = ["DIGEST_OPS", "FILE_KEYS", "Workload", "cold_count", "digest", "schedule"]

FILE_KEYS: Final = frozenset({"modules", "files"})
"""Where keys come from that name a file of the segment."""

DIGEST_OPS: Final = 10_000
"""Operations that the digest of a soak by time covers (by count: all of them)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The parts of a campaign that decide what is asked.

    Args:
        kinds: operation kind → where its keys come from (``modules``, ``files``, ``queries`` or
            ``fixed``), the target's.
        writers: kinds whose first operation on a key is sure to write.
        mix: operation kind → weight.
        modules: keys that name a file, in the order in which the cold phase asks them.
        queries: query keys.
        cold_share: share of a counted soak that is cold.
        warm_skew: 1 = all keys alike; more = some keys are asked more often.
        warm_new_share: share of warm operations that ask a new key while there are any.
        episodes: how episodes are made; ``None``: there are none.
        globs: operation kind → which keys of ``modules`` it can be asked; left out: all.
        fixed: operation kind → its own list of keys.
        ground: files that are edited where no key names one.
        new_file: name of a file that an edit makes; empty: a module's.
    """

    kinds: Mapping[str, str]
    writers: frozenset[str]
    mix: Mapping[str, float]
    modules: Sequence[str]
    queries: Sequence[str]
    cold_share: float
    warm_skew: float
    warm_new_share: float
    episodes: Episodes | None = None
    globs: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ground: Sequence[str] = ()
    new_file: str = ""

    @classmethod
    def of(
        cls, campaign: Mapping[str, Any], target: Mapping[str, Any], segment: Mapping[str, Any]
    ) -> Workload:
        """Return the workload of validated campaign and target documents.

        Args:
            campaign: the campaign.
            target: its target.
            segment: the plan's ``segment``: its keys, and its files where they are listed.
        """
        asked = campaign["workload"]
        kinds = target["operations"]
        edits = target.get("edits", {})
        files = sorted(segment.get("inputs", ()))
        return cls(
            kinds={kind: kinds[kind]["keys"] for kind in asked["mix"]},
            writers=frozenset(
                kind for kind in kinds if kinds[kind].get("writes_on_first_ask", False)
            ),
            mix=asked["mix"],
            modules=segment["modules"],
            queries=asked["queries"],
            cold_share=asked["cold_share"],
            warm_skew=asked["warm_skew"],
            warm_new_share=asked["warm_new_share"],
            episodes=Episodes.of(campaign["episodes"]) if "episodes" in campaign else None,
            globs={kind: kinds[kind]["glob"] for kind in asked["mix"] if "glob" in kinds[kind]},
            fixed={kind: kinds[kind]["fixed"] for kind in asked["mix"] if "fixed" in kinds[kind]},
            ground=[file for file in files if fnmatchcase(file, edits.get("files", "*"))],
            new_file=_new_file(target, files),
        )

    def names_files(self, kind: str) -> bool:
        """Whether the keys of a kind are files of the segment."""
        return self.kinds[kind] in FILE_KEYS

    def keys_of(self, kind: str) -> Sequence[str]:
        """Return the keys of a kind that names no file: its own, or the queries."""
        return self.fixed.get(kind, self.queries)


def _new_file(target: Mapping[str, Any], files: Sequence[str]) -> str:
    """Return the name of a file that an edit makes, with ``{number}``; empty: a module's.

    Beside the first file that a key names and with its suffix, unless the target's file says more.
    """
    if "new_file" in target.get("edits", {}):
        return str(target["edits"]["new_file"])
    operations = target["operations"].values()
    if any(one["keys"] == "modules" for one in operations):
        return ""
    globs = [one.get("glob", "*") for one in operations if one["keys"] == "files"] or ["*"]
    named = (PurePosixPath(file) for file in files if fnmatchcase(file, globs[0]))
    first = next(named, PurePosixPath("file"))
    return str(first.with_name(f"soakproof_new_{{number}}{first.suffix}"))


def cold_count(workload: Workload, ops: int) -> int:
    """Return how many of ``ops`` operations are cold: the share, but at least one a phase."""
    return max(1, min(ops - 1, round(ops * workload.cold_share)))


def schedule(workload: Workload, seed: int, ops: int | None) -> Iterator[Operation]:
    """Yield the operations: cold ones, warm ones, then episodes where the campaign has them.

    Args:
        workload: what is asked.
        seed: of all choices.
        ops: how many; ``None``: without end (a soak by time stops reading). Then the cold phase
            lasts until every module was asked once; before episodes, until half of them were.

    In a counted soak an episode that does not fit is not begun, unless it is the only one; calm
    operations take its place, so that no run ends under a fault that nobody was asked about after.
    Each operation draws from the stream of its own index. The first operation of each phase is of
    a writing kind where there is one, so that even a short soak has a miss, a write and a hit.
    """
    known = Known(workload.modules, set(), 0)
    if workload.episodes is None:
        yield from _calm(workload, seed, known, _cold(workload, ops), ops)
        return
    cold = _cold(workload, ops)
    warm = cold if ops is None else max(1, round(ops * workload.episodes.warm_share))
    calm = cold + warm if ops is None else min(cold + warm, ops)
    yield from _calm(workload, seed, known, cold, calm)
    yield from _episodes(workload, seed, known, calm, ops)


def _cold(workload: Workload, ops: int | None) -> int:
    if ops is not None:
        return cold_count(workload, ops)
    whole = len(workload.modules) or sum(len(workload.keys_of(kind)) for kind in workload.kinds)
    return whole if workload.episodes is None else max(1, whole // 2)


def _episodes(
    workload: Workload, seed: int, known: Known, start: int, ops: int | None
) -> Iterator[Operation]:
    """Yield as many whole episodes as fit, at least one, then calm operations up to ``ops``."""
    if workload.episodes is None:
        return
    finders = [kind for kind in workload.kinds if not workload.names_files(kind)]
    kinds = Kinds(
        writers=[kind for kind in workload.kinds if workload.names_files(kind)],
        finders=finders,
        queries={kind: workload.keys_of(kind) for kind in finders},
        globs=workload.globs,
        ground=workload.ground,
        new_file=workload.new_file,
    )
    longest = workload.episodes.longest_with(kinds)
    for number in itertools.count():
        if ops is not None and number > 0 and start + longest > ops:
            break
        made = episode(workload.episodes, number, seed, known, kinds=kinds, start=start)
        for operation in itertools.islice(made, None if ops is None else ops - start):
            yield operation
            start = operation.index + 1
    for index in range(start, ops or 0):
        dice = stream(seed, "op", index)
        kind_roll, key_roll = dice.random(), dice.random()
        kind = _weighted(workload.mix, kind_roll)
        key = _asked_before(workload, known, kind, key_roll)
        kind = _able(workload, kind, key, kind_roll)
        yield Operation(index, Phase.AFTER, kind, key, first_ask=known.first(kind, key))


def _calm(
    workload: Workload, seed: int, known: Known, cold: int, ops: int | None
) -> Iterator[Operation]:
    """Yield the cold and the warm phase."""
    for index in itertools.count() if ops is None else range(ops):
        dice = stream(seed, "op", index)
        kind_roll, key_roll, new_roll = dice.random(), dice.random(), dice.random()
        phase = Phase.COLD if index < cold else Phase.WARM
        opening = index in {0, cold}
        kind = _opening_kind(workload) if opening else _weighted(workload.mix, kind_roll)
        fresh = phase is Phase.COLD or (new_roll < workload.warm_new_share and not opening)
        new = known.fresh() if fresh and workload.names_files(kind) else None
        key = new or _asked_before(workload, known, kind, key_roll)
        kind = _able(workload, kind, key, kind_roll)
        yield Operation(index, phase, kind, key, first_ask=known.first(kind, key))


def _asked_before(workload: Workload, known: Known, kind: str, roll: float) -> str:
    """Return a query, or one of the files that were asked, some more often than others."""
    if not workload.names_files(kind):
        keys = workload.keys_of(kind)
        return keys[int(roll * len(keys))]
    return workload.modules[int(roll**workload.warm_skew * max(1, known.count))]


def _opening_kind(workload: Workload) -> str:
    return next(
        (kind for kind in workload.mix if kind in workload.writers), next(iter(workload.mix))
    )


def _able(workload: Workload, kind: str, key: str, roll: float) -> str:
    """Return a kind that can ask a key: the one that was drawn, else another one of the mix."""
    if not workload.names_files(kind):
        return kind
    able = {
        one: weight
        for one, weight in workload.mix.items()
        if workload.names_files(one) and fnmatchcase(key, workload.globs.get(one, "*"))
    }
    return kind if kind in able or not able else _weighted(able, roll)


def _weighted(mix: Mapping[str, float], roll: float) -> str:
    left = roll * sum(mix.values())
    for kind, weight in mix.items():
        left -= weight
        if left < 0:
            return kind
    return list(mix)[-1]


def digest(operations: Iterable[Operation], faults: Iterable[FaultPlan]) -> str:
    """Return the SHA-256 (hex) of operations and faults: same plan, same digest."""
    sha = hashlib.sha256()
    for op in operations:
        row = [op.index, op.phase, op.kind, op.key, op.first_ask, op.episode, op.again, op.edit]
        row += [] if op.edit_path is None else [op.edit_path]
        sha.update(json.dumps(row).encode() + b"\n")
    for fault in faults:
        params = dict(sorted(fault.params.items()))
        sha.update(json.dumps([fault.fault_id, fault.kind, fault.at_op, params]).encode() + b"\n")
    return sha.hexdigest()
