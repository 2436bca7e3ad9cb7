"""The stage ``workorder``: where the work orders stand, and whether their evidence still verifies.

Reads ``_ctx/jobs/`` and the bundles; writes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.errors import MissingInput
from soakproof.evidence.yaml_text import read_mapping
from soakproof.rundir import Project
from soakproof.schema import check
from soakproof.verifier.verify import BROKEN, verify_bundle

__all__ = ["OrderState", "order_lines", "orders_document", "orders_exit_code", "status"]

_SHOWN_FINDINGS: Final = 3


@dataclass(frozen=True, slots=True)
class OrderState:
    """Where one work order stands.

    Args:
        id: the work order.
        title: what it is.
        status: pending, running, done or failed.
        run_id: the run that closed it; ``None``: none did.
        verified_at_sha: the commit that was verified.
        evidence: ``verified``, ``broken`` or ``none`` (it is not closed).
        problems: what is broken, in words.
    """

    id: str
    title: str
    status: str
    run_id: str | None
    verified_at_sha: str | None
    evidence: str
    problems: tuple[str, ...]


def status(project: Project, order_id: str | None, key: Path | None = None) -> list[OrderState]:
    """Return where work orders stand.

    Args:
        project: the project.
        order_id: only this one.
        key: a public key (PEM) that must have signed the evidence.

    Raises:
        MissingInput: there is no such work order.
        ConfigError: one is no YAML mapping.
        InvalidDocument: one is not what its schema asks for.

    Verifies the bundle of every closed work order: costs a reading of all its lines.
    """
    jobs = project.ctx / "jobs"
    paths = [jobs / f"{order_id}.yaml"] if order_id else sorted(jobs.glob("*.yaml"))
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise MissingInput(project.relative(missing), "name a work order of _ctx/jobs/")
    return [_state(project, path, key) for path in paths]


def orders_exit_code(states: list[OrderState]) -> int:
    """Return 12 where the evidence of a closed work order is broken, else 0."""
    return BROKEN if any(state.evidence == "broken" for state in states) else 0


def orders_document(states: list[OrderState]) -> dict[str, Any]:
    """Return the result for machines."""
    rows = [asdict(state) | {"problems": list(state.problems)} for state in states]
    return {"exit_code": orders_exit_code(states), "work_orders": rows}


def order_lines(states: list[OrderState]) -> list[str]:
    """Return the result for people."""
    lines = []
    for state in states:
        run = f"run {state.run_id}, evidence {state.evidence}" if state.run_id else "no run"
        lines.append(f"{state.id}  {state.status}  {run}  ({state.title})")
        lines += [f"  {problem}" for problem in state.problems]
    return lines or ["no work orders in _ctx/jobs/"]


def _state(project: Project, path: Path, key: Path | None) -> OrderState:
    where = project.relative(path)
    order = read_mapping(where, path.read_bytes().decode("utf-8", "replace"))
    check(order, "work-order", where)
    run_id = order["run_ids"][-1] if order.get("run_ids") else None
    problems: tuple[str, ...] = ()
    evidence = "none"
    if order["status"] == "done":
        problems = tuple(_problems(project, order, run_id, key))
        evidence = "broken" if problems else "verified"
    return OrderState(
        id=order["id"],
        title=order["title"],
        status=order["status"],
        run_id=run_id,
        verified_at_sha=order.get("verified_at_sha"),
        evidence=evidence,
        problems=problems,
    )


def _problems(
    project: Project, order: dict[str, Any], run_id: str | None, key: Path | None
) -> Iterator[str]:
    for name in order["evidence_logs"]:
        if not (project.root / name).is_file():
            yield f"{name}: it is evidence, and is not there"
    bundle = project.evidence / (run_id or "?")
    if not bundle.is_dir():
        yield f"{project.relative(bundle)}: expected the evidence of the run, found none"
        return
    verified = verify_bundle(bundle, key)
    more = len(verified.findings) - _SHOWN_FINDINGS
    yield from (str(finding) for finding in verified.findings[:_SHOWN_FINDINGS])
    if more > 0:
        yield f"and {more} more: `soakproof verify {run_id}`"
    if verified.findings:
        return
    if verified.verdict != "PASS":
        yield f"the evidence says {verified.verdict}, and only a PASS closes a work order"
    yield from _not_the_one(bundle, order)


def _not_the_one(bundle: Path, order: dict[str, Any]) -> Iterator[str]:
    """Yield why a bundle, sound in itself, is not the one that closed the work order."""
    manifest = hashlib.sha256((bundle / "MANIFEST.json").read_bytes()).hexdigest()
    wanted = order.get("manifest_sha256")
    if wanted is not None and manifest != wanted:
        yield f"manifest_sha256: expected {wanted}, found {manifest}: it is other evidence"
    run = json.loads((bundle / "run.json").read_bytes())
    commit = run["checkout" if order.get("dirty") else "subject"]["commit"]
    if commit != order["verified_at_sha"]:
        yield f"verified_at_sha: expected {order['verified_at_sha']}, the evidence is of {commit}"
