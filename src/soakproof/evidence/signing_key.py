"""The key that signs evidence, where one is configured; it is never written anywhere.

securesystemslib does the cryptography, and is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soakproof.errors import UsageError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

__all__ = ["KEY", "KEY_FILE", "load_signer", "public_pem"]

KEY: Final = "SOAKPROOF_SIGNING_KEY"
"""Variable with the private key itself: PEM text, PKCS 8, Ed25519, without a password."""

KEY_FILE: Final = "SOAKPROOF_SIGNING_KEY_FILE"
"""Variable with the path of a file that holds it."""


def load_signer(environ: Mapping[str, str]) -> CryptoSigner | None:
    """Return the configured signer, or ``None`` where no key is configured.

    Raises:
        UsageError: both variables are set, the file cannot be read, or it is no Ed25519 private
            key. The message names the variable and never what is in it.
    """
    if environ.get(KEY) and environ.get(KEY_FILE):
        message = f"{KEY} and {KEY_FILE}: expected one of the two, found both; unset one"
        raise UsageError(message)
    if pem := environ.get(KEY):
        return _signer(pem.encode(), KEY)
    if not (name := environ.get(KEY_FILE)):
        return None
    try:
        return _signer(Path(name).read_bytes(), KEY_FILE)
    except OSError as problem:
        message = f"{KEY_FILE}: expected a file with a private key, found {problem.strerror}"
        raise UsageError(message) from None


def public_pem(signer: CryptoSigner) -> bytes:
    """Return the public half, as PEM text that other tools read."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw = bytes.fromhex(signer.public_key.keyval["public"])  # how securesystemslib keeps Ed25519
    key = Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _signer(pem: bytes, origin: str) -> CryptoSigner:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):  # its own message might quote the key
        message = (
            f"{origin}: expected an Ed25519 private key as PEM without a password, found none; "
            "make one with `openssl genpkey -algorithm ed25519`"
        )
        raise UsageError(message) from None
    if not isinstance(key, Ed25519PrivateKey):
        found = type(key).__name__.removesuffix("PrivateKey").strip("_")
        message = f"{origin}: expected an Ed25519 private key, found one of {found}"
        raise UsageError(message)
    return CryptoSigner(key)
