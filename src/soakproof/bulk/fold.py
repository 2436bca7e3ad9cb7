"""Count the lines of one kind: bytes in, :class:`soakproof.bulk.partial.Partial` out.

The fast way decodes the lines of a block in turn, with types that keep only what is counted; a line
that is not of these is looked at alone, by the rules of :mod:`soakproof.lines`, and the fast way
goes on behind it.
Every field's type is checked, and UTF-8 also where msgspec skips.
A number that nothing holds (``1e400``, or 5000 digits) is not noticed within ``args``, ``result``,
``x`` and ``detail``, of which nothing is kept: each would have to be made to be looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import length_hint
from typing import Any, Final

import msgspec

from soakproof.bulk.blocks import Block, CutOff, Part, TooLong, blocks
from soakproof.bulk.layout import counts_of, in_range
from soakproof.bulk.partial import (
    KEPT_BAD_LINES,
    NOTHING,
    Bad,
    Group,
    Measured,
    Partial,
    Stretch,
    bounded,
    merge,
)
from soakproof.bulk.records import (
    NO_WORDS,
    Kind,
    Result,
    Words,
    decoder,
    expecting,
    few,
    strict_decoder,
)
from soakproof.lines import UNREADABLE, why_unreadable

__all__ = ["count_part", "kind_of"]

_HELD: Final = 200_000
"""Durations that are held before they are sorted into buckets: those of a part, as a rule."""
_LESSONS: Final = 8
"""So often the words of a part are learned, at a third of a millisecond each time."""
_NAME_CHARS: Final = 200
"""A name is what a subject writes: it is cut, so that a million long ones fit in memory."""
_NS_PER_MS: Final = 1e6


def kind_of(first_lines: Iterable[bytes], name: str) -> Kind:
    """Return what lines are: what the first that can be read is, else what the file's name says."""
    kinds: tuple[Kind, ...] = ("history", "telemetry")
    for line in first_lines:
        for kind in kinds:
            try:
                strict_decoder(kind)(line)
            except UNREADABLE:
                continue  # counted when the file is
            return kind
    return "history" if "history" in name else "telemetry"


def count_part(part: Part, kind: Kind) -> Partial:
    """Count the lines of a part of a file.

    Raises:
        OSError: it cannot be read.
    """
    fold = _Fold(part, kind)
    try:
        for block in blocks(part):
            if isinstance(block, TooLong):
                fold.add_unread(f"longer than a line may be ({block.line_bytes} bytes)")
            else:
                fold.add(block)
    except CutOff as problem:
        fold.add_unread(str(problem))
    return fold.partial()


