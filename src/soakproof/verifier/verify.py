"""Verify a bundle: files, chain, metrics, criteria, attestation."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.verifier.attestation import Signature, check_attestation
from soakproof.verifier.counter_example import NOT_CARRIED
from soakproof.verifier.criteria import EXIT_CODES, judge
from soakproof.verifier.differences import differences
from soakproof.verifier.files import MANIFEST, BundleFiles, check_files
from soakproof.verifier.findings import Finding, Unreadable
from soakproof.verifier.groups import GROUPS, HEAD, recompute
from soakproof.verifier.history import History, Walk, read_history
from soakproof.verifier.library import THE_WORDS, LibraryHistory, LibraryRaw, read_library
from soakproof.verifier.raw import Raw, oracle_findings, read_oracle, read_samples
from soakproof.verifier.rules import check_rules
from soakproof.verifier.telemetry import read_telemetry
from soakproof.verifier.told import comparable

__all__ = ["BROKEN", "Verified", "verify_bundle"]

BROKEN: Final = 12
"""Exit code: the evidence is broken."""

_MANIFEST_FIELDS: Final = frozenset(
    {"schema_version", "run_id", "campaign", "verdict", "history", "interpreters", "files"}
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it.

    Args:
        run_id: the run, where it can be told.
        verdict: what the record says; ``None``: it cannot be told.
        findings: everything that does not hold; empty: all of it does.
        signature: who signed.
        files: files in the folder.
        lines: lines in the history's chain.
        groups: groups of the metrics that were recomputed.
        criteria: criteria that were judged again.
        left_out: what of the metrics could not be held to anything.
    """

    run_id: str | None
    verdict: str | None
    findings: tuple[Finding, ...]
    signature: Signature
    files: int
    lines: int
    groups: tuple[str, ...]
    criteria: int
    left_out: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """12 where anything is broken, else the code of the verdict."""
        if self.findings or self.verdict is None:
            return BROKEN
        return EXIT_CODES.get(self.verdict, BROKEN)


def verify_bundle(folder: Path, key: Path | None = None) -> Verified:
    """Check a bundle from its raw lines upwards.

    Args:
        folder: the bundle.
        key: a public key (PEM); the bundle must then be signed with it.

    Everything that does not hold is reported, not only the first. Reads only. Keeps one record an
    operation in memory.
    """
    return _Verification(BundleFiles(folder), key).go()


