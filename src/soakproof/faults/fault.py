"""What every fault is made of: schedule (``draw``), apply, heal, effect probe.

A fault lives for one episode (or, placed by the dice in a campaign without episodes, around one
operation). The run drives it from one thread::

    planned → tick … tick → fired → operations start → tick (probe) … → heal → done

``say`` writes the ledger: ``fired``, ``took_effect`` (once, with what the probe observed),
``healed`` (with why), ``skipped`` (it cannot be applied here, with the reason), ``failed`` (it
should have worked). Only an effect that was *observed* counts: not that we did something, but that
the subject met it.
"""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from soakproof.model import FaultPlan, Live

__all__ = ["Fault", "FaultBase", "FaultKind", "Say", "Site", "Start"]


class Say(Protocol):
    """Writes a line of the fault's ledger to the history."""

    def __call__(self, event: str, detail: dict[str, Any]) -> None:
        """Tell one step with what was observed."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a fault is applied.

    Args:
        segment: the code that is asked about.
        cache_folder: folder of the cache's files; it need not be there yet.
        lock_path: the lock file of the cache's writers, where the target names one.
        roles: rules that say which file plays which part (``role``, ``glob``).
        scratch: a folder of ours for what a fault needs to keep.
        protected: patterns of files that no fault may touch.
        databases: roles whose files are SQLite databases.
    """

    segment: Path
    cache_folder: Path
    lock_path: Path | None
    roles: Sequence[Mapping[str, str]]
    scratch: Path
    protected: Sequence[str] = ()
    databases: Sequence[str] = ("database",)

    def files(self, *wanted: str) -> list[Path]:
        """Return the cache's files of some roles (all files without any), sorted by path."""
        try:
            paths = sorted(self.cache_folder.rglob("*"))
        except FileNotFoundError:  # a folder went away while we looked
            paths = []
        found = []
        for path in paths:
            name = path.relative_to(self.cache_folder).as_posix()
            if any(_matches(name, glob) for glob in self.protected) or not path.is_file():
                continue
            if not wanted or self.role_of(path) in wanted:
                found.append(path)
        return found

    def role_of(self, path: Path) -> str:
        """Return the part that a file of the cache plays."""
        name = path.relative_to(self.cache_folder).as_posix()
        rules = (rule for rule in self.roles if _matches(name, rule["glob"]))
        return next(rules, {"role": "other"})["role"]


def _matches(name: str, glob: str) -> bool:
    """Return whether a pattern is of a file, by its relative path (with a slash) or its name."""
    return fnmatch.fnmatchcase(name if "/" in glob else name.rpartition("/")[2], glob)


@dataclass(frozen=True, slots=True)
class Start:
    """How an operation is started: a fault may change it."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


class Fault(Protocol):
    """One fault of one run."""

    plan: FaultPlan
    done: bool

    @property
    def admits(self) -> bool:
        """Whether its operations may start: it is applied, or never will be."""

    def tick(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Go on; called every few milliseconds. ``live``: process id → operation under way."""

    def change(self, start: Start) -> Start:
        """Return how an operation under this fault is started."""

    def hurry(self, now_ns: int, live: Live) -> None:
        """Few operations are left to come, and ``live`` is given some now: make the moment here.

        Only told where it is known how many are left, just before :meth:`started`.
        """

    def started(self, live: Live) -> None:
        """An operation under this fault has just been started."""

    def ended(self, live: Live, signal_number: int | None) -> None:
        """An operation under this fault has ended, and by which signal if by one."""

    def heal(self) -> None:
        """Undo it, whatever its state; the operations under it have ended (or are being killed)."""


class FaultBase:
    """What most faults have in common: it does nothing by itself.

    Args:
        plan: which fault, with what parameters.
        site: where.
        say: the ledger.
    """

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        self.plan = plan
        self.site = site
        self.done = False
        self._say = say
        self._fired_ns: int | None = None
        self._told_effect = False

    @property
    def admits(self) -> bool:
        """Whether its operations may start."""
        return self._fired_ns is not None or self.done

    def tick(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Fire on the first tick; look for the effect on the others."""
        if self.done:
            return
        try:
            if self._fired_ns is None:
                self.apply(now_ns)
            else:
                self.probe(now_ns, live)
        except OSError as problem:  # the subject may take a file away while we look for it
            self.give_up(f"{type(problem).__name__}: {problem}")

    def apply(self, now_ns: int) -> None:
        """Apply it, then call :meth:`has_fired` (or :meth:`give_up`)."""
        self.has_fired(now_ns, {})

    def probe(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Look whether the subject met it; call :meth:`took_effect` when it did."""

    def change(self, start: Start) -> Start:
        """Return how an operation is started: as ever."""
        return start

    def hurry(self, now_ns: int, live: Live) -> None:
        """Nothing."""

    def started(self, live: Live) -> None:
        """Nothing."""

    def ended(self, live: Live, signal_number: int | None) -> None:
        """Nothing."""

    def heal(self) -> None:
        """Undo it by :meth:`undo`, once, and tell."""
        if self.done:
            return
        self.done = True
        told = self.undo()
        if self._fired_ns is None:
            self._say("skipped", {"why": "its moment did not come", **told})
        else:
            self._say("healed", told)

    def undo(self) -> dict[str, Any]:
        """Undo what was done, whole or half; returns what to tell. Safe to call at any time."""
        return {}

    # What a fault tells.

    def has_fired(self, now_ns: int, detail: dict[str, Any]) -> None:
        """It is applied."""
        self._fired_ns = now_ns
        self._say("fired", detail)

    def took_effect(self, detail: dict[str, Any]) -> None:
        """The subject met it; told once."""
        if not self._told_effect:
            self._told_effect = True
            self._say("took_effect", detail)

    @property
    def effective(self) -> bool:
        """Whether an effect was seen already."""
        return self._told_effect

    def give_up(self, why: str) -> None:
        """It could not be applied, or not kept up, although it should have been possible."""
        self.done = True
        self._say("failed", {"why": why, **self.undo()})

    def skip(self, why: str) -> None:
        """There is nothing here that it could be applied to."""
        self.done = True
        self._say("skipped", {"why": why, **self.undo()})


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A fault package, as the registry knows it.

    Args:
        name: what campaigns call it.
        about: one line for people.
        draw: the campaign's parameters and the dice → the parameters of one fault.
        make: plan, site and ledger → the fault.
        unavailable: why it cannot be applied on this machine, or nothing.
        waits_for_writer: it makes sense only before an operation that is sure to write.
    """

    name: str
    about: str
    draw: Callable[[Mapping[str, Any], random.Random], dict[str, Any]]
    make: Callable[[FaultPlan, Site, Say], Fault]
    unavailable: Callable[[Site], str | None] = lambda _site: None
    waits_for_writer: bool = False