class _Fold:
    """The count of a part, while it is made."""

    def __init__(self, part: Part, kind: Kind) -> None:
        self._file, self._start = part.file, part.start
        self._fast = self._any = decoder(kind)
        self._strict = strict_decoder(kind)
        self._words = NO_WORDS
        self._lessons = _LESSONS if kind == "telemetry" else 0
        self._take: Callable[[Iterable[Any]], None] = (
            self._take_events if kind == "telemetry" else self._take_history
        )
        self._held: defaultdict[Group, list[Any]] = defaultdict(list)
        # By command, then by status: a third cheaper than one look-up with a pair.
        self._timed: defaultdict[str, defaultdict[Any, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._held_count = 0
        self._counted = NOTHING
        self._lines = self._bad_lines = self._empty_lines = 0
        self._fast_stopped = True  # at the first line there are no words to expect
        self._bad: list[Bad] = []

    def add(self, block: Block) -> None:
        """Take the lines of a block."""
        if block.ascii or _is_utf8(block.lines):
            self._add_fast(block.lines)
        else:
            for number, line in enumerate(block.lines, self._lines + 1):
                self._add_alone(line, number)
            self._held_count += len(block.lines)
        if self._lessons and self._fast_stopped:
            self._learn()
        self._lines += len(block.lines)
        if self._held_count >= _HELD:
            self._drain()

    def add_unread(self, reason: str) -> None:
        """Count a line that cannot even be read."""
        self._lines += 1
        self._unreadable(self._lines, reason)

    def partial(self) -> Partial:
        """Return what was counted."""
        self._drain()
        stretch = Stretch(self._lines, self._bad_lines, self._empty_lines)
        own = Partial(stretches={(self._file, self._start): stretch}, bad=tuple(self._bad))
        return merge(self._counted, own)

    def _add_fast(self, lines: Sequence[bytes]) -> None:
        """Take lines that are UTF-8; one that stops the decoder, alone."""
        filled, numbers = _filled(lines)
        self._empty_lines += len(lines) - len(filled)
        self._held_count += len(filled)
        position = iter(filled)
        while True:
            try:
                self._take(map(self._fast, position))
            except UNREADABLE:
                self._fast_stopped = True
                at = len(filled) - length_hint(position) - 1  # the last that was taken out
                self._add_alone(filled[at], self._lines + numbers[at])
            else:
                return

    def _add_alone(self, raw: bytes, number: int) -> None:
        line = raw.rstrip(b"\r\n")
        if not line:
            self._empty_lines += 1
            return
        try:
            line.decode("utf-8")
            record = self._lenient(line)
        except UNREADABLE as problem:
            whole = raw.endswith(b"\n")
            self._unreadable(number, why_unreadable(problem, len(line), whole=whole))
        else:
            self._take((record,))

    def _unreadable(self, number: int, reason: str) -> None:
        self._bad_lines += 1
        if len(self._bad) < KEPT_BAD_LINES:
            self._bad.append(Bad(self._file, self._start, number, reason))

    def _lenient(self, line: bytes) -> Any:  # noqa: ANN401 - one of the fast structs
        """Decode a line that may hold in its result what nobody counts, or in another type."""
        try:
            return self._any(line)
        except msgspec.DecodeError:
            event: Any = self._strict(line)
            if not isinstance(getattr(event, "result", None), dict):
                raise
            event.result = _wanted(event.result)
            return event

    def _take_events(self, events: Iterable[Any]) -> None:
        held, timed = self._held, self._timed
        for event in events:
            result = event.result
            timed[event.cmd][result.status].append(event.timing_ms)
            if result.waited_ms is not None:
                held["wait", event.cmd, result.cause or "?"].append(result.waited_ms)

    def _take_history(self, lines: Iterable[Any]) -> None:
        held = self._held
        for line in lines:
            held["line", line.type, line.kind or ""].append(line.wall_ms)
            if line.ops is not None:
                held["ops", line.type, ""].append(len(line.ops))

    def _learn(self) -> None:
        """Expect the words that were seen; where new ones come again and again, any."""
        self._fast_stopped = False
        statuses = {status for by_status in self._timed.values() for status in by_status}
        causes = {cause for sort, _, cause in self._held if sort == "wait"}
        seen = Words(
            self._words.cmds.union(self._timed),
            self._words.statuses.union(one for one in statuses if isinstance(one, str)),
            self._words.causes.union(causes),
        )
        if seen == self._words:
            return
        self._lessons -= 1
        if self._lessons and few(seen):
            self._words, self._fast = seen, expecting(seen)
        else:
            self._lessons, self._fast = 0, self._any

    def _drain(self) -> None:
        """Sort what is held into buckets."""
        groups: dict[Group, Measured] = {}
        timed = (
            (("event", cmd, "" if status is None else str(status)), timings_ms)
            for cmd, by_status in self._timed.items()
            for status, timings_ms in by_status.items()
        )
        for (sort, name, detail), values in chain(timed, self._held.items()):
            group = (sort, _short(name), _short(detail))
            one, had = _measured(sort, values), groups.get(group)
            groups[group] = one if had is None else had + one
        self._held.clear()
        self._timed.clear()
        self._held_count = 0
        kept, others = bounded(groups, {})
        self._counted = merge(self._counted, Partial(kept, others))


def _measured(sort: str, values: list[Any]) -> Measured:
    if sort == "ops":  # operations, and in the bucket 0 the lines that they were on
        return Measured(sum(int(value or 0) for value in values), {0: len(values)})
    timed = values if sort == "event" else [value for value in values if value is not None]
    timed.sort()  # in place, for in so long a list each object that is touched is a memory access
    ordered = in_range(timed)
    if not ordered:
        return Measured(len(values))
    total_ns = sum(round(ms * _NS_PER_MS) for ms in ordered) if sort == "wait" else 0
    return Measured(len(values), counts_of(ordered), ordered[0], ordered[-1], total_ns)


def _is_utf8(lines: Sequence[bytes]) -> bool:
    try:
        b"".join(lines).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _filled(lines: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[int]]:
    """Return the lines that are not empty, and their 1-based numbers.

    Some that are empty may still be among them; none is left out that is not.
    """
    for first in (0, 1):  # every other line is empty where each write begins with a line feed
        others = lines[first::2]
        if others and others.count(b"\n") == len(others):
            return lines[1 - first :: 2], range(2 - first, len(lines) + 1, 2)
    if b"\n" not in lines and b"\r\n" not in lines:
        return lines, range(1, len(lines) + 1)
    numbers = [number for number, line in enumerate(lines, 1) if line.strip(b"\r\n")]
    return [lines[number - 1] for number in numbers], numbers


def _wanted(result: dict[str, Any]) -> Result:
    """Return what is wanted of a result that has it in another type."""
    status, waited_ms, cause = result.get("status"), result.get("waited_ms"), result.get("for")
    number = isinstance(waited_ms, int | float) and not isinstance(waited_ms, bool)
    return Result(_text(status), float(waited_ms) if number else None, _text(cause))  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value, order="sorted").decode()


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else f"{name[:_NAME_CHARS]}…"
