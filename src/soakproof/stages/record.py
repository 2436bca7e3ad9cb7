"""The stage ``record``: publish a run's evidence, and close the work order that it verifies.

Every file is replaced whole, evidence first, then backlog and session log, the work order last:
killed anywhere, the record says the old or the new, and recording again finishes it.
Recording the same run again changes not a byte.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from soakproof.errors import ConfigError, MissingInput, SoakError
from soakproof.evidence.backlog import close_item
from soakproof.evidence.bundle import MANIFEST, Bundle, interpreters_of, write_bundle
from soakproof.evidence.chain import RunDocuments, load_documents
from soakproof.evidence.closing import Closing, doubt, refusal, verified_commit
from soakproof.evidence.session_log import append_entry
from soakproof.evidence.signing_key import load_signer
from soakproof.evidence.work_order import close_work_order
from soakproof.model import Verdict
from soakproof.places import Places
from soakproof.report.cells import plain
from soakproof.report.markdown import markdown_report
from soakproof.report.published import Published, published
from soakproof.report.session import session_facts
from soakproof.rundir import Project, RunDir, write_bytes

__all__ = ["NOX_REPORT", "RecordResult", "record"]

NOX_REPORT: Final = "SOAKPROOF_NOX_REPORT"
"""Variable with the path of nox's report on the tests, so that skipped interpreters are told."""

_LOCK_DEADLINE_S: Final = 60.0
"""Recording takes far less than a second; who waits longer waits for somebody who hangs."""

_REPORT_NAMES: Final[Mapping[str, str]] = {"ast_cache": "ast_soak_run"}
"""The default campaign's report keeps the name that the source documents give it."""


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What was recorded.

    Args:
        verdict: the run's verdict.
        log_path: the published log.
        metrics_path: the published metrics.
        report_path: the report.
        work_order: the work order's id; ``None``: the campaign names none.
        closed: the work order is closed by this run.
        why_not_closed: in words; empty when it is closed.
        bundle_path: the evidence bundle.
        signed_by: id of the key that signed it; ``None``: it is not signed.
    """

    verdict: Verdict
    log_path: Path
    metrics_path: Path
    report_path: Path
    work_order: str | None
    closed: bool
    why_not_closed: str
    bundle_path: Path
    signed_by: str | None


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the record keeps what of one campaign."""

    logs: Path
    metrics: Path
    report: Path
    order: Path | None

    @property
    def log(self) -> Path:
        return self.logs / "soak_run.log"

    @property
    def verdict(self) -> Path:
        return self.logs / "verdict.json"

    @property
    def anchors(self) -> Path:
        return self.logs / "anchors.json"


def record(project: Project, run: RunDir, *, allow_dirty: bool = False) -> RecordResult:
    """Publish the evidence of a run, and close its work order if it may.

    Args:
        project: the folder with ``_ctx/`` and ``docs/``.
        run: the run; every other stage is done.
        allow_dirty: close the work order although what ran is not a clean commit, and say so.

    Raises:
        MissingInput: a stage's document is not there.
        InvalidDocument: one is not what its schema asks for.
        EvidenceBroken: the documents do not belong together: a hash or a run id differs.
        ConfigError: the work order or the backlog cannot be read.
        SoakError: another record has held the lock for a minute.

    Holds ``_ctx/.lock`` while it writes.
    """
    project.ctx.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(project.ctx / ".lock", timeout=_LOCK_DEADLINE_S):
            return _record(project, run, allow_dirty=allow_dirty)
    except Timeout:
        message = (
            f"{project.relative(project.ctx / '.lock')}: another record has held it for "
            f"{_LOCK_DEADLINE_S:.0f} s; wait for it, or stop it, and record again"
        )
        raise SoakError(message) from None


def _record(project: Project, run: RunDir, *, allow_dirty: bool) -> RecordResult:
    documents = load_documents(run)
    order = documents.plan["campaign"].get("work_order")
    places = _places(project, documents.plan["campaign"]["name"], order)
    why_not = _why_not(project, documents, places, allow_dirty=allow_dirty)
    note = _note(documents, order, why_not)
    drawn = published(run, places.report)
    report = _report(documents, note, drawn.pictures)
    evidence = _publish(project, run, documents, places, report, drawn)
    reports = {"report.md": _report(documents, note, {})}  # the pictures are in the page
    if run.report.exists():
        reports["report.html"] = run.report.read_bytes()
    bundle = _bundle(project, run, documents, reports)
    evidence = (*evidence, project.relative(bundle.path / MANIFEST))
    if places.order is not None and not why_not:
        _close(project, documents, places.order, note, evidence, bundle)
    return RecordResult(
        verdict=Verdict(documents.verdict["verdict"]),
        log_path=places.log,
        metrics_path=places.metrics,
        report_path=places.report,
        work_order=order,
        closed=not why_not,
        why_not_closed=why_not,
        bundle_path=bundle.path,
        signed_by=bundle.signed_by,
    )


