"""Check the attestation: what it says against the bundle, and its signature.

securesystemslib verifies the signature and is imported where it is used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.verifier.differences import differences
from soakproof.verifier.files import ATTESTATION, MANIFEST, SIGNER, BundleFiles
from soakproof.verifier.findings import Finding, Unreadable

__all__ = ["Signature", "check_attestation"]

_TYPE: Final = "application/vnd.in-toto+json"
_RESULT: Final = {"PASS": "PASSED", "FAIL": "FAILED", "UNKNOWN": "WARNED"}
_TESTS: Final = {"passedTests": "PASS", "warnedTests": "UNKNOWN", "failedTests": "FAIL"}


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed.

    Args:
        keyid: the key's id; ``None``: nobody signed.
        trusted: the signature was verified with a key that the caller gave, not merely with the
            one that lies in the bundle.
    """

    keyid: str | None
    trusted: bool


def check_attestation(bundle: BundleFiles, key: Path | None) -> tuple[Signature, list[Finding]]:
    """Compare the statement with the bundle, then verify the signature.

    Args:
        bundle: the bundle.
        key: a public key, PEM; a signature is then required.
    """
    document = bundle.document(ATTESTATION)
    payload = _payload(document)
    findings = [
        Finding(ATTESTATION, f"payload.{field}", problem)
        for field, problem in differences(_expected(bundle), json.loads(payload))
    ]
    signatures = document["signatures"]
    if not signatures:
        if key is not None:
            problem = "expected a signature, because a key was given; it is not signed"
            findings.append(Finding(ATTESTATION, "signatures", problem))
        if bundle.stored(SIGNER):
            problem = "expected a signature, because the bundle names a signer; there is none"
            findings.append(Finding(ATTESTATION, "signatures", problem))
        return Signature(None, trusted=False), findings
    findings += _check_signature(bundle, document, payload, key)
    keyid = signatures[0]["keyid"]
    return Signature(keyid, trusted=key is not None and not findings), findings


def _payload(document: dict[str, Any]) -> bytes:
    if sorted(document) != ["payload", "payloadType", "signatures"]:
        raise Unreadable(ATTESTATION, "", "expected payload, payloadType and signatures")
    if document["payloadType"] != _TYPE:
        problem = f"expected {_TYPE}, found {document['payloadType']!r}"
        raise Unreadable(ATTESTATION, "payloadType", problem)
    payload = _decoded(document["payload"], "payload")
    try:
        statement = json.loads(payload)
        text = json.dumps(statement, ensure_ascii=False, separators=(",", ":"))
    except ValueError as problem:
        raise Unreadable(ATTESTATION, "payload", f"expected JSON: {problem}") from None
    if text.encode() != payload:
        raise Unreadable(ATTESTATION, "payload", "expected JSON in soakproof's own layout")
    return payload


def _decoded(text: str, where: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Unreadable(ATTESTATION, where, f"expected base64: {problem}") from None
    if base64.b64encode(data).decode() != text:
        raise Unreadable(ATTESTATION, where, "expected base64 without stray bits")
    return data


def _expected(bundle: BundleFiles) -> dict[str, Any]:
    """Return the statement that this bundle has to carry."""
    plan, run = bundle.document("plan.json"), bundle.document("run.json")
    verdict = bundle.document("verdict.json")
    manifest = hashlib.sha256(bundle.raw(MANIFEST)).hexdigest()
    subject, checkout = run["subject"], run["checkout"]
    subjects = [{"name": MANIFEST, "digest": {"sha256": manifest}}]
    if subject["wheel_sha256"]:
        wheel = {"sha256": subject["wheel_sha256"]}
        name = f"{subject['name']}-{subject['version']}.whl"
        subjects.insert(0, {"name": name, "digest": wheel})
    packages = [run["subject"], run["harness"]]
    configuration = [
        *(_of_commit(f"{one['name']} {one['version']}", one["commit"]) for one in packages),
        {
            **_of_commit("checkout", checkout["commit"]),
            "annotations": {"dirty": checkout["dirty"]},
        },
        *(
            {"name": plan[f"{part}_path"], "digest": {"sha256": plan[f"{part}_sha256"]}}
            for part in ("campaign", "target", "gate")
        ),
        {
            "name": "schedule",
            "digest": {"sha256": plan["schedule_sha256"]},
            "annotations": {
                name: plan["settings"][name]["value"] for name in ("ops", "duration_s", "seed")
            },
        },
    ]
    rows = verdict["criteria"]
    tests = {
        name: [row["id"] for row in rows if row["verdict"] == wanted]
        for name, wanted in _TESTS.items()
    }
    result = _RESULT.get(verdict["verdict"])
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {"result": result, "configuration": configuration, **tests},
    }


def _of_commit(name: str, commit: str | None) -> dict[str, Any]:
    return {"name": name, **({"digest": {"gitCommit": commit}} if commit else {})}


def _check_signature(
    bundle: BundleFiles, document: dict[str, Any], payload: bytes, key: Path | None
) -> Iterator[Finding]:
    """Verify with the bundle's own public key, and with the caller's where one is given."""
    found = document["signatures"]
    if len(found) != 1 or sorted(found[0]) != ["keyid", "sig"]:
        yield Finding(ATTESTATION, "signatures", "expected one signature with keyid and sig")
        return
    signature = _decoded(found[0]["sig"], "signatures[0].sig")
    pems = {f"the bundle's own {SIGNER}": bundle.raw(SIGNER)}
    if key is not None:
        pems[f"the key given, {key.name}"] = key.read_bytes()
    for origin, pem in pems.items():
        problem = _verify(payload, found[0]["keyid"], signature, pem)
        if problem:
            yield Finding(ATTESTATION, "signatures[0]", f"{problem} ({origin})")


def _verify(payload: bytes, keyid: str, signature: bytes, pem: bytes) -> str:
    """Return what is wrong with a signature, or nothing."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import Signature as Signed
    from securesystemslib.signer import SSlibKey

    try:
        loaded = load_pem_public_key(pem)
    except (ValueError, TypeError):
        return "expected an Ed25519 public key as PEM, found none"
    if not isinstance(loaded, Ed25519PublicKey):
        return "expected an Ed25519 public key, found another kind"
    public = SSlibKey.from_crypto(loaded)
    if public.keyid != keyid:
        return f"it is signed by key {keyid}, not by {public.keyid}"
    envelope = Envelope(payload, _TYPE, {keyid: Signed(keyid, signature.hex())})
    try:
        envelope.verify([public], 1)
    except VerificationError:
        return "the signature does not fit the payload"
    return ""
