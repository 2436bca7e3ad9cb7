"""What changed between two runs outside noise.

Two runs are no sample: what follows is a rule of thumb and says so. What the plan alone decides,
and what must not happen at all, is compared exactly. What depends on scheduling is compared only
between runs of the same schedule: counts differ when they are more than three standard deviations
of a difference of Poisson counts apart, rates when their Wilson intervals (z = 2.58) do not meet.
Latency is shown and nothing is claimed of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from soakproof.checks.wilson import wilson

__all__ = [
    "DIFFERENT",
    "Change",
    "Comparison",
    "Side",
    "compare_runs",
    "compared_document",
    "compared_lines",
]

DIFFERENT: Final = 10
"""Exit code: something differs outside noise."""

_SIGMAS: Final = 3.0

_EXACT: Final = (
    "run.state",
    "ops.",
    "integrity.integrity_check",
    "telemetry.unreadable_lines",
    "telemetry.orphan_events",
    "telemetry.ops_without_events",
    "telemetry.lost_events",
    "telemetry.duplicate_events",
    "telemetry.foreign_run_events",
    "growth.leftover_files",
    "answers.wrong",
    "answers.stale",
    "answers.missing",
    "answers.crashed",
    "answers.hung",
    "answers.broken",
)
"""Beginnings of fields that the plan decides, or that no scheduling excuses."""

_SHOWN_ONLY: Final = ("informational.", "growth.", "locks.waited_ms_total")
"""Beginnings of fields of which nothing is claimed."""

_SKIPPED: Final = ("integrity.databases.", "faults.ledger.", "telemetry.unreadable.")
"""Lists of single things, which are counted elsewhere."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Args:
        group: verdict, plan, versions, counts, scheduling or latency.
        field: what.
        first: in the first run (``None``: not there).
        second: in the second.
        claimed: it differs outside noise; false: it is only shown.
    """

    group: str
    field: str
    first: Any
    second: Any
    claimed: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it.

    Args:
        first: id of the first run.
        second: id of the second.
        same_schedule: both ran the same operations and faults over the same code.
        changes: all that differ.
    """

    first: str
    second: str
    same_schedule: bool
    changes: tuple[Change, ...]

    @property
    def exit_code(self) -> int:
        """0: nothing outside noise; else :data:`DIFFERENT`."""
        return DIFFERENT if any(change.claimed for change in self.changes) else 0


@dataclass(frozen=True, slots=True)
class Side:
    """The documents of one run."""

    plan: dict[str, Any]
    run: dict[str, Any]
    metrics: dict[str, Any]
    verdict: dict[str, Any]


def compare_runs(one: Side, two: Side) -> Comparison:
    """Compare two runs by their validated documents."""
    same = all(
        _at(one.plan, path) == _at(two.plan, path) for path in ("schedule_sha256", "segment.sha256")
    )
    changes = [
        *_verdicts(one, two),
        *_plans(one, two),
        *_versions(one, two),
        *_metrics(one.metrics, two.metrics, same=same),
    ]
    return Comparison(one.plan["run_id"], two.plan["run_id"], same, tuple(changes))


def compared_document(comparison: Comparison) -> dict[str, Any]:
    """Return the result for machines."""
    return {
        "first": comparison.first,
        "second": comparison.second,
        "same_schedule": comparison.same_schedule,
        "exit_code": comparison.exit_code,
        "changes": [
            {
                "group": change.group,
                "field": change.field,
                "first": change.first,
                "second": change.second,
                "outside_noise": change.claimed,
            }
            for change in comparison.changes
        ],
    }


def compared_lines(comparison: Comparison) -> list[str]:
    """Return the result for people: what differs outside noise, then what is only shown."""
    lines = [f"{comparison.first} → {comparison.second}", ""]
    for group in dict.fromkeys(change.group for change in comparison.changes):
        lines.append(_TITLES[group])
        lines += [
            f"  {change.field}: {_shown(change.first)} → {_shown(change.second)}"
            for change in comparison.changes
            if change.group == group
        ]
        lines.append("")
    if not comparison.same_schedule:
        note = "The schedules differ: counts that depend on scheduling are shown, not judged."
        lines += [note, ""]
    claimed = sum(change.claimed for change in comparison.changes)
    return [*lines, f"DIFFERENT: {claimed} outside noise" if claimed else "SAME within noise"]


