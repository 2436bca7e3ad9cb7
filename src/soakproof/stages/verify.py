"""The stage ``verify``: have a bundle checked by the independent verifier, and say what it means.

Reads the bundle; writes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from soakproof.errors import MissingInput
from soakproof.rundir import Project
from soakproof.verifier.verify import Verified, verify_bundle

__all__ = ["LIMITS", "find_bundle", "verified_document", "verified_lines", "verify"]

LIMITS: Final = (
    "that the processes ran as the history tells: it is what the harness saw, and the harness "
    "could have been changed (its commit is in run.json, the wheel's hash in the attestation)",
    "that the schedule is the one the seed gives: replay it to see",
    "that the subject's telemetry is true: it is only held against the history",
    "that the oracle's answers are those of the tool without its cache: ask it again to see",
    "what is told in prose or pictures: report, log and anchors are hashed, not recomputed",
    "anything about inputs, faults and machines that were not part of this run",
)
"""What a verified bundle does not prove, whoever signed it."""

_UNSIGNED: Final = (
    "who made it: it is not signed, so whoever can write the folder could have made all of it"
)
_UNTRUSTED: Final = (
    "who made it: it is signed, but by whom only a key from elsewhere can tell; "
    "give --public-key PUB.pem"
)


def find_bundle(project: Project, given: str) -> Path:
    """Return the bundle of a folder, or of a run's id.

    Raises:
        MissingInput: there is none.
    """
    for folder in (Path(given), project.evidence / given):
        if folder.is_dir():
            return folder
    hint = "expected the folder of a bundle, or a run's id; make one with `soakproof record`"
    raise MissingInput(given, hint)


def verify(bundle: Path, key: Path | None = None) -> Verified:
    """Verify a bundle.

    Args:
        bundle: its folder.
        key: a public key, PEM; the bundle must then be signed with it.

    Raises:
        MissingInput: there is no such key.
    """
    if key is not None and not key.is_file():
        raise MissingInput(key, "expected a public key, PEM; see docs/reference/evidence.md")
    return verify_bundle(bundle, key)


def verified_document(verified: Verified) -> dict[str, Any]:
    """Return the result for machines."""
    return {
        "run_id": verified.run_id,
        "verdict": verified.verdict,
        "exit_code": verified.exit_code,
        "verified": not verified.findings,
        "findings": [
            {"file": one.file, "where": one.where, "problem": one.problem}
            for one in verified.findings
        ],
        "signed_by": verified.signature.keyid,
        "signer_trusted": verified.signature.trusted,
        "files": verified.files,
        "history_lines": verified.lines,
        "metric_groups": list(verified.groups),
        "criteria": verified.criteria,
        "not_proved": list(_not_proved(verified)),
    }


def verified_lines(verified: Verified) -> list[str]:
    """Return the result for people."""
    if verified.findings:
        head = f"BROKEN  run {verified.run_id or '?'}: {len(verified.findings)} findings"
        return [*(f"  {one}" for one in verified.findings), "", head]
    return [
        f"files       {verified.files}, each as the manifest says",
        f"history     {verified.lines} lines in one chain",
        f"metrics     recomputed: {', '.join(verified.groups)}",
        f"criteria    {verified.criteria}, judged again",
        f"signature   {_signed(verified)}",
        "",
        "It does not prove:",
        *(f"- {limit}" for limit in _not_proved(verified)),
        "",
        f"VERIFIED {verified.verdict}  run {verified.run_id}",
    ]


def _signed(verified: Verified) -> str:
    signature = verified.signature
    if signature.keyid is None:
        return "none: it is not signed"
    with_whose = "with the key given" if signature.trusted else "with the bundle's own public key"
    return f"verified {with_whose}, {signature.keyid}"


def _not_proved(verified: Verified) -> tuple[str, ...]:
    limits = (*LIMITS, *verified.left_out)
    if verified.signature.trusted:
        return limits
    return (_UNTRUSTED if verified.signature.keyid else _UNSIGNED, *limits)
