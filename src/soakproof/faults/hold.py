"""What faults have in common in which another process holds something while operations come.

Timing races are no gate: the same defect shows in three of twelve tries on one machine and in none
on another. A hold makes the moment: the operation that wants what is held is *there* for as long
as it takes to see it, and then it is only waited on, killed, stopped, or its files are taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from soakproof.faults.fault import FaultBase, Say, Site
from soakproof.faults.holder import Holder
from soakproof.faults.waiting import Waiter, Waiters
from soakproof.model import FaultPlan, Live

__all__ = ["Hold", "Midway", "SelfHealingHold", "hold_databases", "hold_lock", "no_lock"]

_NS_PER_MS: Final = 1_000_000

_AFTER_EFFECT_MS: Final = 60
"""How much longer is held once a waiter was seen, so that the wait is no blink; a campaign may say
more, to outlast the waiter's own patience however slow the machine is."""

_SPARE_MS: Final = 10_000
"""By how much the holder's own limit is longer than ours: it only matters when we hang."""


def hold_lock(lock_path: Path, max_hold_ms: int) -> Holder:
    """Hold the lock file as another user of the cache would."""
    # The cache starts empty: whoever comes first makes the folder, as a user of it would.
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    return Holder("lock_holder", str(lock_path), str(max_hold_ms + _SPARE_MS))


def no_lock(site: Site) -> str | None:
    """Return why a lock file cannot be held, or nothing."""
    return "the target names no lock file" if site.lock_path is None else None


def hold_databases(databases: Sequence[Path], max_hold_ms: int) -> Holder:
    """Hold a ``BEGIN EXCLUSIVE`` on each of some databases."""
    limit = str(max_hold_ms + _SPARE_MS)
    return Holder("db_holder", "exclusive", limit, *map(str, databases))


class Hold(FaultBase):
    """A hold, driven by ticks: start the holder, wait until it holds, look for who waits.

    Operations may start as soon as it holds, or when there is nothing to hold.
    """

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._holder: Holder | None = None
        self._waiters = Waiters(())
        self._held_ns: int | None = None

    @property
    def admits(self) -> bool:
        """Whether its operations may start."""
        return self._held_ns is not None or self.done

    def tick(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Go on."""
        if self.done:
            return
        try:
            if self._held_ns is not None:
                self.held(now_ns, live)
            elif self._holder is None:
                self.begin(now_ns)
            elif self._holder.holds():
                self.in_place(now_ns)
            elif (why := self._holder.refusal()) is not None:
                self.give_up(why)
        except OSError as problem:  # the subject may take a file away while we look for it
            self.give_up(f"{type(problem).__name__}: {problem}")

    def begin(self, now_ns: int) -> None:
        """Call :meth:`hold`, or :meth:`in_place` without one."""
        raise NotImplementedError

    def in_place(self, now_ns: int) -> None:
        """It holds: operations may start."""
        self._held_ns = now_ns

    def held(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Look on while the operations are under way."""
        raise NotImplementedError

    def hold(self, holder: Holder, *paths: Path) -> None:
        """Wait for a holder; an operation that waits for it has one of ``paths`` open."""
        self._holder = holder
        self._waiters = Waiters(paths)

    def waiter(self, now_ns: int, live: Mapping[int, Live]) -> Waiter | None:
        """Return an operation that waits for what is held."""
        return self._waiters.look(now_ns, live)

    def held_ms(self, now_ns: int) -> int:
        """Return for how long it has been held."""
        return 0 if self._held_ns is None else (now_ns - self._held_ns) // _NS_PER_MS

    def release(self) -> bool:
        """Let go and reap the holder; false: it had to be killed. Safe to call twice."""
        holder, self._holder = self._holder, None
        return holder.release() if holder is not None else True

    def undo(self) -> dict[str, Any]:
        """Let go."""
        return {} if self.release() else {"holder": "had to be killed"}


class SelfHealingHold(Hold):
    """A hold that is itself the fault, and ends once its effect was seen.

    Parameters: ``hold_ms`` at least, ``max_hold_ms`` at most, even if nobody came;
    ``after_effect_ms``, if given: so long at least once a waiter was seen.
    """

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self._effect_ns: int | None = None
        self.names: list[str] = []

    def in_place(self, now_ns: int) -> None:
        """Tell that it fired."""
        super().in_place(now_ns)
        self.has_fired(now_ns, {"hold_ms": self.plan.params["hold_ms"], "files": self.names})

    def held(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Look for a waiter, let go when due."""
        if self._effect_ns is None and (waiter := self.waiter(now_ns, live)) is not None:
            self._effect_ns = now_ns
            self.took_effect(waiter.told)
        held_ms = self.held_ms(now_ns)
        if held_ms >= self.plan.params["max_hold_ms"]:
            self.finish("nobody came" if self._effect_ns is None else "longest hold")
        elif self._effect_ns is not None:
            after_ms = (now_ns - self._effect_ns) // _NS_PER_MS
            least_ms = self.plan.params.get("after_effect_ms", _AFTER_EFFECT_MS)
            if after_ms >= least_ms and held_ms >= self.plan.params["hold_ms"]:
                self.finish("done")

    def finish(self, why: str) -> None:
        """Let go now, and tell why."""
        self.done = True
        self._say("healed", {"why": why, **self.undo()})


class Midway(Hold):
    """A fault that acts while an operation is inside the cache, kept there by a hold.

    A writer waits inside the database where there is one, else at the lock file. When nobody came
    within ``max_hold_ms`` the act is done all the same, as late as that.
    """

    def __init__(self, plan: FaultPlan, site: Site, say: Say) -> None:
        super().__init__(plan, site, say)
        self.acted = False

    def begin(self, now_ns: int) -> None:
        """Hold the databases, else the lock file, else nothing: then nobody is seen inside."""
        databases = self.site.files("database")
        max_hold_ms = self.plan.params["max_hold_ms"]
        if databases:
            self.hold(hold_databases(databases, max_hold_ms), *databases)
        elif self.site.lock_path is not None:
            self.hold(hold_lock(self.site.lock_path, max_hold_ms), self.site.lock_path)
        else:
            self.in_place(now_ns)

    def held(self, now_ns: int, live: Mapping[int, Live]) -> None:
        """Act once somebody is inside, or it has taken too long; then look on."""
        if self.acted:
            self.probe(now_ns, live)
            return
        waiter = self.waiter(now_ns, live)
        if waiter is not None:
            self.acted = True
            self.act(now_ns, waiter, live)
        elif self.held_ms(now_ns) >= self.plan.params["max_hold_ms"]:
            self.acted = True
            self.act(now_ns, None, live)

    def act(self, now_ns: int, waiter: Waiter | None, live: Mapping[int, Live]) -> None:
        """Do it, and let go; ``waiter`` is inside, ``None``: nobody was seen there."""
        raise NotImplementedError
