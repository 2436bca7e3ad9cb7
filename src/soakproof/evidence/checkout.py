"""Ask git about the checkout, and never fall over it.

No git, no repository, no commit yet, a repository that belongs to somebody else: each is an
answer ("we do not know"), not an error.
Nothing is written, not even git's index (``GIT_OPTIONAL_LOCKS=0``).
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["CheckoutState", "checkout_record", "checkout_state", "head_blobs", "head_commit"]

_GIT_DEADLINE_S: Final = 60.0
"""A hang guard: git on a dead network mount must not hang the record."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")

_RECORD: Final = ("_ctx/", "docs/reports/")
"""The record's own files; writing them must not make the next run dirty."""

_DIRTY_FILES_SHOWN: Final = 20
"""As many as schemas/run.schema.json promises."""


@dataclass(frozen=True, slots=True)
class CheckoutState:
    """A git checkout at one moment.

    Args:
        commit: HEAD, 40 hex digits; ``None``: no git, no repository or no commit.
        dirty_files: files other than the record that differ from HEAD, untracked ones included,
            sorted, relative to the repository; ``None``: git could not say.
    """

    commit: str | None
    dirty_files: tuple[str, ...] | None

    @property
    def dirty(self) -> bool | None:
        """Whether any such file differs; ``None``: git could not say."""
        return None if self.dirty_files is None else bool(self.dirty_files)


def checkout_state(root: Path) -> CheckoutState:
    """Return HEAD and the dirt of the checkout that ``root`` lies in.

    Costs two or three short processes; changes nothing on disk.
    """
    commit = head_commit(root)
    inside = _git(root, "rev-parse", "--show-prefix")
    status = _git(root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    if inside is None or status is None:
        return CheckoutState(commit, None)
    prefix = _text(inside).removesuffix("\n")
    own = tuple(prefix + folder for folder in _RECORD)
    names = (_text(entry[3:]) for entry in status.split(b"\0") if entry)
    return CheckoutState(commit, tuple(sorted(n for n in names if not n.startswith(own))))


def checkout_record(root: Path) -> dict[str, Any]:
    """Return the ``checkout`` object of ``schemas/run.schema.json``.

    Args:
        root: a folder in the checkout, usually its top.
    """
    state = checkout_state(root)
    return {
        "commit": state.commit,
        "dirty": state.dirty,
        "dirty_files": [
            name.encode("utf-8", "replace").decode()
            for name in (state.dirty_files or ())[:_DIRTY_FILES_SHOWN]
        ],
    }


def head_commit(root: Path) -> str | None:
    """Return HEAD as 40 hex digits, or ``None`` where there is none (or it is a SHA-256 name)."""
    answer = _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    name = _text(answer or b"").strip()
    return name if _COMMIT.fullmatch(name) else None


def head_blobs(root: Path, prefix: str) -> dict[str, str | None] | None:
    """Return what HEAD tracks under ``prefix``: path relative to it → blob name.

    Args:
        root: a folder in the checkout, usually its top.
        prefix: a folder relative to ``root``, with ``/`` between its parts.

    Returns:
        ``None`` for the name of an entry that is no file (a submodule, a symbolic link), which no
        installed file can equal; ``None`` for all when git could not say.
    """
    listing = _git(root, "ls-tree", "-r", "-z", "HEAD", "--", f"{prefix}/")
    if listing is None:
        return None
    blobs: dict[str, str | None] = {}
    for entry in filter(None, listing.split(b"\0")):
        about, _, path = entry.partition(b"\t")
        mode, _, name = about.decode("ascii").split(" ")
        relative = _text(path).removeprefix(f"{prefix}/")
        blobs[relative] = name if mode.startswith("100") else None
    return blobs


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return git's output, or ``None`` where it could not answer.

    ``GIT_DIR`` and its like are dropped: a soak started from a git hook inherits the hook's.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
