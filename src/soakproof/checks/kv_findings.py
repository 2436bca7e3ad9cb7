"""What is wrong with an answer that no order explains: its name, in words, and a small example.

A second fold over the history, for the few keys that were found: which write was acknowledged last
before the operation was asked, and whether anybody ever saw it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof.checks.kv_model import MUTATES, Answer
from soakproof.checks.linearizable import Linearizer, Violation
from soakproof.model import HistoryLine

__all__ = ["Finding", "FindingsFold", "Part"]

_KEPT_PARTS: Final = 400
"""Parts of lines that are kept of a key, for the example; the search for a small one is cubic."""

_SHOWN_LINES: Final = 10

_WRITES: Final = frozenset({"set", "add"})
_SAYS_ABSENT: Final[dict[str, Answer]] = {"add": True, "delete": False, "expire": False}


@dataclass(frozen=True, slots=True)
class Part:
    """What one line of the history says of one operation on one key."""

    seq: int
    mono_ns: int
    type: str
    worker: int
    number: int
    kind: str = ""
    arg: int = 0
    answer: Answer = None
    key: str = ""

    def text(self) -> str:
        """Return it as the history would say it, were it alone on its line."""
        ops: list[Any] = [self.number]
        if self.type == "invoke":
            ops += [self.kind, self.key]
        elif self.type == "ok":
            ops += [self.answer]
        line = {"seq": self.seq, "type": self.type, "mono_ns": self.mono_ns, "worker": self.worker}
        return json.dumps({**line, "ops": [ops]}, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation with its name.

    Args:
        violation: the operation.
        worth: ``wrong``, ``stale`` or ``lost_write``.
        words: what happened, for people.
        example: as few parts of lines as show it, in the order of the history.
        phase: in which it was asked.
        episode: in which, if in one.
        span: when it was sent, and when its answer was read.
    """

    violation: Violation
    worth: str
    words: str
    example: tuple[Part, ...]
    phase: str
    episode: int | None
    span: tuple[int, int]


@dataclass(slots=True)
class _Facts:
    violation: Violation
    parts: deque[Part] = field(default_factory=lambda: deque(maxlen=_KEPT_PARTS))
    open: dict[int, Part] = field(default_factory=dict)
    written: bool = False
    asked: Part | None = None
    ended: Part | None = None
    last: Part | None = None
    """The last mutation that was acknowledged before the operation was asked: its completion."""
    last_arg: int = 0
    seen: bool = False
    """Whether it was seen between its completion and this answer."""
    again: bool | None = None
    """Whether the next read after this answer saw it, if one came before another mutation."""
    later: bool = False
    """Another mutation was acknowledged after this answer."""
    counted: dict[int, int] = field(default_factory=dict)
    """Of a counter: a number → the operation whose ``incr`` was answered with it."""
    origin: list[Part] = field(default_factory=list)
    phase: str = ""
    episode: int | None = None
    done: bool = False


