"""The documents of one run, and the chain of hashes that makes them one.

The history names its plan, the metrics name their history, the verdict names its metrics and its
gate: change any of them, and the link after it breaks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soakproof.errors import EvidenceBroken, MissingInput
from soakproof.rotation.reading import stream, stream_sha256
from soakproof.rundir import RunDir
from soakproof.schema import load_json

__all__ = ["RunDocuments", "load_documents"]


@dataclass(frozen=True, slots=True)
class RunDocuments:
    """What the stages left, each accepted by its schema; ``anchors`` may be missing.

    ``plan_sha256`` is the hash of the plan's file, which the history names.
    """

    plan: dict[str, Any]
    run: dict[str, Any]
    metrics: dict[str, Any]
    verdict: dict[str, Any]
    anchors: dict[str, Any] | None
    plan_sha256: str


def load_documents(run: RunDir) -> RunDocuments:
    """Read a run's documents, and verify that they belong together.

    Raises:
        MissingInput: one is not there.
        InvalidDocument: one is not what its schema asks for.
        EvidenceBroken: a hash or a run id differs; names the link and the stage that mends it.

    Costs a hash over the history.
    """
    stage = f"make it with `soakproof {{}} --run-id {run.run_id}`"
    documents = RunDocuments(
        plan=load_json(run.plan, "plan", hint=stage.format("clean")),
        run=load_json(run.run, "run", hint=stage.format("run")),
        metrics=load_json(run.metrics, "metrics", hint=stage.format("extract")),
        verdict=load_json(run.verdict, "verdict", hint=stage.format("gate")),
        anchors=load_json(run.anchors, "anchors", hint="") if run.anchors.exists() else None,
        plan_sha256=_sha256(run.plan),
    )
    _insist_on_one_run(run, documents)
    _insist_on_the_links(run, documents)
    return documents


def _insist_on_one_run(run: RunDir, documents: RunDocuments) -> None:
    for path, document, stage in (
        (run.plan, documents.plan, "clean"),
        (run.run, documents.run, "run"),
        (run.metrics, documents.metrics, "extract"),
        (run.verdict, documents.verdict, "gate"),
        (run.anchors, documents.anchors, "anchors"),
    ):
        if document is not None:
            _insist(path, "run_id", run.run_id, document["run_id"], stage)


def _insist_on_the_links(run: RunDir, documents: RunDocuments) -> None:
    plan, metrics, verdict = documents.plan, documents.metrics, documents.verdict
    history_sha256 = _sha256_of_lines(run.history)
    _insist(run.history, "plan_sha256", documents.plan_sha256, _plan_of(run.history), "clean")
    for path, key, expected, found, stage in (
        (run.metrics, "schedule_sha256", plan["schedule_sha256"], metrics, "extract"),
        (run.metrics, "history_sha256", history_sha256, metrics, "extract"),
        (run.verdict, "metrics_sha256", _sha256(run.metrics), verdict, "gate"),
        (run.verdict, "gate_sha256", plan["gate_sha256"], verdict, "gate"),
    ):
        _insist(path, key, expected, found[key], stage)


def _insist(path: Path, key: str, expected: str, found: object, stage: str) -> None:
    if found != expected:
        message = (
            f"{path}: {key}: expected {expected}, found {found}; "
            f"begin again with `soakproof {stage}`"
        )
        raise EvidenceBroken(message)


def _plan_of(history: Path) -> str | None:
    """Return the hash of the plan that the history says it follows."""
    first = next(stream(history), None)
    try:
        line = json.loads(first[1]) if first else None
    except ValueError:
        return None
    return line.get("plan_sha256") if isinstance(line, dict) else None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise _missing(path) from None


def _sha256_of_lines(path: Path) -> str:
    try:
        return stream_sha256(path)
    except FileNotFoundError:
        raise _missing(path) from None


def _missing(path: Path) -> MissingInput:
    return MissingInput(path, "a run without it cannot be recorded: run it again")
