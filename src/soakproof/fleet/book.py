"""A campaign's folder: what is to be done, and the result of each point that is done.

``_ctx/campaigns/<name>/`` holds ``campaign.json``, ``points/<point>.json`` and, at the end,
``summary.json``, ``report.md`` and ``report.html``. A point is done when its file is there: it is
written whole or not at all, so a campaign that was killed goes on where it was.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from soakproof import schema
from soakproof.errors import UsageError
from soakproof.rundir import write_json

__all__ = ["Book"]


@dataclass(slots=True)
class Book:
    """The folder of one campaign, locked while it is open.

    The lock is handed down to the soaks, so it is held until the last of them has ended, also
    where the campaign itself was killed; who opens the folder next waits for that.

    Args:
        path: the folder.
    """

    path: Path
    _lock_fd: int = -1

    @property
    def campaign(self) -> Path:
        """What is to be done."""
        return self.path / "campaign.json"

    @property
    def summary(self) -> Path:
        """What it came to."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The same for people."""
        return self.path / "report.md"

    @property
    def page(self) -> Path:
        """The same as one HTML file."""
        return self.path / "report.html"

    @property
    def points(self) -> Path:
        """One file for each point that is done."""
        return self.path / "points"

    @property
    def scratch(self) -> Path:
        """What points say while they run, and what they are asked."""
        return self.path / "scratch"

    @property
    def lock_fd(self) -> int:
        """The descriptor that every soak of this campaign inherits."""
        return self._lock_fd

    def busy(self) -> bool:
        """Whether somebody has it; the lock is ours if nobody has."""
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def wait(self) -> None:
        """Wait until nobody else has it."""
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Write what is to be done, or see that it is what was to be done before.

        Raises:
            UsageError: the folder is that of another campaign.
        """
        document = dict(spec)
        schema.check(document, "fleet-plan", self.campaign)
        if not self.campaign.exists():
            write_json(self.campaign, document)
            return
        before = schema.load_json(self.campaign, "fleet-plan", hint="")
        for name in sorted(document.keys() | before.keys()):
            if document.get(name) != before.get(name):
                message = (
                    f"{self.campaign}: expected {name} {before.get(name)!r}, which it was begun "
                    f"with, found {document.get(name)!r}; give another --name"
                )
                raise UsageError(message)

    def done(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the results of those points of a list that are done."""
        found = {}
        for name in names:
            path = self.points / f"{name}.json"
            if path.exists():
                found[name] = schema.load_json(path, "point-result", hint="")
        return found

    def keep(self, result: Mapping[str, Any]) -> None:
        """Write the result of a point: from now on it is done."""
        path = self.points / f"{result['point']}.json"
        schema.check(dict(result), "point-result", path)
        write_json(path, dict(result))

    def __enter__(self) -> Self:
        """Make the folder and open its lock; :meth:`busy` or :meth:`wait` takes it."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.points.mkdir(exist_ok=True)
        path = self.path / "lock"
        self._lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go; a soak that still runs has it until its end."""
        with suppress(OSError):
            os.close(self._lock_fd)
