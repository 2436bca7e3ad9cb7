"""Prove which commit an installed distribution is: by its content, not by what it says of itself.

Every file that HEAD tracks under the package's source folder must be installed with the same
bytes (the same git blob name), and nothing importable may lie beside them that HEAD does not know.
Then, and only then, the distribution *is* that commit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.machinery import all_suffixes
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any, Final

from soakproof.evidence.checkout import checkout_record, head_blobs, head_commit

__all__ = [
    "HARNESS_PREFIXES",
    "PackageRevision",
    "checkout_record",
    "package_record",
    "package_revision",
]

HARNESS_PREFIXES: Final[Mapping[str, str]] = {"src/soakproof": ".", "schemas": "schemas"}
"""Where soakproof's own installed files come from (the wheel force-includes ``schemas/``)."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_IMPORTABLE: Final = tuple(all_suffixes())
"""Suffixes of files that Python would import: a stray one changes what runs."""


@dataclass(frozen=True, slots=True)
class PackageRevision:
    """An installed distribution, compared with the checkout's HEAD.

    Args:
        name: the distribution.
        version: its version.
        editable: it runs from the checkout, not from a wheel.
        wheel_sha256: SHA-256 of the wheel, where the installer kept it (PEP 610).
        commit: HEAD, when every file is HEAD's; else ``None``.
        differs: files that are missing, changed or unknown to HEAD, relative to the package.
    """

    name: str
    version: str
    editable: bool
    wheel_sha256: str | None
    commit: str | None
    differs: tuple[str, ...]


def package_record(
    name: str,
    version: str,
    package_dir: Path,
    checkout_root: Path,
    prefixes: Mapping[str, str],
) -> dict[str, Any]:
    """Return the ``subject`` or ``harness`` object of ``schemas/run.schema.json``.

    The arguments are those of :func:`package_revision`.
    """
    revision = package_revision(name, version, package_dir, checkout_root, prefixes)
    return {**asdict(revision), "differs": list(revision.differs)}


def package_revision(
    name: str,
    version: str,
    package_dir: Path,
    checkout_root: Path,
    prefixes: Mapping[str, str],
) -> PackageRevision:
    """Compare an installed package with HEAD, file by file.

    Args:
        name: the distribution's name.
        version: its version, as it says itself.
        package_dir: folder of the installed package.
        checkout_root: the project's folder in the checkout.
        prefixes: source folder, relative to ``checkout_root`` → where its files lie, relative to
            ``package_dir`` (``.`` is the package itself).

    Costs one read of every file and one git process a prefix; changes nothing on disk.
    """
    package_dir = package_dir.resolve()
    root = checkout_root.resolve()
    origin = _direct_url(name, package_dir)
    in_checkout = any(package_dir == root / prefix for prefix in prefixes)
    differs = _differences(package_dir, root, prefixes, in_checkout=in_checkout)
    return PackageRevision(
        name=name,
        version=version,
        editable=in_checkout or bool(origin.get("dir_info", {}).get("editable")),
        wheel_sha256=_wheel_sha256(origin),
        commit=head_commit(root) if differs == () else None,
        differs=differs or (),
    )


def _differences(
    package_dir: Path, root: Path, prefixes: Mapping[str, str], *, in_checkout: bool
) -> tuple[str, ...] | None:
    """Return the files that are not HEAD's; ``None``: HEAD knows no such package, or no git."""
    wanted: dict[str, tuple[Path, str | None]] = {}
    for prefix, place in prefixes.items():
        blobs = head_blobs(root, prefix)
        if not blobs:
            return None
        # An editable package finds what a wheel would carry where the checkout keeps it.
        home = root / prefix if in_checkout else package_dir / place
        for path, blob in blobs.items():
            wanted[(Path(place) / path).as_posix()] = (home / path, blob)
    changed = {name for name, (path, blob) in wanted.items() if _blob_name(path) != blob}
    return tuple(sorted(changed | (set(_importable(package_dir)) - wanted.keys())))


def _importable(package_dir: Path) -> Iterator[str]:
    for path in package_dir.rglob("*"):
        relative = path.relative_to(package_dir)
        if path.name.endswith(_IMPORTABLE) and "__pycache__" not in relative.parts:
            yield relative.as_posix()


def _blob_name(path: Path) -> str:
    """Return git's name of the file's content, or an empty string where there is no such file."""
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    digest = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def _direct_url(name: str, package_dir: Path) -> dict[str, Any]:
    """Return PEP 610's ``direct_url.json`` of the distribution beside the package, or nothing."""
    for folder in sorted(package_dir.parent.glob("*.dist-info")):
        found = PathDistribution(folder)
        if _normal(folder.name.split("-")[0]) != _normal(name):
            continue
        try:
            document = json.loads(found.read_text("direct_url.json") or "{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}
    return {}


def _normal(name: str) -> str:
    """Return the name as packaging compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _wheel_sha256(origin: Mapping[str, Any]) -> str | None:
    archive = origin.get("archive_info") or {}
    digest = (archive.get("hashes") or {}).get("sha256")
    if digest is None:  # the older spelling, which PEP 610 keeps for compatibility
        algorithm, _, digest = str(archive.get("hash") or "").partition("=")
        digest = digest if algorithm == "sha256" else ""
    return digest if _SHA256.fullmatch(str(digest)) else None
