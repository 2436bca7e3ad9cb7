"""Stage report: what a person reads, from the files of a run. The same run gives the same bytes.

Reads everything; writes ``report.html``, ``report.md``, ``pictures/*.svg`` and ``junit.xml``, and
appends to the file that ``GITHUB_STEP_SUMMARY`` names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from soakproof import schema
from soakproof.lines import BadLine, decode_history, decode_samples, decode_telemetry
from soakproof.report.html.page import Documents, html_report
from soakproof.report.junit import junit_xml
from soakproof.report.markdown import markdown_report, markdown_summary
from soakproof.report.pictures.gallery import Gallery, gallery
from soakproof.report.pictures.storm import Storm
from soakproof.rotation.reading import is_there
from soakproof.rundir import RunDir, write_bytes

__all__ = ["report"]


def report(run_dir: RunDir, environ: Mapping[str, str]) -> dict[str, Path]:
    """Write the reports of a judged run.

    Args:
        run_dir: the run.
        environ: where ``GITHUB_STEP_SUMMARY`` may name a file.

    Returns:
        What → where it is.

    Raises:
        MissingInput: a stage's document is not there.
        InvalidDocument: one is not what its schema asks for.

    Costs a walk over history and telemetry (some seconds for 100,000 operations).
    """
    of = _documents(run_dir)
    storm = _storm(run_dir, of)
    drawn = gallery(storm, of.metrics)
    html = html_report(of, storm, drawn)
    shown = {
        picture.title: (f"pictures/{picture.name}.svg", picture.says) for picture in drawn.pictures
    }
    markdown = markdown_report(
        of.plan,
        of.run,
        of.metrics,
        of.verdict,
        of.anchors,
        plan_sha256=hashlib.sha256(run_dir.plan.read_bytes()).hexdigest(),
        pictures=shown,
    )
    _pictures(run_dir, drawn)
    for path, data in (
        (run_dir.report_markdown, markdown.encode()),
        (run_dir.junit, junit_xml(of.plan["campaign"]["name"], of.verdict)),
        (run_dir.report, html.encode()),
    ):
        write_bytes(path, data)
    if summary := environ.get("GITHUB_STEP_SUMMARY"):
        text = markdown_summary(of.plan, of.run, of.metrics, of.verdict)
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    return {"report": run_dir.report, "markdown": run_dir.report_markdown, "junit": run_dir.junit}


def _documents(run_dir: RunDir) -> Documents:
    stage = f"make it with `soakproof {{}} --run-id {run_dir.run_id}`"
    verdict = schema.load_json(run_dir.verdict, "verdict", hint=stage.format("gate"))
    anchors = run_dir.anchors
    selftest = run_dir.path / "selftest.json"
    return Documents(
        plan=schema.load_json(run_dir.plan, "plan", hint=stage.format("clean")),
        run=schema.load_json(run_dir.run, "run", hint=stage.format("run")),
        metrics=schema.load_json(run_dir.metrics, "metrics", hint=stage.format("extract")),
        verdict=verdict,
        verdict_sha256=hashlib.sha256(run_dir.verdict.read_bytes()).hexdigest(),
        anchors=schema.load_json(anchors, "anchors", hint="") if anchors.exists() else None,
        selftest=json.loads(selftest.read_bytes()) if selftest.exists() else None,
    )


_NO_TELEMETRY: Final[Mapping[str, Any]] = {
    "glob": "",
    "hit": None,
    "miss": None,
    "lock_wait": (),
    "lock_timeout": (),
}
"""Of a subject that tells nothing."""


def _storm(run_dir: RunDir, of: Documents) -> Storm:
    """Fold the raw record; lines that cannot be read are counted by ``extract``, and told there."""
    names: Mapping[str, Any] = of.plan["target"].get("telemetry") or _NO_TELEMETRY
    storm = Storm(names, _not_right(of.metrics))
    for line in decode_history(run_dir.history):
        if not isinstance(line, BadLine):
            storm.add_line(line)
    files = sorted(run_dir.telemetry.glob(names["glob"])) if names["glob"] else ()
    for path in files:
        for event in decode_telemetry(path):
            if not isinstance(event, BadLine) and event.run_id == run_dir.run_id:
                storm.add_event(event)
    if is_there(run_dir.samples):
        for sample in decode_samples(run_dir.samples):
            if not isinstance(sample, BadLine):
                storm.add_sample(sample)
    return storm


def _not_right(metrics: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations whose answers the oracle refused, as far as the metrics name them."""
    findings: Iterable[Any] = (metrics.get("answers") or {}).get("findings") or ()
    return frozenset(
        str(each["op"]) for each in findings if isinstance(each, Mapping) and "op" in each
    )


def _pictures(run_dir: RunDir, drawn: Gallery) -> None:
    """Write the pictures as files, and remove those of an earlier report that are none now."""
    names = {f"{picture.name}.svg" for picture in drawn.pictures}
    for old in run_dir.pictures.glob("*.svg"):
        if old.name not in names:
            old.unlink()
    for picture in drawn.pictures:
        write_bytes(run_dir.pictures / f"{picture.name}.svg", picture.standalone().encode())