class _Verification:
    """One verification under way; each step adds to the findings, and none stops the others."""

    def __init__(self, bundle: BundleFiles, key: Path | None) -> None:
        self._bundle = bundle
        self._key = key
        self._findings: list[Finding] = []
        self._signature = Signature(None, trusted=False)
        self._raw: Raw | LibraryRaw | None = None
        self._metrics: dict[str, Any] | None = None
        self._lines = 0
        self._criteria = 0
        self._groups: list[str] = []
        self._left_out: tuple[str, ...] = ()

    def go(self) -> Verified:
        """Take all steps."""
        steps = (
            (MANIFEST, self._files),
            ("plan.json", self._links),
            ("history.jsonl", self._recount),
            ("metrics.json", self._compare_metrics),
            ("verdict.json", self._compare_verdict),
            ("attestation.dsse.json", self._attestation),
        )
        for file, step in steps:
            self._guarded(file, step)
        # A step that could not be taken says so in every step after it: once is enough.
        findings = tuple(dict.fromkeys(self._findings))
        return Verified(
            run_id=self._told(MANIFEST, "run_id"),
            verdict=self._told("verdict.json", "verdict"),
            findings=findings,
            signature=self._signature,
            files=len(self._bundle.names()),
            lines=self._lines,
            groups=tuple(self._groups),
            criteria=self._criteria,
            left_out=self._left_out,
        )

    def _guarded(self, file: str, step: Callable[[], Iterator[Finding]]) -> None:
        try:
            self._findings += step()
        except Unreadable as problem:
            self._findings.append(problem.finding)
        except Exception as problem:  # noqa: BLE001 - whatever a forged file holds is a finding
            said = f"it is not what it has to be ({type(problem).__name__}: {problem})"
            self._findings.append(Finding(file, "", said))

    def _told(self, file: str, key: str) -> str | None:
        try:
            value = self._bundle.document(file).get(key)
        except Unreadable:
            return None
        return value if isinstance(value, str) else None

    def _files(self) -> Iterator[Finding]:
        for field in sorted(set(self._bundle.document(MANIFEST)) ^ _MANIFEST_FIELDS):
            yield Finding(MANIFEST, field, "expected the fields of schemas/manifest.schema.json")
        yield from check_files(self._bundle)

    def _links(self) -> Iterator[Finding]:
        """Hold every document to one run, and every hash in a document to its file."""
        bundle, plan = self._bundle, self._bundle.document("plan.json")
        for name in (MANIFEST, "run.json", "metrics.json", "verdict.json", "anchors.json"):
            if name != "anchors.json" or bundle.stored(name):
                yield from _equal(
                    name, "run_id", plan["run_id"], bundle.document(name).get("run_id")
                )
        verdict, manifest = bundle.document("verdict.json"), bundle.document(MANIFEST)
        gate_sha256 = hashlib.sha256(bundle.raw("gate.toml")).hexdigest()
        yield from _equal("plan.json", "gate_sha256", gate_sha256, plan["gate_sha256"])
        yield from _equal("verdict.json", "gate_sha256", gate_sha256, verdict["gate_sha256"])
        metrics_sha256 = hashlib.sha256(bundle.raw("metrics.json")).hexdigest()
        yield from _equal(
            "verdict.json", "metrics_sha256", metrics_sha256, verdict["metrics_sha256"]
        )
        yield from _equal(MANIFEST, "verdict", verdict["verdict"], manifest.get("verdict"))
        yield from _equal(MANIFEST, "campaign", plan["campaign"]["name"], manifest.get("campaign"))

    def _recount(self) -> Iterator[Finding]:
        bundle, plan = self._bundle, self._bundle.document("plan.json")
        stored = bundle.stored("history.jsonl")
        if stored is None:
            raise Unreadable("history.jsonl", "", "expected the history, found none")
        history: History | LibraryHistory
        walk: Walk
        if "worker" in plan["target"]:
            history, walk = read_library(bundle, stored, plan, bundle.document("metrics.json"))
        else:
            history, walk = read_history(bundle, stored, plan["run_id"])
        self._lines = walk.lines
        said = bundle.document(MANIFEST)["history"]
        chain = {"path": stored, "lines": walk.lines, "chain_head": walk.head}
        for field, problem in differences(chain, said, "history"):
            yield Finding(MANIFEST, field, problem)
        plan_sha256 = hashlib.sha256(bundle.raw("plan.json")).hexdigest()
        if history.plan_sha256 != plan_sha256:
            problem = f"the history follows plan {history.plan_sha256}, this is {plan_sha256}"
            yield Finding("plan.json", "", problem)
        if isinstance(history, LibraryHistory):
            said_then = bundle.document("metrics.json")
            self._raw = LibraryRaw(plan, history, list(read_samples(bundle)), said_then)
            return
        telemetry = read_telemetry(bundle, bundle.names(), plan, history)
        oracle = read_oracle(bundle)
        yield from oracle_findings(oracle, history)
        samples = list(read_samples(bundle))
        self._raw = Raw(bundle, plan, history, telemetry, samples, oracle)
        yield from check_rules(self._raw)

    def _compare_metrics(self) -> Iterator[Finding]:
        if self._raw is None:
            return
        said, plan = self._bundle.document("metrics.json"), self._raw.plan
        again: dict[str, Any] = {
            "schema_version": 1,
            "run_id": plan["run_id"],
            "campaign": plan["campaign"]["name"],
            "seed": plan["settings"]["seed"]["value"],
            "schedule_sha256": plan["schedule_sha256"],
            "history_sha256": self._raw.history.sha256,
        }
        for name in sorted(set(said) - {*GROUPS, *HEAD}):
            yield Finding("metrics.json", name, "this verifier does not know how to recompute it")
        for name in GROUPS:
            again[name] = recompute(self._raw, name)
            self._groups.append(name)
        self._metrics = again
        found, texts = comparable({name: said[name] for name in said if name in again}, again)
        self._left_out = () if texts else (NOT_CARRIED,)
        if isinstance(self._raw, LibraryRaw) and again["answers"]["first"] is not None:
            self._left_out = (THE_WORDS,)
        for field, problem in differences(again, found):
            yield Finding("metrics.json", field, problem)

    def _compare_verdict(self) -> Iterator[Finding]:
        if self._metrics is None:
            return
        said, gate = self._bundle.document("verdict.json"), self._gate()
        rows = judge(gate, self._metrics)
        self._criteria = len(rows)
        verdicts = {row["verdict"] for row in rows}
        verdict = next(one for one in ("FAIL", "UNKNOWN", "PASS") if one in verdicts)
        again = {
            "schema_version": 1,
            "run_id": self._metrics["run_id"],
            "verdict": verdict,
            "exit_code": EXIT_CODES[verdict],
            "gate": gate["name"],
            "gate_sha256": hashlib.sha256(self._bundle.raw("gate.toml")).hexdigest(),
            "metrics_sha256": hashlib.sha256(self._bundle.raw("metrics.json")).hexdigest(),
            "criteria": rows,
        }
        for field, problem in differences(again, said):
            yield Finding("verdict.json", _named(field, rows), problem)

    def _gate(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._bundle.raw("gate.toml").decode())
        except ValueError as problem:
            raise Unreadable("gate.toml", "", f"expected TOML: {problem}") from None

    def _attestation(self) -> Iterator[Finding]:
        self._signature, findings = check_attestation(self._bundle, self._key)
        yield from findings


def _equal(file: str, where: str, expected: object, found: object) -> Iterator[Finding]:
    if expected != found:
        yield Finding(file, where, f"expected {expected}, found {found}")


def _named(field: str, rows: list[dict[str, Any]]) -> str:
    """Return ``criteria[3].observed`` with the criterion's name in place of its number."""
    if not field.startswith("criteria["):
        return field
    number, _, rest = field.removeprefix("criteria[").partition("]")
    name = rows[int(number)]["id"] if int(number) < len(rows) else number
    return f"criteria.{name}{rest}"
