"""The schedule of a library's soak: key-value operations; a pure function of campaign and seed.

Operations are made a block at a time, each block from dice of its own, so any stretch of the
schedule can be made again without what came before it. Registers (``k…``) take ``set``, ``get``
and the like; counters (``c…``) take ``incr`` and ``get``.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from soakproof.dice import rank, stream
from soakproof.model import FaultPlan, Operation, Phase

__all__ = [
    "BLOCK_OPS",
    "KvOp",
    "KvPart",
    "KvWorkload",
    "as_operation",
    "kv_digest",
    "kv_ops",
    "kv_parts",
    "kv_plan",
]

BLOCK_OPS: Final = 1024
"""Operations that share one block of dice."""

KvOp: TypeAlias = tuple[int, str, str, int]
"""Number, operation, key, argument: size of the value, or what is added, or 0."""

_COUNTER_KINDS: Final = frozenset({"incr"})
_WRITES_VALUE: Final = frozenset({"set", "add"})


@dataclass(frozen=True, slots=True)
class KvWorkload:
    """The parts of a campaign that decide what is asked of a library.

    Args:
        mix: operation → weight.
        keys: registers.
        counters: keys that are only added to.
        skew: 1 = all keys alike; more = some keys are asked more often.
        value_bytes: smallest and largest filler of a value.
        cold_share: share of a counted soak that only sets, each key in turn.
        episode_ops: operations of an episode under its fault.
        after_ops: operations after it is healed.
        calm_ops: operations of the cold and the warm phase.
    """

    mix: Mapping[str, float]
    keys: int
    counters: int
    skew: float
    value_bytes: tuple[int, int]
    cold_ops: int
    calm_ops: int
    episode_ops: int
    after_ops: int

    @classmethod
    def of(cls, campaign: Mapping[str, Any]) -> KvWorkload:
        """Return the workload of a validated campaign."""
        asked = campaign["kv"]
        low, high = asked["value_bytes"]
        return cls(
            mix=asked["mix"],
            keys=asked["keys"],
            counters=asked["counters"],
            skew=asked["skew"],
            value_bytes=(low, high),
            cold_ops=asked["cold_ops"],
            calm_ops=asked["cold_ops"] + asked["warm_ops"],
            episode_ops=asked["episode_ops"],
            after_ops=asked["after_ops"],
        )


@dataclass(frozen=True, slots=True)
class KvPart:
    """A stretch of operations that begins and ends with nothing under way.

    Args:
        phase: cold, warm, storm or after.
        episode: which episode; ``None`` in the calm phases.
        first: number of its first operation.
        end: number after its last; ``None``: without end.
        fault: the fault of its episode, in a storm.
    """

    phase: Phase
    episode: int | None
    first: int
    end: int | None
    fault: FaultPlan | None = None


def kv_parts(
    workload: KvWorkload, faults: Iterable[Mapping[str, Any]], seed: int, ops: int | None
) -> Iterator[KvPart]:
    """Yield the parts of a soak; without faults the warm phase lasts to the end.

    Args:
        workload: what is asked.
        faults: the campaign's fault tables; each episode has one, all in turn in an order of dice.
        seed: of that order.
        ops: how many operations; ``None``: without end.
    """
    tables = list(faults)
    cold, calm = workload.cold_ops, workload.calm_ops
    if ops is not None:
        cold, calm = min(cold, ops), min(calm, ops)
    if cold:
        yield KvPart(Phase.COLD, None, 0, cold)
    if not tables:
        calm_end = ops
        if ops is None or cold < ops:
            yield KvPart(Phase.WARM, None, cold, calm_end)
        return
    if cold < calm:
        yield KvPart(Phase.WARM, None, cold, calm)
    at = calm
    for episode in itertools.count():
        turn, nth = divmod(episode, len(tables))
        order = sorted(range(len(tables)), key=lambda n: rank(seed, "fault", turn, n))
        for phase, length in (
            (Phase.STORM, workload.episode_ops),
            (Phase.AFTER, workload.after_ops),
        ):
            if ops is not None and at >= ops:
                return
            end = at + length if ops is None else min(at + length, ops)
            storm = phase is Phase.STORM
            plan = _fault(tables[order[nth]], episode, at) if storm else None
            yield KvPart(phase, episode, at, end, plan)
            at = end


def _fault(table: Mapping[str, Any], episode: int, at_op: int) -> FaultPlan:
    """Return an episode's fault with the campaign's parameters; the rest is drawn as it is made."""
    return FaultPlan(f"{table['kind']}-{episode}", table["kind"], at_op, table, episode)


def kv_ops(workload: KvWorkload, seed: int, first: int, end: int | None) -> Iterator[list[KvOp]]:
    """Yield the operations from ``first`` to before ``end``, a block or less at a time."""
    made = _Maker(workload, seed)
    at = first
    while end is None or at < end:
        block, offset = divmod(at, BLOCK_OPS)
        stop = BLOCK_OPS if end is None else min(BLOCK_OPS, end - block * BLOCK_OPS)
        yield made.block(block)[offset:stop]
        at = block * BLOCK_OPS + stop


class _Maker:
    def __init__(self, workload: KvWorkload, seed: int) -> None:
        self._workload = workload
        self._seed = seed
        self._kinds = list(workload.mix)
        self._bounds = list(itertools.accumulate(workload.mix.values()))
        self._keys = [f"k{number}" for number in range(workload.keys)]
        self._counters = [f"c{number}" for number in range(workload.counters)]
        self._plain = [kind for kind in self._kinds if kind not in _COUNTER_KINDS]

    def block(self, number: int) -> list[KvOp]:
        """Return one block of operations."""
        workload, roll = self._workload, stream(self._seed, "kv", number).random
        low, high = workload.value_bytes
        span, skew, total = high - low + 1, workload.skew, self._bounds[-1]
        keys, counters, first = self._keys, self._counters, number * BLOCK_OPS
        share = len(counters) / (len(counters) + len(keys))
        made = []
        for at in range(first, first + BLOCK_OPS):
            # Five numbers an operation, used or not: a choice never moves another.
            kind_roll, key_roll, size_roll, counted = roll(), roll(), roll(), roll()
            if at < workload.cold_ops:
                made.append((at, "set", keys[at % len(keys)], low + int(size_roll * span)))
                continue
            kind = self._kinds[bisect.bisect_right(self._bounds, kind_roll * total)]
            if kind in _COUNTER_KINDS:
                made.append((at, kind, counters[int(key_roll**skew * len(counters))], 1))
                continue
            if kind == "get" and counted < share:
                made.append((at, kind, counters[int(key_roll**skew * len(counters))], 0))
                continue
            size = low + int(size_roll * span) if kind in _WRITES_VALUE else 0
            made.append((at, kind, keys[int(key_roll**skew * len(keys))], size))
        return made


def kv_digest(workload: KvWorkload, parts: Iterable[KvPart], seed: int, ops: int) -> str:
    """Return the SHA-256 (hex) of the first operations and of the parts: same plan, same digest."""
    sha = hashlib.sha256()
    for block in kv_ops(workload, seed, 0, ops):
        sha.update(repr(block).encode())
    for part in itertools.takewhile(lambda one: one.first < ops, parts):
        fault = None if part.fault is None else (part.fault.fault_id, sorted(part.fault.params))
        sha.update(repr((part.phase.value, part.episode, part.first, part.end, fault)).encode())
    return sha.hexdigest()


def kv_plan(
    campaign: Mapping[str, Any], seed: int, ops: int | None, digest_ops: int
) -> tuple[str, list[dict[str, Any]]]:
    """Return the digest of a schedule, and its faults; a soak by time plans them as it goes.

    Args:
        campaign: the validated campaign.
        seed: of all choices.
        ops: how many operations; ``None``: without end.
        digest_ops: operations that the digest covers, at most.
    """
    workload, tables = KvWorkload.of(campaign), campaign.get("faults", ())
    covered = digest_ops if ops is None else min(ops, digest_ops)
    digest = kv_digest(workload, kv_parts(workload, tables, seed, ops), seed, covered)
    parts = () if ops is None else kv_parts(workload, tables, seed, ops)
    planned = (part.fault for part in parts if part.fault is not None)
    return digest, [
        {"fault": one.fault_id, "kind": one.kind, "at_op": one.at_op} for one in planned
    ]


def as_operation(op: KvOp, part: KvPart) -> Operation:
    """Return an operation as faults know operations."""
    return Operation(op[0], part.phase, op[1], op[2], first_ask=False, episode=part.episode)
