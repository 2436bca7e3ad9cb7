"""Which files of a run's report go into the record, and where they lie there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from soakproof.errors import EvidenceBroken
from soakproof.report.pictures.gallery import NAMES
from soakproof.rundir import RunDir

__all__ = ["Published", "published"]

_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class Published:
    """What is put into the record.

    Args:
        files: path → content: the page, the pictures.
        obsolete: files of an earlier run, which would be taken for this one's.
        pictures: title → (path relative to the Markdown report, what it shows).
    """

    files: Mapping[Path, bytes] = field(default_factory=dict)
    obsolete: tuple[Path, ...] = ()
    pictures: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def published(run: RunDir, report: Path) -> Published:
    """Return the page and the pictures of a run, to lie beside its Markdown report.

    Args:
        run: the run; the stage ``report`` may not have been run.
        report: the Markdown report, such as ``docs/reports/ast_soak_run.md``.

    Raises:
        EvidenceBroken: the page was made from another verdict than the run has now.
    """
    html, folder = report.with_suffix(".html"), report.with_suffix("")
    before = {html, *folder.glob("*.svg")}
    if not run.report.exists():
        return Published(obsolete=tuple(sorted(path for path in before if path.exists())))
    page = run.report.read_bytes()
    _insist_on_the_verdict(run, page)
    files = {html: page}
    pictures: dict[str, tuple[str, str]] = {}
    for name in NAMES:
        path = run.pictures / f"{name}.svg"
        if path.exists():
            files[folder / path.name] = path.read_bytes()
            root = ET.fromstring(files[folder / path.name])  # noqa: S314 - drawn by our own stage
            title, says = root.findtext(f"{_SVG}title"), root.findtext(f"{_SVG}desc")
            pictures[title or name] = (f"{folder.name}/{path.name}", says or "")
    obsolete = sorted(path for path in before - files.keys() if path.exists())
    return Published(files, tuple(obsolete), pictures)


def _insist_on_the_verdict(run: RunDir, page: bytes) -> None:
    sha256 = hashlib.sha256(run.verdict.read_bytes()).hexdigest()
    if sha256.encode() not in page:
        message = (
            f"{run.report}: expected a report of the verdict {sha256}, found one of another; "
            f"make it again with `soakproof report --run-id {run.run_id}`"
        )
        raise EvidenceBroken(message)
