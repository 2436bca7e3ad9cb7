"""Which versions of a file could be seen when, read from the edits in the history.

The steps on one path follow each other. A version can be seen from the moment its step begins, and
no longer once the step after it has ended; between the two, a step that is not atomic can be seen
half-done.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from soakproof.verifier.scope import Reach

__all__ = ["UNTOUCHED", "Seen", "Span", "Step", "seen", "steps_of", "steps_within"]

UNTOUCHED: Final = "original"
"""The version of a file that no edit speaks of."""

_ALWAYS: Final = -math.inf
_NEVER: Final = math.inf

Span: TypeAlias = tuple[int, int]
"""From an operation's invoke to its completion, both included."""


@dataclass(slots=True)
class Step:
    """What made a version of a file.

    Args:
        version: the version.
        begun: when the step began.
        ended: when it had ended; infinite: nobody saw it end.
        atomic: whether it can be seen only undone or done.
        edit: the edit it belongs to; ``None``: the file was just there.
    """

    version: str
    begun: float
    ended: float
    atomic: bool
    edit: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What an operation may have found as its input.

    Args:
        current: versions that were there at some moment of it, in their order.
        gone: versions that had been there, and were certainly gone when it was asked.
        torn: whether it may have found anything else.
    """

    current: tuple[str, ...]
    gone: tuple[str, ...]
    torn: bool


def steps_of(edits: Iterable[Mapping[str, Any]]) -> dict[str, list[Step]]:
    """Return path → its steps, from the history's ``edit`` lines."""
    steps: dict[str, list[Step]] = {}
    for line in edits:
        if "path" not in line or "version" not in line:
            continue
        known, version, now = steps.setdefault(line["path"], []), line["version"], line["mono_ns"]
        match line.get("event"):
            case "initial" if not known:
                known.append(Step(version, _ALWAYS, _ALWAYS, atomic=True, edit=None))
            case "begin":
                atomic = bool(line.get("detail", {}).get("atomic", True))
                known.append(Step(version, now, _NEVER, atomic=atomic, edit=line.get("edit")))
            case "end" if known:
                known[-1].ended = now
    return steps


def seen(
    steps: Mapping[str, list[Step]], reach: Reach, span: Span, *, earlier: bool = False
) -> Seen:
    """Return what could be seen of a file, or of several together, while an operation ran.

    Args:
        steps: of all paths.
        reach: what the answer depends on. Several files have one version, the name of all their
            versions together, and none where any of them changed meanwhile.
        span: when it ran.
        earlier: whether several files together have versions that were gone, too.
    """
    if reach.file is not None:
        return _of_file(steps.get(reach.file, []), span)
    within = {name: known for name, known in steps.items() if reach.includes(name)}
    every = {name: _of_file(known, span) for name, known in within.items()}
    if any(one.torn or len(one.current) != 1 for one in every.values()):
        return Seen((), (), torn=True)
    now = _named({name: one.current[0] for name, one in every.items()})
    gone = dict.fromkeys(_states_gone(within, span[0])) if earlier else {}
    return Seen((now,), tuple(one for one in gone if one != now), torn=False)


def _named(versions: Mapping[str, str]) -> str:
    state = sorted([name, version] for name, version in versions.items())
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _states_gone(steps: Mapping[str, list[Step]], asked: int) -> Iterator[str]:
    """Yield the names of all states that had ended before a moment, the oldest first."""
    versions = {name: known[0].version if known else UNTOUCHED for name, known in steps.items()}
    later = [(step.begun, step, name) for name, known in steps.items() for step in known[1:]]
    for _, step, name in sorted(later, key=lambda one: one[0]):
        if step.ended >= asked:
            break
        yield _named(versions)
        versions[name] = step.version


def _of_file(known: list[Step], span: Span) -> Seen:
    if not known:
        return Seen((UNTOUCHED,), (), torn=False)
    asked, answered = span
    gone_at = [step.ended for step in known[1:]] + [_NEVER]
    current, gone = dict[str, None](), dict[str, None]()
    for step, until in zip(known, gone_at, strict=True):
        if until < asked:
            gone[step.version] = None
        elif step.begun <= answered:
            current[step.version] = None
    torn = any(not one.atomic and one.begun <= answered and asked <= one.ended for one in known)
    return Seen(tuple(current), tuple(one for one in gone if one not in current), torn)


def steps_within(steps: Mapping[str, list[Step]], span: Span) -> Iterator[str]:
    """Yield the edits that had a step while an operation ran, each once."""
    asked, answered = span
    told = set()
    for step in (one for known in steps.values() for one in known):
        last = step.begun if step.ended == _NEVER else step.ended
        if step.edit in told or step.edit is None:
            continue
        if step.begun <= answered and asked <= last:
            told.add(step.edit)
            yield step.edit