_TITLES: Final = {
    "verdict": "Verdict and criteria",
    "plan": "Plan",
    "versions": "Versions and machine",
    "counts": "Counts that the plan decides, or that no scheduling excuses",
    "scheduling": "Counts that depend on scheduling",
    "shown": "Shown, and nothing claimed",
}


_OF_PACKAGES: Final = frozenset({"packages", "package_records"})
"""Compared by their versions; two installations of one version differ in what no run notices."""


def _verdicts(one: Side, two: Side) -> Iterator[Change]:
    yield from _differing("verdict", one.verdict, two.verdict, "verdict", "gate")
    rows = [{row["id"]: row["verdict"] for row in side.verdict["criteria"]} for side in (one, two)]
    for name in dict.fromkeys([*rows[0], *rows[1]]):
        if rows[0].get(name) != rows[1].get(name):
            yield Change("verdict", name, rows[0].get(name), rows[1].get(name))


def _plans(one: Side, two: Side) -> Iterator[Change]:
    settings = ("ops", "duration_s", "workers", "seed", "target_command")
    yield from _differing(
        "plan", one.plan, two.plan, *(f"settings.{name}.value" for name in settings)
    )
    files = ("campaign_sha256", "target_sha256", "gate_sha256", "segment.sha256", "schedule_sha256")
    yield from _differing("plan", one.plan, two.plan, *files)


def _versions(one: Side, two: Side) -> Iterator[Change]:
    for part in ("subject", "harness"):
        fields = ("name", "version", "commit", "wheel_sha256")
        yield from _differing("versions", one.run, two.run, *(f"{part}.{name}" for name in fields))
    environment = sorted({*one.run["environment"], *two.run["environment"]} - _OF_PACKAGES)
    names = [f"environment.{name}" for name in environment]
    yield from _differing("versions", one.run, two.run, *names)
    packages = [side.run["environment"]["packages"] for side in (one, two)]
    for name in sorted({*packages[0], *packages[1]}):
        if packages[0].get(name) != packages[1].get(name):
            yield Change("versions", name, packages[0].get(name), packages[1].get(name))


def _metrics(
    first: Mapping[str, Any], second: Mapping[str, Any], *, same: bool
) -> Iterator[Change]:
    one, two = dict(_leaves(first)), dict(_leaves(second))
    changes = []
    for field in dict.fromkeys([*one, *two]):
        mine, theirs = one.get(field), two.get(field)
        if mine == theirs or field.startswith(_SKIPPED):
            continue
        if field.startswith(_SHOWN_ONLY) and not field.startswith(_EXACT):
            changes.append(Change("shown", field, mine, theirs, claimed=False))
        elif field.startswith(_EXACT):
            changes.append(Change("counts", field, mine, theirs))
        elif same and _apart(first, second, field, mine, theirs):
            changes.append(Change("scheduling", field, mine, theirs))
        elif not same:
            changes.append(Change("scheduling", field, mine, theirs, claimed=False))
    order = list(_TITLES)
    yield from sorted(changes, key=lambda change: order.index(change.group))


def _apart(
    first: Mapping[str, Any], second: Mapping[str, Any], field: str, mine: object, theirs: object
) -> bool:
    if field.endswith(".hit_rate"):
        phase = field.rpartition(".")[0]
        mine_low, mine_high = _wilson(first, phase)
        low, high = _wilson(second, phase)
        return mine_high < low or high < mine_low
    if not isinstance(mine, int | float | None) or not isinstance(theirs, int | float | None):
        return True
    less, more = sorted((mine or 0, theirs or 0))
    return more - less > _SIGMAS * math.sqrt(less + more)


def _wilson(metrics: Mapping[str, Any], phase: str) -> tuple[float, float]:
    """Return the interval of a phase's hit rate."""
    seen = _at(metrics, phase) or {}
    hits = seen.get("hits", 0)
    return wilson(hits, hits + seen.get("misses", 0))


def _leaves(value: object, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted field, value) of the groups of the metrics; a list's items by their number."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if at or isinstance(inner, Mapping):
                yield from _leaves(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{at}.{number}")
    else:
        yield at, value


def _differing(
    group: str, one: Mapping[str, Any], two: Mapping[str, Any], *paths: str
) -> Iterator[Change]:
    for path in paths:
        mine, theirs = _at(one, path), _at(two, path)
        if mine != theirs:
            yield Change(group, path.removesuffix(".value"), mine, theirs)


def _at(document: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


_SHOWN_CHARS: Final = 60
