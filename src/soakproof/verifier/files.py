"""The files of a bundle: what the manifest says of them, and what is there."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from soakproof.verifier.findings import Finding, Unreadable

__all__ = ["ATTESTATION", "MANIFEST", "SIGNER", "BundleFiles", "check_files"]

MANIFEST: Final = "MANIFEST.json"
ATTESTATION: Final = "attestation.dsse.json"
SIGNER: Final = "signer.pub.pem"

_OUTSIDE: Final = frozenset({MANIFEST, ATTESTATION})
"""The two files that no manifest can list: itself, and what is said over it."""

_NAMED_BY_CONTENT: Final = ("answers/", "versions/")
"""Folders whose files have the SHA-256 of their content as their name."""

_CHUNK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class BundleFiles:
    """A bundle's folder, read once.

    Args:
        folder: the bundle.
    """

    folder: Path
    _documents: dict[str, Any] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the path of everything in the folder that is no folder, sorted."""
        found = []
        for folder, folders, names in os.walk(self.folder):
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            paths = (Path(folder) / name for name in (*names, *links))
            found += [path.relative_to(self.folder).as_posix() for path in paths]
        return sorted(found)

    def raw(self, name: str) -> bytes:
        """Return a file's bytes."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as problem:
            reason = f"expected a file, found none ({problem.strerror})"
            raise Unreadable(name, "", reason) from None

    def digest(self, name: str) -> tuple[str, int]:
        """Return SHA-256 and size of a file."""
        sha, size = hashlib.sha256(), 0
        with (self.folder / name).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                sha.update(chunk)
                size += len(chunk)
        return sha.hexdigest(), size

    def document(self, name: str) -> dict[str, Any]:
        """Return a JSON document; its bytes must be the ones that soakproof writes of it."""
        if name not in self._documents:
            data = self.raw(name)
            try:
                document = json.loads(data)
                again = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
                same = again.encode("utf-8", "surrogateescape") == data
            except ValueError as problem:
                raise Unreadable(name, "", f"expected JSON: {problem}") from None
            if not isinstance(document, dict) or not same:
                raise Unreadable(name, "", "expected one JSON object in soakproof's own layout")
            self._documents[name] = document
        found: dict[str, Any] = self._documents[name]
        return found

    def stored(self, name: str) -> str | None:
        """Return under which name a file of lines is there: as it is, compressed, or not at all."""
        candidates = (name, f"{name}.gz")
        return next((one for one in candidates if (self.folder / one).is_file()), None)

    def lines(self, stored: str) -> Iterator[tuple[int, bytes]]:
        """Yield (1-based number, line with its end) of a file of lines."""
        path = self.folder / stored
        try:
            with gzip.open(path) if stored.endswith(".gz") else path.open("rb") as file:
                yield from enumerate(file, 1)
        except (OSError, EOFError, zlib.error) as problem:
            raise Unreadable(stored, "", f"expected lines: {problem}") from None


def check_files(bundle: BundleFiles) -> list[Finding]:
    """Hash every file, and look for what is missing, changed or not in the manifest."""
    listed = {one["path"]: one for one in bundle.document(MANIFEST)["files"]}
    there = bundle.names()
    findings = []
    for name in there:
        if (bundle.folder / name).is_symlink():
            findings.append(Finding(name, "", "expected a file, found a symbolic link"))
        elif name in _OUTSIDE:
            continue
        elif name not in listed:
            findings.append(Finding(name, "", "it is not in the manifest"))
        else:
            findings += _compare(name, listed[name], bundle.digest(name))
        if name.startswith(_NAMED_BY_CONTENT):
            findings += _own_name(bundle, name)
    for name in sorted({*listed, ATTESTATION} - set(there)):
        findings.append(Finding(name, "", "it is in the manifest and not in the folder"))
    return findings


def _own_name(bundle: BundleFiles, name: str) -> Iterator[Finding]:
    sha = hashlib.sha256()
    try:
        for _, line in bundle.lines(name):
            sha.update(line)
    except Unreadable as problem:
        yield problem.finding
        return
    if sha.hexdigest() != Path(name).name.removesuffix(".gz"):
        yield Finding(name, "", "expected its content's SHA-256 as its name, found another")


def _compare(name: str, listed: dict[str, Any], found: tuple[str, int]) -> Iterator[Finding]:
    sha256, size = found
    if size != listed["bytes"]:
        yield Finding(name, "", f"expected {listed['bytes']} bytes, found {size}")
    if sha256 != listed["sha256"]:
        yield Finding(name, "", f"expected SHA-256 {listed['sha256']}, found {sha256}")
