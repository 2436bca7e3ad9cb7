"""The tables of the page that tell what happened; pure, one function a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from soakproof.model import Phase
from soakproof.report.html.cells import Table, code, number, percent, shown, table, verdict, word
from soakproof.report.pictures.bins import Slice, median
from soakproof.report.pictures.failures import FailureLog
from soakproof.report.pictures.storm import Mark

__all__ = [
    "answers",
    "errors",
    "faults",
    "gate",
    "hit_rates",
    "latency",
    "ledger",
    "operations",
    "slices",
    "telemetry",
]

_SHOWN_FAULTS: Final = 200
"""A long soak has thousands; the table of kinds counts them all."""

_NS_PER_MS: Final = 1e6


def gate(judged: Mapping[str, Any]) -> Table:
    """Return every criterion, in the gate's order."""
    rows = [
        (
            verdict(each["verdict"]),
            code(each["id"]),
            code(each["rule"]),
            code(shown(each["observed"])),
            code(shown(each["limit"])),
            code(shown(each["samples"])),
            code(shown(each["floor"])),
            word(each["why"], first=each["reason"]),
        )
        for each in judged["criteria"]
    ]
    heads = ("verdict", "criterion", "rule", "observed", "limit", "samples", "floor", "why")
    return table(f"Criteria of gate {judged['gate']}", heads, rows)


def faults(metrics: Mapping[str, Any]) -> Table:
    """Return what became of the planned faults, by kind, with why any was skipped."""
    by_kind = metrics["faults"]["by_kind"]
    reasons: dict[str, dict[str, None]] = {}
    for each in metrics["faults"]["ledger"]:
        if each["reason"]:
            reasons.setdefault(each["kind"], {})[each["reason"]] = None
    counts = ("planned", "fired", "took_effect", "healed", "skipped")
    rows = [
        (
            code(kind),
            *(number(each[count]) for count in counts),
            word("; ".join(reasons.get(kind, ()))),
        )
        for kind, each in sorted(by_kind.items())
    ]
    heads = ("fault", "planned", "fired", "took effect", "healed", "skipped", "why not")
    return table("Faults by kind", heads, rows)


def ledger(metrics: Mapping[str, Any]) -> Table:
    """Return each fault, with what its probe saw."""
    entries = metrics["faults"]["ledger"]
    rows = [
        (
            code(each["fault"]),
            number(each["at_op"]),
            number(_lasted_ms(each), 1),
            word("yes" if each["took_effect"] else "no"),
            word("yes" if each["healed_mono_ns"] is not None else "no"),
            word(each["reason"] or _observed(each["observation"])),
        )
        for each in entries[:_SHOWN_FAULTS]
    ]
    beyond = len(entries) - len(rows)
    below = f"{beyond:,} more are in metrics.json." if beyond else ""
    heads = ("fault", "before op", "lasted ms", "took effect", "healed", "seen")
    return table("Each fault", heads, rows, below)


def _lasted_ms(fault: Mapping[str, Any]) -> float | None:
    fired, healed = fault["fired_mono_ns"], fault["healed_mono_ns"]
    return None if fired is None or healed is None else (healed - fired) / _NS_PER_MS


def _observed(observation: Mapping[str, Any]) -> str:
    told = []
    for name, seen in observation.items():
        said = ", ".join(map(str, seen)) if isinstance(seen, list) else shown(seen)
        told.append(f"{name.replace('_', ' ')}: {said}")
    return "; ".join(told)


def operations(metrics: Mapping[str, Any]) -> Table:
    """Return operations by kind and outcome, from the harness's own ledger."""
    ops = metrics["ops"]
    outcomes = ("ok", "fail", "info")
    rows = [
        (code(kind), *(number(each[outcome]) for outcome in outcomes))
        for kind, each in sorted(ops["by_kind"].items())
    ]
    rows.append((word("all"), *(number(ops[outcome]) for outcome in outcomes)))
    below = (
        f"{ops['ops_planned']:,} planned, {ops['invoked']:,} invoked, {ops['ops_total']:,} "
        f"completed; {ops['answers_compared']:,} answers compared with an earlier one, "
        f"{ops['keys_contradicted']:,} keys contradicted."
    )
    return table("Operations by kind and outcome", ("kind", *outcomes), rows, below)


