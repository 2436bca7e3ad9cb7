"""The evidence bundle: one folder a run, that a stranger can check.

``_ctx/evidence/<run id>/`` holds what the verdict rests on, ``MANIFEST.json`` with the hash of each
file, and ``attestation.dsse.json`` over the manifest. No path of the machine is in it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soakproof.errors import ConfigError, MissingInput
from soakproof.evidence.attestation import envelope, statement
from soakproof.evidence.chain import RunDocuments
from soakproof.evidence.counter_example import counter_example
from soakproof.evidence.given_answers import given_answers
from soakproof.evidence.history_chain import chain_end
from soakproof.evidence.signing_key import public_pem
from soakproof.evidence.whole_folder import put_folder
from soakproof.model import SCHEMA_VERSION
from soakproof.places import Places
from soakproof.rotation.names import PACKED
from soakproof.rotation.reading import members
from soakproof.rotation.sealing import pack_into
from soakproof.rundir import Project, RunDir, as_json
from soakproof.schema import check

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

__all__ = [
    "ATTESTATION",
    "COMPRESS_FROM_BYTES",
    "MANIFEST",
    "SIGNER",
    "Bundle",
    "interpreters_of",
    "write_bundle",
]

MANIFEST: Final = "MANIFEST.json"
ATTESTATION: Final = "attestation.dsse.json"
SIGNER: Final = "signer.pub.pem"

COMPRESS_FROM_BYTES: Final = 256 * 1024
"""Lines that take more than this are compressed: a reviewer can still open a short run."""

_GZIP_LEVEL: Final = 6
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A written bundle.

    Args:
        path: its folder.
        manifest_sha256: SHA-256 of its manifest, which pins all the rest.
        signed_by: id of the key; ``None``: it is not signed.
    """

    path: Path
    manifest_sha256: str
    signed_by: str | None


def write_bundle(
    project: Project,
    run: RunDir,
    documents: RunDocuments,
    *,
    reports: Mapping[str, bytes],
    signer: CryptoSigner | None,
    interpreters: Mapping[str, str] | None = None,
) -> Bundle:
    """Write a run's bundle, whole or not at all; the same inputs give the same bytes.

    Args:
        project: keeps it under ``_ctx/evidence/``.
        run: the run.
        documents: its documents, which were verified to belong together.
        reports: file name → report.
        signer: signs the attestation; ``None``: it is left unsigned, and says so.
        interpreters: test session → result, where it is known.

    Raises:
        EvidenceBroken: the history's chain of hashes is broken.

    The caller holds the record's lock. Keeps in memory what was not cut into parts.
    """
    # Beside the run's lines there is room for them, and what a crash leaves there is not tracked.
    with tempfile.TemporaryDirectory(prefix=".bundle.", dir=run.path) as scratch:
        return _written(
            project,
            run,
            documents,
            dict(_files(project, run, documents, Path(scratch))) | dict(reports),
            signer=signer,
            interpreters=interpreters,
        )


def _written(
    project: Project,
    run: RunDir,
    documents: RunDocuments,
    files: dict[str, bytes | Path],
    *,
    signer: CryptoSigner | None,
    interpreters: Mapping[str, str] | None,
) -> Bundle:
    chain = chain_end(run.history, run.run_id)
    if signer is not None:
        files[SIGNER] = public_pem(signer)
    history = next(name for name in files if name.startswith("history.jsonl"))
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.run_id,
        "campaign": documents.plan["campaign"]["name"],
        "verdict": documents.verdict["verdict"],
        "history": {"path": history, "lines": chain.lines, "chain_head": chain.head},
        "interpreters": None if interpreters is None else dict(interpreters),
        "files": [
            {"path": name, "bytes": _size(data), "sha256": _sha256(data)}
            for name, data in sorted(files.items())
        ],
    }
    check(manifest, "manifest", MANIFEST)
    files[MANIFEST] = listed = as_json(manifest)
    said = statement(documents.plan, documents.run, documents.verdict, listed)
    files[ATTESTATION] = envelope(said, signer)
    place = project.evidence / run.run_id
    put_folder(place, files)
    return Bundle(
        path=place,
        manifest_sha256=_sha256(listed),
        signed_by=None if signer is None else signer.public_key.keyid,
    )


def interpreters_of(report: Path) -> dict[str, str]:
    """Return test session → result of a nox report (``nox --report FILE``).

    Raises:
        MissingInput: there is no such file.
        ConfigError: it is no report of nox.
    """
    try:
        sessions = json.loads(report.read_bytes())["sessions"]
        return {
            str(one["name"]): str(one["result"])
            for one in sessions
            if str(one["name"]).startswith("tests")
        }
    except FileNotFoundError:
        raise MissingInput(report, "write it with `nox --report FILE -s tests`") from None
    except (ValueError, KeyError, TypeError) as problem:
        expected = f"expected the JSON that `nox --report` writes, found {problem!r}"
        raise ConfigError(report, expected) from None


def _size(data: bytes | Path) -> int:
    return data.stat().st_size if isinstance(data, Path) else len(data)


def _sha256(data: bytes | Path) -> str:
    if not isinstance(data, Path):
        return hashlib.sha256(data).hexdigest()
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(
    project: Project, run: RunDir, documents: RunDocuments, scratch: Path
) -> Iterator[tuple[str, bytes | Path]]:
    """Yield what the run left: as it is where hashes hold it, else without the machine's paths."""
    places = Places.load(run)
    for path in (run.plan, run.gate, run.run, run.metrics, run.verdict, run.anchors):
        if path.exists():
            yield path.name, path.read_bytes()
    yield run.log.name, places.hide_bytes(run.log.read_bytes())
    for path in (run.history, run.samples, run.expected):
        if there := members(path):
            yield _lines(path, there, scratch)
    for path in sorted(run.telemetry.glob("**/*")):
        if path.is_file():
            name = f"telemetry/{path.relative_to(run.telemetry).as_posix()}"
            yield _compressed(name, places.hide_bytes(path.read_bytes()))
    for name, data in counter_example(run, documents.metrics, places):
        yield _compressed(name, data)
    for name, data in given_answers(run, places):
        yield _compressed(name, data)
    yield from _beside(project, places)


def _lines(path: Path, there: Sequence[Path], scratch: Path) -> tuple[str, bytes | Path]:
    """Return a file of lines; its parts one after another, which is how gzip puts files together.

    What is not packed is packed here, by the same rule, so it does not matter who was sooner.
    """
    if there == [path]:
        return _compressed(path.name, path.read_bytes())
    whole = scratch / f"{path.name}{PACKED}"
    with whole.open("wb") as file:
        for one in there:
            if one.suffix != PACKED:
                pack_into(one, file)
                continue
            with one.open("rb") as packed:
                shutil.copyfileobj(packed, file, _CHUNK_BYTES)
    return whole.name, whole


def _beside(project: Project, places: Places) -> Iterator[tuple[str, bytes]]:
    """Yield what is known beside the run: the last selftest and the last deep tier."""
    kept = {"selftest.json": "selftest/score.json", "deep.json": "deep/deep.json"}
    for name, path in kept.items():
        if (project.ctx / path).is_file():
            yield name, places.hide_bytes((project.ctx / path).read_bytes())


def _compressed(name: str, data: bytes) -> tuple[str, bytes]:
    if len(data) <= COMPRESS_FROM_BYTES:
        return name, data
    out = io.BytesIO()
    # Neither a name nor a time in its header: the same lines give the same bytes.
    with gzip.GzipFile("", "wb", _GZIP_LEVEL, out, mtime=0) as file:
        file.write(data)
    return f"{name}.gz", out.getvalue()
