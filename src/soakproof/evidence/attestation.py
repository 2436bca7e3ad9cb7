"""What a run attests, in the field's own form: in-toto Statement v1, test-result v0.1, DSSE.

https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md,
https://github.com/secure-systems-lab/dsse. Pure but for the signature, which is securesystemslib's.
There is no time in it: the same bundle and key give the same bytes (so does Ed25519).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from soakproof.model import Verdict
from soakproof.rundir import as_json
from soakproof.schema import check

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

__all__ = ["PAYLOAD_TYPE", "envelope", "statement"]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

_RESULTS: Final = {
    Verdict.PASS: "PASSED",
    Verdict.FAIL: "FAILED",
    Verdict.UNKNOWN: "WARNED",
}
"""The predicate knows no UNKNOWN; a warning is what is not to be taken for a pass."""


def statement(
    plan: Mapping[str, Any],
    run: Mapping[str, Any],
    verdict: Mapping[str, Any],
    manifest: bytes,
) -> dict[str, Any]:
    """Return the statement of a run.

    Args:
        plan: ``plan.json``.
        run: ``run.json``.
        verdict: ``verdict.json``.
        manifest: the bundle's ``MANIFEST.json``.
    """
    subject = run["subject"]
    files = {"MANIFEST.json": hashlib.sha256(manifest).hexdigest()}
    if subject["wheel_sha256"] is not None:
        wheel = f"{subject['name']}-{subject['version']}.whl"
        files = {wheel: subject["wheel_sha256"], **files}
    tests = {
        name: [one["id"] for one in verdict["criteria"] if one["verdict"] == value]
        for name, value in (
            ("passedTests", Verdict.PASS),
            ("warnedTests", Verdict.UNKNOWN),
            ("failedTests", Verdict.FAIL),
        )
    }
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sha}} for name, sha in files.items()],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": _RESULTS[Verdict(verdict["verdict"])],
            "configuration": _configuration(plan, run),
            **tests,
        },
    }
    check(document, "statement", "the attestation")
    return document


def _configuration(plan: Mapping[str, Any], run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was run, as resource descriptors; sigstore takes no commit as a subject."""
    resources: list[dict[str, Any]] = []
    for part in ("subject", "harness"):
        package = run[part]
        resource: dict[str, Any] = {"name": f"{package['name']} {package['version']}"}
        if package["commit"] is not None:
            resource["digest"] = {"gitCommit": package["commit"]}
        resources.append(resource)
    checkout = {"name": "checkout", "annotations": {"dirty": run["checkout"]["dirty"]}}
    if run["checkout"]["commit"] is not None:
        checkout["digest"] = {"gitCommit": run["checkout"]["commit"]}
    resources.append(checkout)
    for part in ("campaign", "target", "gate"):
        digest = {"sha256": plan[f"{part}_sha256"]}
        resources.append({"name": plan[f"{part}_path"], "digest": digest})
    settings = {name: plan["settings"][name]["value"] for name in ("ops", "duration_s", "seed")}
    schedule = {"sha256": plan["schedule_sha256"]}
    resources.append({"name": "schedule", "digest": schedule, "annotations": settings})
    return resources


def envelope(document: Mapping[str, Any], signer: CryptoSigner | None) -> bytes:
    """Return the DSSE envelope around a statement, unsigned (no signatures) without a signer."""
    payload = as_json(dict(document), compact=True).rstrip(b"\n")
    if signer is None:
        wrapped: dict[str, Any] = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [],
        }
    else:
        from securesystemslib.dsse import Envelope

        signed = Envelope(payload, PAYLOAD_TYPE, {})
        signed.sign(signer)
        wrapped = signed.to_dict()
    check(wrapped, "envelope", "the attestation")
    return as_json(wrapped)
