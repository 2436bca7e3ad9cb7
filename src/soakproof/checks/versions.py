"""Which version of a file was current when, from the edits in the history.

For each path the check is linear: the harness is the only writer, so its steps follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from soakproof.model import HistoryLine

__all__ = ["ORIGINAL", "Timeline", "Window"]

ORIGINAL: Final = "original"
"""The version of a file that nobody edited: as the segment was prepared."""

_EVER: Final = -1
"""Before the first line of the history."""


@dataclass(slots=True)
class Window:
    """A version and when it may have been seen.

    Args:
        version: SHA-256 of the content, ``absent``, or :data:`ORIGINAL`.
        begin_ns: it may have been there from here on (the step that made it began).
        end_ns: … and was certainly there from here on (that step had ended); ``None``: unknown.
        until_ns: it was certainly gone from here on; ``None``: never, as far as is known.
        atomic: whether a reader could see the step that made it only undone or done.
        edit: the edit that made it; ``None``: it was there before.
    """

    version: str
    begin_ns: int
    end_ns: int | None
    until_ns: int | None = None
    atomic: bool = True
    edit: str | None = None


@dataclass(slots=True)
class Timeline:
    """The fold of a history's edits; feed it with :meth:`add`."""

    windows: dict[str, list[Window]] = field(default_factory=dict)

    def add(self, line: HistoryLine) -> None:
        """Take one line; others than edits are passed over."""
        if line.type != "edit" or line.path is None or line.version is None:
            return
        known = self.windows.setdefault(line.path, [])
        if line.event == "initial":
            if not known:
                known.append(Window(line.version, _EVER, _EVER))
        elif line.event == "begin":
            atomic = bool((line.detail or {}).get("atomic", True))
            known.append(Window(line.version, line.mono_ns, None, atomic=atomic, edit=line.edit))
        elif line.event == "end" and known:
            known[-1].end_ns = line.mono_ns
            if len(known) > 1:
                known[-2].until_ns = line.mono_ns

    def current(self, path: str, begin_ns: int, end_ns: int) -> list[Window]:
        """Return the versions of a path that were current at some moment of a stretch of time."""
        known = self.windows.get(path)
        if not known:
            return [Window(ORIGINAL, _EVER, _EVER)]
        return [
            one
            for one in known
            if one.begin_ns <= end_ns and (one.until_ns is None or one.until_ns >= begin_ns)
        ]

    def outdated(self, path: str, begin_ns: int) -> list[Window]:
        """Return the versions that were certainly gone when a stretch of time began."""
        known = self.windows.get(path, [])
        return [one for one in known if one.until_ns is not None and one.until_ns < begin_ns]

    def torn(self, path: str, begin_ns: int, end_ns: int) -> bool:
        """Return whether a step that can be seen half-done fell into a stretch of time."""
        return any(
            not one.atomic
            and one.begin_ns <= end_ns
            and (one.end_ns is None or one.end_ns >= begin_ns)
            for one in self.windows.get(path, [])
        )

    def state(
        self, begin_ns: int, end_ns: int, covers: Callable[[str], bool] = lambda _path: True
    ) -> Mapping[str, str] | None:
        """Return path → version of every edited file, if nothing changed in a stretch of time.

        Args:
            begin_ns: where it begins.
            end_ns: where it ends.
            covers: which files count.
        """
        state = {}
        for path in filter(covers, self.windows):
            current = {one.version for one in self.current(path, begin_ns, end_ns)}
            if len(current) != 1 or self.torn(path, begin_ns, end_ns):
                return None
            state[path] = next(iter(current))
        return state

    def states_before(
        self, begin_ns: int, covers: Callable[[str], bool]
    ) -> Iterable[Mapping[str, str]]:
        """Yield the states that were certainly gone at a moment, the oldest first."""
        known = {path: windows for path, windows in self.windows.items() if covers(path)}
        state = {
            path: (windows[0].version if windows else ORIGINAL) for path, windows in known.items()
        }
        steps = [(one, path) for path, windows in known.items() for one in windows[1:]]
        steps.sort(key=lambda step: step[0].begin_ns)
        for step, path in steps:
            if step.end_ns is None or step.end_ns >= begin_ns:
                return
            yield dict(state)
            state[path] = step.version

    def edits_between(self, begin_ns: int, end_ns: int) -> Iterable[str]:
        """Return the edits that had a step in a stretch of time, in their order."""
        found: dict[str, None] = {}
        for known in self.windows.values():
            for one in known:
                ended = one.end_ns if one.end_ns is not None else one.begin_ns
                if one.edit is not None and one.begin_ns <= end_ns and ended >= begin_ns:
                    found[one.edit] = None
        return found
