"""The panel: every planted defect, and the criterion that must turn red for it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["PANEL", "SOUND", "Defect", "Family", "Need", "choose"]


SOUND: Final = "sound"
"""The cache with nothing wrong at all."""


class Family(enum.StrEnum):
    """Where a defect is planted."""

    WRAPPER = "wrapper"
    """Between the soak and the campaign's own target."""
    CACHE = "cache"
    """In a small cache that comes with the panel."""


class Need(enum.StrEnum):
    """What a defect needs of the target around which it is planted."""

    TELEMETRY = "telemetry"
    """It lies in the events that the target tells."""
    LOCK_WAITS = "lock_waits"
    """It lies in the events of waiting for a lock."""
    LOCK_TIMEOUTS = "lock_timeouts"
    """It lies in the events of giving up on a lock."""
    HITS = "hits"
    """It changes hits, so somebody has to see them."""
    LEFTOVERS = "leftovers"
    """A file in the cache's folder that plays no part."""
    PART = "part"
    """A file in the cache's folder that plays a part and is no database."""
    STDERR = "stderr"
    """It mutters there, so no answer may be printed there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One planted defect, or a control.

    Args:
        name: of the defect, as the programs know it.
        family: where it is planted.
        about: what is wrong, in one line.
        expects: criteria of which one, at least, must be FAIL; none: a control, which must PASS.
        beside: criteria that may be FAIL with them, because the same harm shows there, too.
        faults: kinds of faults that the soak keeps of its campaign; ``None``: all.
        edits: kinds of edits in place of the campaign's; ``None``: those.
        deadline_ms: of an operation, in place of the campaign's.
        needs: what it needs of the target; where that is not there, it is skipped.
        expects_of_text: in place of ``expects`` where an answer is not JSON.
    """

    name: str
    family: Family
    about: str
    expects: tuple[str, ...]
    beside: tuple[str, ...] = ()
    faults: tuple[str, ...] | None = ("lock_hold",)
    edits: tuple[str, ...] | None = None
    deadline_ms: int | None = None
    needs: tuple[Need, ...] = ()
    expects_of_text: tuple[str, ...] = ()

    @property
    def control(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.expects


_BROKEN: Final = ("no_broken_cache",)
"""An answer that is bad when asked the second time counts there as well."""

_OF_A_SEARCH: Final = ("no_wrong_answer",)
"""What depends on the whole segment is not held against states that are gone: old is wrong."""

_INDETERMINATE: Final = "no_indeterminate_operation"


def _wrapped(
    name: str,
    about: str,
    *expects: str,
    beside: tuple[str, ...] = (),
    deadline_ms: int | None = None,
    needs: Need | None = None,
    of_text: tuple[str, ...] = (),
) -> Defect:
    return Defect(
        name=name,
        family=Family.WRAPPER,
        about=about,
        expects=expects,
        beside=beside,
        deadline_ms=deadline_ms,
        needs=() if needs is None else (needs,),
        expects_of_text=of_text,
    )


def _cache(
    name: str,
    about: str,
    *expects: str,
    beside: tuple[str, ...] = (),
    edits: tuple[str, ...] | None = None,
) -> Defect:
    return Defect(
        name=name, family=Family.CACHE, about=about, expects=expects, beside=beside, edits=edits
    )


def _told(
    name: str,
    about: str,
    *expects: str,
    beside: tuple[str, ...] = (),
    needs: Need = Need.TELEMETRY,
) -> Defect:
    return _wrapped(name, about, *expects, beside=beside, needs=needs)


_ANSWERS: Final = (
    _wrapped(
        "older_answer",
        "answers what was true before an edit, a few times",
        "no_stale_answer",
        beside=(*_BROKEN, *_OF_A_SEARCH),
    ),
    _wrapped(
        "sticky_answer",
        "answers for ever what it answered first",
        "no_broken_cache",
        beside=("no_stale_answer", *_OF_A_SEARCH),
    ),
    _wrapped("other_key", "answers what is true of another key", "no_wrong_answer", beside=_BROKEN),
    _wrapped(
        "previous_answer",
        "answers what the call before was answered, once in ten",
        "no_wrong_answer",
        "no_stale_answer",
        beside=_BROKEN,
    ),
    _wrapped(
        "truncated",
        "drops half of an answer",
        "no_missing_answer",
        beside=_BROKEN,
        of_text=("no_missing_answer", "no_wrong_answer"),
    ),
    _wrapped("nothing", "exits 0 with nothing", "no_missing_answer", beside=_BROKEN),
    _wrapped("fails", "refuses one call in five", "no_missing_answer", beside=_BROKEN),
    _wrapped("crashes", "crashes with a traceback", "no_crashed_operation", beside=_BROKEN),
    _wrapped(
        "dies",
        "ends by a signal of its own",
        "no_crashed_operation",
        beside=(_INDETERMINATE, *_BROKEN),
    ),
    _wrapped(
        "hangs",
        "never comes back, once",
        "no_hung_operation",
        beside=(_INDETERMINATE, *_BROKEN),
        deadline_ms=3000,
    ),
    _wrapped(
        "mutters",
        "answers beside a swallowed traceback",
        "no_alarming_stderr",
        needs=Need.STDERR,
    ),
)

_LEFTOVERS: Final = (
    _wrapped("leaks", "leaves files in the cache's folder", "no_leftovers", needs=Need.LEFTOVERS),
    _wrapped(
        "grows",
        "lets a file of the cache grow with every call",
        "bounded_growth",
        needs=Need.PART,
    ),
    _wrapped("stray", "leaves a process behind", "no_process_left"),
)

_CLAIMS: Final = (
    _told("loses", "loses telemetry events", "no_lost_event"),
    _told("silent", "tells nothing of some operations", "no_silent_operation"),
    _told("tears", "writes half a line", "no_unreadable_line", beside=("no_lost_event",)),
    _told("doubles", "tells an event twice", "no_duplicate_event"),
    _told("invents", "tells of an operation that nobody asked for", "no_orphan_event"),
    _told("foreign_run", "names another run", "no_foreign_run", beside=("no_lost_event",)),
    _told("false_hits", "claims hits it never had", "no_contradiction"),
    _told("hides_writes", "tells of no write", "cold_writes", beside=("no_contradiction",)),
    _told("hides_waits", "tells of no wait for the lock", "lock_wait", needs=Need.LOCK_WAITS),
    _told(
        "gives_up_locks",
        "does not get the lock in time",
        "lock_timeout",
        needs=Need.LOCK_TIMEOUTS,
    ),
    Defect(
        name="never_hits",
        family=Family.WRAPPER,
        about="never hits: its cache is always empty",
        expects=("warm_hits",),
        needs=(Need.HITS,),
        faults=(),  # nobody would come to a lock that is held
    ),
)

_CACHES: Final = (
    _cache(
        "no_lock",
        "writes without any lock",
        "integrity",
        beside=("warm_hits", "no_contradiction"),
    ),
    _cache(
        "no_content_hash",
        "a key without the content",
        "no_stale_answer",
        beside=_BROKEN,
        edits=("rewrite", "rename_over"),
    ),
    _cache(
        "mtime_key",
        "a key of the time stamp alone",
        "no_stale_answer",
        beside=_BROKEN,
        edits=("same_stat",),
    ),
    _cache(
        "deletes_busy",
        "deletes a busy database as if it were broken",
        "no_crashed_operation",
        beside=("warm_hits", "integrity", *_BROKEN),
    ),
    _cache("swallows_write", "swallows a failed write and claims it", "warm_hits"),
    _cache(
        "no_checksum",
        "serves stored values that the disk has altered",
        "no_wrong_answer",
        beside=_BROKEN,
    ),
    _cache("unbounded", "keeps a log of every question for ever", "bounded_growth"),
    _cache(
        "half_written",
        "reads a value while it is written",
        "no_missing_answer",
        beside=_BROKEN,
        edits=("rewrite", "rename_over"),
    ),
    _cache(
        "caches_unknown",
        "keeps “unknown module” for ever",
        "no_stale_answer",
        beside=_BROKEN,
        edits=("delete_restore",),
    ),
    _cache("wrong_options", "answers from another option set", "no_wrong_answer", beside=_BROKEN),
    _cache("fails_when_locked", "fails when the lock is held", "no_missing_answer"),
    _cache(
        "rewrites_log",
        "rewrites its log while others append to it",
        "no_lost_event",
        "no_silent_operation",
        beside=("no_contradiction", "no_unreadable_line", "lock_wait"),
    ),
    _cache("leaves_temporary", "leaves its temporary files", "no_leftovers"),
)

_CONTROLS: Final = (
    Defect(
        name="slow",
        family=Family.WRAPPER,
        about="dawdles, and is right: no latency ever gates",
        expects=(),
        faults=None,
    ),
    Defect(
        name="bad_disk",
        family=Family.CACHE,
        about="the disk alters stored values, and the cache notices",
        expects=(),
        faults=None,
    ),
    Defect(
        name=SOUND,
        family=Family.CACHE,
        about="nothing is wrong with it",
        expects=(),
        faults=None,
    ),
)

PANEL: Final = (*_ANSWERS, *_LEFTOVERS, *_CLAIMS, *_CACHES, *_CONTROLS)
"""All of them; the controls come last."""


def choose(names: Sequence[str]) -> tuple[Defect, ...]:
    """Return the defects of some names, in the panel's order; all without any.

    Raises:
        KeyError: there is none of that name; it is the error's argument.
    """
    known = {defect.name for defect in PANEL}
    for name in names:
        if name not in known:
            raise KeyError(name)
    return tuple(defect for defect in PANEL if not names or defect.name in names)