def _places(project: Project, campaign: str, order: str | None) -> _Places:
    name = _REPORT_NAMES.get(campaign, campaign)
    folder = order.lower().translate(str.maketrans("-.", "__")) if order else campaign
    return _Places(
        logs=project.ctx / "logs" / folder,
        metrics=project.published_metrics(campaign),
        report=project.root / "docs" / "reports" / f"{name}.md",
        order=project.ctx / "jobs" / f"{order}.yaml" if order else None,
    )


def _why_not(
    project: Project, documents: RunDocuments, places: _Places, *, allow_dirty: bool
) -> str:
    if places.order is None:
        return "the campaign names no work order"
    if not places.order.is_file():
        return f"{project.relative(places.order)} is not there"
    return refusal(documents.run, documents.verdict, allow_dirty=allow_dirty)


def _note(documents: RunDocuments, order: str | None, why_not: str) -> str:
    """Return the sentence on the work order, for the report and the session log."""
    if order is None:
        return ""
    if why_not:
        return f"Work order {order} is not closed by this run: {plain(why_not)}."
    commit, dirty = verified_commit(documents.run)
    caveat = f", DIRTY, on request: {plain(doubt(documents.run))}" if dirty else ""
    return f"Work order {order} is closed at `{commit}`{caveat}."


def _report(documents: RunDocuments, note: str, pictures: Mapping[str, tuple[str, str]]) -> bytes:
    text = markdown_report(
        documents.plan,
        documents.run,
        documents.metrics,
        documents.verdict,
        documents.anchors,
        plan_sha256=documents.plan_sha256,
        note=note,
        pictures=pictures,
    )
    return text.encode()


def _bundle(
    project: Project, run: RunDir, documents: RunDocuments, reports: Mapping[str, bytes]
) -> Bundle:
    """Write the evidence bundle; key and list of interpreters are found by the environment."""
    tested = os.environ.get(NOX_REPORT)
    return write_bundle(
        project,
        run,
        documents,
        reports=reports,
        signer=load_signer(os.environ),
        interpreters=interpreters_of(Path(tested)) if tested else None,
    )


def _publish(
    project: Project,
    run: RunDir,
    documents: RunDocuments,
    places: _Places,
    report: bytes,
    drawn: Published,
) -> tuple[str, ...]:
    """Write log, metrics, verdict, anchors and report; return their paths for the work order."""
    files = {
        places.log: Places.load(run).hide_bytes(_read(run.log, "run")),
        places.metrics: _read(run.metrics, "extract"),
        places.verdict: _read(run.verdict, "gate"),
        places.report: report,
    }
    if documents.anchors is not None:
        files[places.anchors] = _read(run.anchors, "anchors")
    else:
        places.anchors.unlink(missing_ok=True)  # those of an earlier run would be taken for ours
    for path, data in {**files, **drawn.files}.items():
        _replace(path, data)
    for path in drawn.obsolete:
        path.unlink()
    return tuple(project.relative(path) for path in files)


def _close(
    project: Project,
    documents: RunDocuments,
    order: Path,
    note: str,
    evidence: tuple[str, ...],
    bundle: Bundle,
) -> None:
    """Close the work order; nothing is written before all that is to be written is known."""
    commit, dirty = verified_commit(documents.run)
    closing = Closing(
        work_order=documents.plan["campaign"]["work_order"],
        campaign=documents.plan["campaign"]["name"],
        run_id=documents.plan["run_id"],
        commit=commit,
        dirty=dirty,
        closed_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        evidence=evidence,
        manifest_sha256=bundle.manifest_sha256,
    )
    backlog = project.ctx / "backlog" / "backlog.yaml"
    session = project.ctx / "session_trifecta_dope.md"
    facts = session_facts(
        documents.plan,
        documents.run,
        documents.metrics,
        documents.verdict,
        note=note,
        evidence=evidence,
    )
    files: dict[Path, bytes] = {}
    if backlog.is_file():
        where = project.relative(backlog)
        files[backlog] = close_item(where, _text(where, backlog), closing).encode()
    old = session.read_bytes() if session.is_file() else b""
    files[session] = append_entry(old, closing.run_id, facts)
    where = project.relative(order)
    files[order] = close_work_order(where, _text(where, order), closing).encode()
    for path, data in files.items():
        _replace(path, data)


def _text(where: str, path: Path) -> str:
    # Decoded here and not by open(): line ends stay as they are.
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigError(where, f"expected UTF-8, found {problem}") from None


def _read(path: Path, stage: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(path, f"make it with `soakproof {stage}`") from None


def _replace(path: Path, data: bytes) -> None:
    """Put the data there, and leave the file alone when it is there already."""
    if not path.is_file() or path.read_bytes() != data:
        write_bytes(path, data)
