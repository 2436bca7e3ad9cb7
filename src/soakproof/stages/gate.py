"""Stage gate: from validated metrics to a verdict. The same metrics and gate give the same bytes.

Reads ``metrics.json`` only after the schema accepted it, and the gate file; writes ``verdict.json``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from soakproof import schema
from soakproof.checks.criteria import judge_all
from soakproof.errors import ConfigError
from soakproof.model import EXIT_CODES, SCHEMA_VERSION, CriterionResult, compose
from soakproof.rundir import RunDir, write_json

__all__ = ["gate", "judge_file"]


def gate(run_dir: RunDir, gate_path: Path | None = None) -> dict[str, Any]:
    """Judge a run and write its ``verdict.json``.

    Args:
        run_dir: the run.
        gate_path: other criteria than those that were planned with the run. A verdict by other
            criteria is written beside the run's own, as ``verdict.<gate name>.json``.

    Returns:
        The verdict document.

    Raises:
        MissingInput: no metrics, or no gate.
        InvalidDocument: the metrics are not what their schema says.
        ConfigError: the gate file is wrong, or asks for an informational field.
    """
    verdict = judge_file(run_dir.metrics, gate_path or run_dir.gate)
    name = "verdict.json" if gate_path is None else f"verdict.{verdict['gate']}.json"
    write_json(run_dir.path / name, verdict)
    return verdict


def judge_file(metrics_path: Path, gate_path: Path) -> dict[str, Any]:
    """Judge a metrics file by a gate file; writes nothing. Raises as :func:`gate`."""
    criteria = schema.load_toml(gate_path, "gate", hint="give --gate FILE")
    _refuse_twins(gate_path, criteria)
    hint = "make it with `soakproof extract`"
    metrics = schema.load_json(metrics_path, "metrics", hint=hint)
    results = judge_all(criteria, metrics)
    verdict = compose(result.verdict for result in results)
    document = {
        "schema_version": SCHEMA_VERSION,
        "run_id": metrics["run_id"],
        "verdict": verdict.value,
        "exit_code": EXIT_CODES[verdict],
        "gate": criteria["name"],
        "gate_sha256": hashlib.sha256(gate_path.read_bytes()).hexdigest(),
        "metrics_sha256": hashlib.sha256(metrics_path.read_bytes()).hexdigest(),
        "criteria": [_row(result) for result in results],
    }
    schema.check(document, "verdict", "the verdict")
    return document


def _refuse_twins(path: Path, criteria: dict[str, Any]) -> None:
    names = [criterion["id"] for criterion in criteria["criteria"]]
    for at, name in enumerate(names):
        if name in names[:at]:
            problem = f"expected each id once, found {name!r} again"
            raise ConfigError(path, problem, key=f"criteria[{at}].id")


def _row(result: CriterionResult) -> dict[str, Any]:
    return {
        "id": result.criterion,
        "rule": result.rule,
        "observed": result.observed,
        "limit": result.limit,
        "samples": result.samples,
        "floor": result.floor,
        "needs_faults": list(result.needs_faults),
        "verdict": result.verdict.value,
        "reason": result.reason,
        "why": result.why,
    }