class FindingsFold:
    """Names violations; feed it the whole history once more, then read :meth:`findings`.

    Args:
        violations: what the checker found, at most one a key.
        given_up: keys of which nobody knows, and at which operation.
        drops: a cache, not a store.
        excusing: kinds of faults under which what was stored may be lost.
    """

    def __init__(
        self,
        violations: Iterable[Violation],
        given_up: Mapping[str, int],
        *,
        drops: bool,
        excusing: AbstractSet[str],
    ) -> None:
        self._facts = {one.key: _Facts(one) for one in violations}
        self._given_up = {
            key: _Facts(Violation(key, number, "", None)) for key, number in given_up.items()
        }
        self.after_the_end = 0
        self._excusing = excusing
        self._excused = False
        self._key_of: dict[int, _Facts] = {}
        self._drops = drops
        self._phase = ""
        self._episode: int | None = None

    def add(self, line: HistoryLine) -> None:
        """Take one line; :attr:`after_the_end` counts answers on keys that were done with."""
        if line.type == "phase":
            self._excused = line.event == "begin" and line.kind in self._excusing
            self._phase, self._episode = line.phase or "", line.episode
        elif line.type == "invoke":
            for op in line.ops or ():
                facts = self._facts.get(op[2]) or self._given_up.get(op[2])
                if facts is not None:
                    arg = op[3] if len(op) > 3 else 0  # noqa: PLR2004 - as the schema says
                    self._invoke(facts, line, op[0], op[1], op[0] if op[1] in _WRITES else arg)
        elif line.type in {"ok", "fail", "info"}:
            for op in line.ops or ():
                facts = self._key_of.pop(op[0], None)
                if facts is not None:
                    self._complete(facts, line, op[0], op[1] if len(op) > 1 else None)

    def findings(self) -> list[Finding]:
        """Return the findings, in the order in which the operations were planned."""
        ordered = sorted(self._facts.values(), key=lambda facts: facts.violation.number)
        return [self._finding(facts) for facts in ordered]

    def _invoke(self, facts: _Facts, line: HistoryLine, number: int, kind: str, arg: int) -> None:
        self._key_of[number] = facts
        key = facts.violation.key
        part = Part(line.seq, line.mono_ns, "invoke", line.worker or 0, number, kind, arg, key=key)
        if facts.done:
            facts.open[number] = part
            return
        facts.open[number] = part
        facts.parts.append(part)
        if kind in _WRITES and number == facts.violation.answer:
            facts.written = True
            facts.origin.append(part)
        if number == facts.violation.number:
            facts.asked = part
            facts.phase, facts.episode = self._phase, self._episode

    def _complete(self, facts: _Facts, line: HistoryLine, number: int, answer: Answer) -> None:
        asked = facts.open.pop(number, None)
        if asked is None:
            return
        ok, asked_now = line.type == "ok", facts.asked
        changes = ok and asked.kind in MUTATES and _changed(asked.kind, answer)
        if ok and asked.kind == "get" and number != facts.violation.number:
            _note_read(facts, answer)
        if facts.done:
            facts.later = facts.later or changes
            self.after_the_end += ok and not self._excused
            return
        part = Part(
            line.seq,
            line.mono_ns,
            "ok" if ok else "maybe",
            asked.worker,
            number,
            asked.kind,
            asked.arg,
            answer if ok else None,
        )
        facts.parts.append(part)
        if number == facts.violation.answer and asked.kind in _WRITES:
            facts.origin.append(part)
        if number == facts.violation.number:
            facts.ended, facts.done = part, True
            return
        if ok and asked.kind == "incr" and type(answer) is int:
            facts.counted[answer] = number
        if changes:
            same_worker = asked_now is not None and (
                asked.worker == asked_now.worker and number < asked_now.number
            )
            if asked_now is None or same_worker:
                facts.last, facts.last_arg, facts.seen = part, asked.arg, False

    def _finding(self, facts: _Facts) -> Finding:
        worth = _worth(facts)
        asked, ended = facts.asked, facts.ended
        span = (0, 0) if asked is None or ended is None else (asked.mono_ns, ended.mono_ns)
        return Finding(
            violation=facts.violation,
            worth=worth,
            words=_words(facts, worth),
            example=tuple(self._example(facts)),
            phase=facts.phase,
            episode=facts.episode,
            span=span,
        )

    def _example(self, facts: _Facts) -> list[Part]:
        """Return as few parts as still show it: what can be left out one by one is left out."""
        parts, number = list(facts.parts), facts.violation.number
        known = {part.number for part in parts}
        parts = [part for part in facts.origin if part.number not in known] + parts
        if not self._shows(parts, number):  # it takes more of the past than was kept
            return parts[-_SHOWN_LINES:]
        kept = {number, *(part.number for part in facts.origin)}
        for one in sorted({part.number for part in parts} - kept, reverse=True):
            fewer = [part for part in parts if part.number != one]
            if self._shows(fewer, number):
                parts = fewer
        return parts

    def _shows(self, parts: Sequence[Part], number: int) -> bool:
        checker = Linearizer(drops=self._drops, bound=2_000)
        begun: set[int] = set()
        for part in parts:
            if part.type == "invoke":
                checker.invoke(part.worker, part.number, part.kind, "key", part.arg)
                begun.add(part.number)
            elif part.number not in begun:
                continue
            elif part.type == "ok":
                checker.ok(part.number, part.answer)
            else:
                checker.maybe(part.number)
        checker.settle()
        return [one.number for one in checker.violations] == [number]


