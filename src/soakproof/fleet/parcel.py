"""What travels to other machines: the wheels that are to run, and the project's ``eval/``."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from soakproof.errors import UsageError

__all__ = ["Parcel", "pack"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """The parcel.

    Args:
        name: a digest of the content.
        wheels: file name → content.
        project: a tar file of ``eval/``.
    """

    name: str
    wheels: dict[str, bytes]
    project: bytes

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"name": self.name, "wheels": self.wheels, "project": self.project}


def pack(root: Path, distributions: Sequence[str], wheels: str | None) -> Parcel:
    """Return the parcel of a project.

    Args:
        root: the project's folder.
        distributions: what has to be installed on the other machine.
        wheels: folder of the wheels; else they are built from where each was installed from.

    Raises:
        UsageError: there are no wheels, and none can be built.
    """
    if wheels is not None:
        found = {path.name: path.read_bytes() for path in sorted(Path(wheels).glob("*.whl"))}
        if not found:
            raise UsageError(f"--wheels: expected a folder with wheels, found none in {wheels!r}")
    else:
        found = {}
        for name in distributions:
            found |= _wheel_of(name)
    project = _tar(root / "eval")
    sha = hashlib.sha256(project)
    for file, content in found.items():
        sha.update(file.encode() + hashlib.sha256(content).digest())
    return Parcel(sha.hexdigest()[:16], found, project)


def _wheel_of(name: str) -> dict[str, bytes]:
    """Return the wheel of a distribution that was installed from a wheel or a folder here."""
    try:
        text = metadata.distribution(name).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        text = None
    url = json.loads(text or "{}").get("url", "")
    source = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
    if source is None or not source.exists():
        message = (
            f"--engine dask: expected {name} to be installed from a wheel or a folder that is "
            "still there, found neither; give the wheels that are to travel with --wheels DIR"
        )
        raise UsageError(message)
    if source.is_file():
        return {source.name: source.read_bytes()}
    with tempfile.TemporaryDirectory(prefix="soakproof-wheels-") as folder:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        argv = [*pip, "wheel", "--no-deps", "--wheel-dir", folder, str(source)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        built = {path.name: path.read_bytes() for path in Path(folder).glob("*.whl")}
        if done.returncode or not built:
            words = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            message = (
                f"--engine dask: no wheel of {name} could be built ({words}); give --wheels DIR"
            )
            raise UsageError(message)
        return built


def _tar(folder: Path) -> bytes:
    """Return a tar file that says the same for the same files, whoever packs it and when."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                item = tarfile.TarInfo(f"eval/{path.relative_to(folder).as_posix()}")
                item.size, item.mode = len(content), path.stat().st_mode & 0o777
                tar.addfile(item, io.BytesIO(content))
    return data.getvalue()
