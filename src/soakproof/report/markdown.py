"""The report of one run as Markdown.

Pure: documents in, text out, no clock; the same documents give the same bytes.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Any

from soakproof.model import Verdict
from soakproof.report import answer_sections as answer
from soakproof.report import evidence_sections as evidence
from soakproof.report import metric_sections as metric
from soakproof.report.cells import code, plain, table, value

__all__ = ["markdown_report", "markdown_summary"]


def markdown_report(  # noqa: PLR0913 - one argument a document
    plan: Mapping[str, Any],
    run: Mapping[str, Any],
    metrics: Mapping[str, Any],
    verdict: Mapping[str, Any],
    anchors: Mapping[str, Any] | None = None,
    *,
    plan_sha256: str,
    note: str = "",
    pictures: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """Return the report; it begins with the verdict and how to replay the run.

    Args:
        plan: ``plan.json``.
        run: ``run.json``.
        metrics: ``metrics.json``.
        verdict: ``verdict.json``.
        anchors: ``anchors.json``; ``None``: the stage was not run.
        plan_sha256: SHA-256 of the plan's file, which no document but the history carries.
        note: a sentence on the work order, for the top, as Markdown.
        pictures: title → (path relative to the report, what it shows); ``None``: none were drawn.
    """
    sections = {
        "Gate": _gate(verdict),
        "Why it is not PASS": _reasons(verdict),
        "The first counter-example": answer.counter_example(metrics),
        "What the target promises": evidence.contract(plan),
        "Answers against the oracle": answer.answers(metrics),
        "Pictures": _pictures(pictures or {}),
        "Cold against warm": metric.cache(metrics),
        "Lock contention": metric.locks(metrics),
        "Integrity": metric.integrity(metrics),
        "Growth": metric.growth(metrics),
        "Operations": metric.operations(metrics),
        "Telemetry against the ledger": metric.telemetry(metrics),
        "Anchors in the subject's source": evidence.anchors(anchors),
        "Latency (informational, never gated)": metric.latency(metrics),
        "Environment": evidence.environment(run),
        "What ran": evidence.packages(run),
        "Settings": evidence.settings(plan),
        "Hashes": evidence.hashes(plan_sha256, plan, metrics, verdict),
        "What this does not prove": evidence.limits(plan, metrics),
    }
    lines = _top(plan, run, verdict, note)
    for title, body in sections.items():
        if body:
            lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def markdown_summary(
    plan: Mapping[str, Any],
    run: Mapping[str, Any],
    metrics: Mapping[str, Any],
    verdict: Mapping[str, Any],
) -> str:
    """Return the short of it, for a summary page: verdict, replay, criteria, faults."""
    lines = [*_top(plan, run, verdict, ""), "", *_gate(verdict)]
    if reasons := _reasons(verdict):
        lines += ["", *reasons]
    kinds = sorted(metrics["faults"]["by_kind"].items())
    counts = ("planned", "fired", "took_effect", "healed", "skipped")
    rows = ((code(kind), *(each[count] for count in counts)) for kind, each in kinds)
    heads = ("fault", "planned", "fired", "took effect", "healed", "skipped")
    return "\n".join([*lines, "", *table(heads, rows), "", ""])


def _top(
    plan: Mapping[str, Any], run: Mapping[str, Any], verdict: Mapping[str, Any], note: str
) -> list[str]:
    tally = Counter(criterion["verdict"] for criterion in verdict["criteria"])
    said = ", ".join(f"{tally[each]} {each}" for each in Verdict)
    lines = [
        f"# {verdict['verdict']}: {plain(plan['campaign']['name'])}, run {plain(run['run_id'])}",
        "",
        "```sh",
        shlex.join(plan["replay_argv"]),
        "```",
        "",
        plain(plan["campaign"]["description"]),
        f"{len(verdict['criteria'])} criteria: {said}.",
        (
            f"The run began at {run['started_at_utc']}, ended at {run['ended_at_utc']} "
            f"and was {run['state']}."
        ),
    ]
    return [*lines, note] if note else lines


def _gate(verdict: Mapping[str, Any]) -> list[str]:
    heads = ("verdict", "criterion", "rule", "observed", "limit", "samples", "floor", "why")
    rows = (
        (
            each["verdict"],
            code(each["id"]),
            code(each["rule"]),
            value(each["observed"]),
            value(each["limit"]),
            value(each["samples"]),
            value(each["floor"]),
            plain(each["why"]),
        )
        for each in verdict["criteria"]
    )
    return [
        f"Gate {code(verdict['gate'])}. With fewer samples than its floor a criterion is UNKNOWN.",
        "",
        *table(heads, rows),
    ]


def _reasons(verdict: Mapping[str, Any]) -> list[str]:
    return [
        f"- {each['verdict']} {code(each['id'])}: {plain(each['reason'])}"
        for each in verdict["criteria"]
        if each["verdict"] != Verdict.PASS
    ]


def _pictures(pictures: Mapping[str, tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for title, (path, says) in pictures.items():
        lines += [f"### {plain(title)}", "", f"![{_alternative(says)}]({path})", ""]
    return lines[:-1]


def _alternative(says: str) -> str:
    """Return a text that may stand in the brackets of an image."""
    return plain(says).replace("[", "(").replace("]", ")")