def _note_read(facts: _Facts, answer: Answer) -> None:
    """Note whether a read saw the last mutation before the answer that is wrong."""
    if facts.last is None:
        return
    sought = facts.last_arg if facts.last.kind in _WRITES else facts.last.answer
    same = type(answer) is int and answer == sought
    if not facts.done:
        facts.seen = facts.seen or same
    elif facts.again is None and not facts.later:
        facts.again = same


def _changed(kind: str, answer: Answer) -> bool:
    """Whether a key holds afterwards what the operation says; a refused ``add`` says nothing."""
    return not (kind == "add" and answer is False)


def _worth(facts: _Facts) -> str:
    found, last = facts.violation, facts.last
    answer = found.answer
    if isinstance(answer, str):
        return "wrong"
    if found.kind == "incr" and answer in facts.counted:
        return "lost_write"
    register = not found.key.startswith("c")
    if found.kind == "get" and register and answer is not None and not facts.written:
        return "wrong"
    if found.kind == "get":
        return _worth_of_get(facts)
    if last is None:
        return "wrong"
    writes = last.kind in _WRITES
    if found.kind == "incr":
        if last.kind == "incr":
            return "lost_write" if _not_above(answer, last.answer) else "wrong"
        return "stale"
    if found.kind in _SAYS_ABSENT and (writes or last.kind == "incr"):
        return "lost_write" if answer == _SAYS_ABSENT[found.kind] else "wrong"
    return "wrong" if writes else "stale"


def _worth_of_get(facts: _Facts) -> str:
    answer, last = facts.violation.answer, facts.last
    if last is None:
        return "stale"
    if last.kind in _WRITES:
        was_there = facts.seen if facts.again is None else facts.again
        return "stale" if was_there else "lost_write"
    if last.kind != "incr":
        return "stale"
    return "lost_write" if answer is None or _below(answer, last.answer) else "wrong"


def _below(one: Answer, other: Answer) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one < other


def _not_above(one: Answer, other: Answer) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one <= other


def _words(facts: _Facts, worth: str) -> str:
    found, last = facts.violation, facts.last
    said = f"op {found.number} ({found.kind} {found.key}) answered {_named(found)}"
    if isinstance(found.answer, str):
        return f"{said}: {_foreign(found)}"
    if found.kind == "incr" and isinstance(found.answer, int) and found.answer in facts.counted:
        twin = facts.counted[found.answer]
        return f"{said}, and so was op {twin} (incr): one of the two was lost, a lost write"
    if worth == "wrong" and found.kind == "get" and not facts.written:
        return f"{said}, which nobody had written by then"
    if last is None:
        return f"{said}, and no order of the operations before it explains that"
    done = f"op {last.number} ({last.kind})"
    if last.kind == "incr":
        done += f" had made it {last.answer!r}"
    else:
        done += " had been acknowledged"
    before = f"although {done} before it was asked"
    if worth == "lost_write":
        never = "nobody saw that again" if facts.seen else "nobody ever saw that"
        return f"{said}, {before}, and {never}: a lost write"
    if worth == "stale" and (facts.seen or facts.again):
        return f"{said}, {before}, which others saw: a stale answer"
    if worth == "stale":
        return f"{said}, {before}: what was gone came back"
    return f"{said}, {before}, and no order explains that"


def _foreign(found: Violation) -> str:
    """Return what a foreign value looks like; its text is ``?<write>:<key>:…`` where it is ours."""
    named = re.match(r"\?(\d+):([^:]+):", str(found.answer))
    if named is None:
        return "the value of no write"
    if named[2] != found.key:
        return f"the value of another key, {named[2]}"
    return f"it begins as the value of write {named[1]} and does not go on as it"


def _named(found: Violation) -> str:
    answer = found.answer
    if isinstance(answer, bool) or answer is None or isinstance(answer, str):
        return "a miss" if answer is None else repr(answer)
    if found.kind == "get" and not found.key.startswith("c"):
        return f"the value of write {answer}"
    return str(answer)