def answers(metrics: Mapping[str, Any]) -> Table | None:
    """Return what the oracle said of the answers; ``None``: they were not checked."""
    seen = metrics["answers"]
    if seen["oracle"] not in {"asked", "model"}:
        return None
    rows = [
        (word(name.replace("_", " ")), code(shown(count)))
        for name, count in seen.items()
        if isinstance(count, int | str)
    ]
    return table("Answers held against the oracle", ("what", "count"), rows)


def errors(failures: FailureLog) -> Table:
    """Return operations without an answer, grouped by what they said, with one example each."""
    rows = [
        (
            number(group.count),
            word(group.outcome),
            word(f"{group.reason}, {group.ended}"),
            code(group.example_op),
            code(group.example),
        )
        for group in failures.largest_first()
    ]
    below = f"{failures.beyond:,} more in further groups." if failures.beyond else ""
    heads = ("count", "outcome", "how it ended", "example", "what it said")
    return table("Errors, grouped", heads, rows, below)


def hit_rates(metrics: Mapping[str, Any]) -> Table:
    """Return hits, misses, writes and hit rate by phase."""
    phases = [(phase, metrics["cache"].get(phase)) for phase in Phase]
    rows = [
        (
            word(phase),
            percent(seen["hit_rate"]),
            *(number(seen.get(name)) for name in ("hits", "misses", "writes", "samples")),
        )
        for phase, seen in phases
        if seen is not None
    ]
    heads = ("phase", "hit rate", "hits", "misses", "writes", "operations")
    return table("Hit rate by phase, as the subject told it", heads, rows)


def telemetry(metrics: Mapping[str, Any]) -> Table:
    """Return how the subject's own events agree with the ledger."""
    rows = [
        (word(name.replace("_", " ")), number(seen))
        for name, seen in metrics["telemetry"].items()
        if isinstance(seen, int) or seen is None
    ]
    rows += [
        (word(name.replace("_", " ")), number(metrics["locks"][name]))
        for name in ("lock_wait", "lock_timeout")
    ]
    return table("Telemetry against the ledger", ("seen", "count"), rows)


def latency(metrics: Mapping[str, Any]) -> Table:
    """Return the quantiles, which no criterion may look at."""
    seen = metrics["informational"]
    quantiles = ("p50", "p95", "p99", "max")
    rows = [
        (code(name), number(each["samples"]), *(number(each[q], 1) for q in quantiles))
        for name, each in sorted(seen["latency_ms"].items())
    ]
    rate, elapsed = seen["throughput_ops_s"], seen["elapsed_s"]
    below = "" if rate is None else f"{rate:.1f} operations a second over {elapsed:.1f} s."
    heads = ("kind/phase", "operations", *quantiles)
    return table("Latency in ms (informational, never gated)", heads, rows, below)


def slices(parts: Sequence[Slice]) -> Table:
    """Return the numbers behind the pictures."""
    rows = [
        (
            word(f"{part.begin_s:.2f} to {part.end_s:.2f}"),
            *(number(part.by_mark[mark]) for mark in Mark),
            percent(part.hit_rate),
            number(part.waits),
            number(part.longest_wait_ms, 1),
            number(median(part.wall_ms), 1),
            number(part.most_bytes),
            word(", ".join(part.faults)),
        )
        for part in parts
    ]
    heads = (
        "seconds",
        *("ok, no lookup", "hit", "miss", "info", "fail", "not right"),
        *("hit rate", "lock waits", "longest ms", "median ms", "cache bytes", "faults"),
    )
    return table("The numbers behind the pictures, slice by slice", heads, rows)
