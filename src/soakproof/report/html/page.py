"""The page: documents and pictures in, one HTML file out; pure, no clock, the same bytes."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soakproof.model import Verdict
from soakproof.report.evidence_sections import limits
from soakproof.report.html import proof, tables
from soakproof.report.html.render import render
from soakproof.report.pictures.frame import style
from soakproof.report.pictures.gallery import Gallery
from soakproof.report.pictures.storm import Storm

__all__ = ["Documents", "html_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """What a report is made of.

    Args:
        plan: ``plan.json``.
        run: ``run.json``.
        metrics: ``metrics.json``.
        verdict: ``verdict.json``.
        verdict_sha256: the SHA-256 of that file: it ties the page to the verdict.
        anchors: ``anchors.json``; ``None``: the stage was not run.
        selftest: the selftest's score; ``None``: not known.
    """

    plan: Mapping[str, Any]
    run: Mapping[str, Any]
    metrics: Mapping[str, Any]
    verdict: Mapping[str, Any]
    verdict_sha256: str
    anchors: Mapping[str, Any] | None = None
    selftest: Mapping[str, Any] | None = None


def html_report(of: Documents, storm: Storm, drawn: Gallery) -> str:
    """Return the page.

    Args:
        of: the documents.
        storm: what the history was folded into: it knows the errors.
        drawn: the pictures.

    Costs the import of jinja2 and a few milliseconds.
    """
    from markupsafe import Markup

    return render(
        "report.html.j2",
        css=style(),
        of=of,
        top=_top(of),
        example=counter_example(of.metrics, storm),
        pictures=[(picture, Markup(picture.inline())) for picture in drawn.pictures],  # noqa: S704 - ours, escaped where it was drawn
        tables=_tables(of, storm, drawn),
        verify=proof.verify_lines(
            of.plan["run_id"], in_parts=of.run.get("parts", {}).get("sealed", 0) > 0
        ),
        limits=[line.removeprefix("- ") for line in limits(of.plan, of.metrics)],
    )


def counter_example(metrics: Mapping[str, Any], storm: Storm) -> str:
    """Return the first counter-example in words: of a wrong answer, else of a failed operation."""
    answers = metrics["answers"]
    if answers["oracle"] not in {
        "asked",
        "model",
    }:  # an operation without an answer may have been right to refuse
        return storm.failures.first_words
    first = answers["first"]
    if not first:
        return ""
    return (
        f"{first['words']} It printed {first['got']!r}; right would have been "
        f"{first['expected']!r}. To repeat it: {first['replay']}"
    )


def _top(of: Documents) -> dict[str, Any]:
    criteria, ops = of.verdict["criteria"], of.metrics["ops"]
    tally = Counter(criterion["verdict"] for criterion in criteria)
    settings = of.plan["settings"]
    return {
        "said": ", ".join(f"{tally[each]} {each}" for each in Verdict if tally[each]),
        "replay": shlex.join(of.plan["replay_argv"]),
        "facts": (
            ("operations", f"{ops['ops_total']:,}"),
            ("without an answer", f"{ops['fail'] + ops['info']:,}"),
            ("workers", settings["workers"]["value"]),
            ("seed", of.metrics["seed"]),
            ("lock waits", _waits(of.metrics["locks"]["lock_wait"])),
            ("faults that took effect", _effects(of.metrics)),
        ),
    }


def _waits(count: int | None) -> str:
    return "not told" if count is None else f"{count:,}"


def _effects(metrics: Mapping[str, Any]) -> str:
    kinds = metrics["faults"]["by_kind"].values()
    planned = sum(each["planned"] for each in kinds)
    return f"{sum(each['took_effect'] for each in kinds):,} of {planned:,}"


def _tables(of: Documents, storm: Storm, drawn: Gallery) -> dict[str, Any]:
    return {
        "gate": tables.gate(of.verdict),
        "faults": tables.faults(of.metrics),
        "ledger": tables.ledger(of.metrics),
        "selftest": proof.selftest(of.selftest),
        "slices": tables.slices(drawn.parts),
        "operations": tables.operations(of.metrics),
        "answers": tables.answers(of.metrics),
        "errors": tables.errors(storm.failures),
        "hit_rates": tables.hit_rates(of.metrics),
        "telemetry": tables.telemetry(of.metrics),
        "latency": tables.latency(of.metrics),
        "environment": proof.environment(of.run),
        "packages": proof.packages(of.run),
        "settings": proof.settings(of.plan),
        "anchors": proof.anchors(of.anchors),
        "hashes": proof.hashes(of.plan, of.metrics, of.verdict, of.verdict_sha256),
    }
