"""Count and judge a library's soak again, from the lines of its history."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from soakproof.verifier.files import BundleFiles
from soakproof.verifier.findings import Unreadable
from soakproof.verifier.history import COMPLETIONS, Walk, walk_lines
from soakproof.verifier.keys import Asked, KeyJudge, Undecided

__all__ = [
    "LIBRARY_GROUPS",
    "THE_WORDS",
    "LibraryHistory",
    "LibraryRaw",
    "Reader",
    "Story",
    "read_library",
    "stored_bytes",
    "worth_of",
]

THE_WORDS: Final = (
    "the words and the lines of the first counter-example (answers.first in metrics.json): which "
    "operation it is and what is wrong with it was computed again"
)

_KEEPING: Final = ("kill", "pause", "lock_hold", "db_exclusive")
"""Faults that take nothing away: under any other, what was stored may be gone."""

_OURS: Final = ("interrupted", "fault:")
_SILENT: Final = ("hung", "deadline")
_SET: Final = ("set", "add")
_CHANGE_NOTHING: Final = ("get",)
_CALM: Final = ("cold", "warm")
_COUNTER: Final = "c"

_NAME_BYTES: Final = 64


@dataclass(slots=True)
class Story:
    """What is needed to name what is wrong with a key: its mutations and its reads, briefly."""

    written: dict[int, int] = field(default_factory=dict)
    done: list[tuple[int, Asked]] = field(default_factory=list)
    reads: list[tuple[int, Any]] = field(default_factory=list)
    answers: list[tuple[int, bool]] = field(default_factory=list)


@dataclass(slots=True)
class LibraryHistory:
    """What the lines add up to."""

    plan_sha256: str | None = None
    sha256: str = ""
    ended: str = "unfinished"
    gaps: int = 0
    torn: int = 0
    odd: int = 0
    uninvited: int = 0
    invoked: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    unexplained: int = 0
    missing: int = 0
    crashed: int = 0
    hung: int = 0
    calm: int = 0
    excused: int = 0
    answers: int = 0
    phases: dict[str, list[int]] = field(default_factory=dict)
    probes: list[dict[str, Any]] = field(default_factory=list)
    leftovers: dict[str, Any] | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    first_ns: int | None = None
    last_ns: int | None = None
    keys: dict[str, KeyJudge] = field(default_factory=dict)
    stories: dict[str, Story] = field(default_factory=dict)
    given_up: dict[str, int] = field(default_factory=dict)
    given_up_at: dict[str, int] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """How the run ended; ``broken`` where the history contradicts itself or has holes."""
        holes = self.gaps or self.torn or self.odd or self.uninvited
        return "broken" if self.ended != "unfinished" and holes else self.ended


class Reader:
    """Takes lines one by one.

    Args:
        history: is filled.
        cache: the library may drop keys.
        given_up: keys whose judgement the record gave up, and at which operation: nothing is said
            of them here either, and the count of them makes the verdict UNKNOWN at best.
    """

    def __init__(
        self, history: LibraryHistory, given_up: Mapping[str, int], *, cache: bool
    ) -> None:
        self._seen = history
        self._cache = cache
        self._given_up = given_up
        self._under_way: dict[int, tuple[KeyJudge, Asked]] = {}
        self._phase = "cold"
        self._kind: str | None = None
        self._excused = False
        self._anything = False
        self._position = 0

    def take(self, line: dict[str, Any]) -> None:
        """Take one line."""
        match line["type"]:
            case "invoke":
                self._sent(line)
            case "ok" | "fail" | "info":
                self._ended(line)
            case "phase":
                self._part(line)
            case "fault":
                self._seen.odd += line.get("kind") != self._kind
                self._seen.faults.append(line)
            case "run" if line["event"] == "begin":
                self._seen.plan_sha256 = line["plan_sha256"]
            case "run":
                self._seen.ended = "completed" if line["event"] == "end" else "interrupted"
            case "probe" if line["kind"] == "integrity":
                self._seen.probes.append(line["detail"])
            case "probe" if line["kind"] == "leftovers":
                self._seen.leftovers = line["detail"]

    def finish(self) -> None:
        """What has no end may have happened; then the last stretches are judged."""
        left = len(self._under_way)
        if left:
            self._seen.reasons["never_completed"] += left
            self._outcome("info")["?"] += left
            self._seen.unexplained += left if self._seen.state == "completed" else 0
        for number in list(self._under_way):
            self._ghost(number, never=False)

    def _outcome(self, name: str) -> Counter[str]:
        return self._seen.outcomes.setdefault(name, Counter())

    def _key(self, name: str) -> KeyJudge:
        key = self._seen.keys.get(name)
        if key is None:
            key = self._seen.keys[name] = KeyJudge(name, self._cache)
            self._seen.stories[name] = Story()
            if self._anything:
                key.anything()
        return key

    def _sent(self, line: dict[str, Any]) -> None:
        seen = self._seen
        seen.first_ns = line["mono_ns"] if seen.first_ns is None else seen.first_ns
        seen.odd += line["phase"] != self._phase
        seen.invoked += len(line["ops"])
        for number, kind, name, *more in line["ops"]:
            self._position += 1
            key = self._key(name)
            value = number if kind in _SET else (more[0] if more else 0)
            asked = Asked(number, line["worker"], kind, value, self._position)
            self._under_way[number] = (key, asked)
            key.open[number] = asked
            if kind in _SET:
                seen.stories[name].written[number] = self._position

    def _ended(self, line: dict[str, Any]) -> None:
        self._seen.last_ns = line["mono_ns"]
        counts, ok = self._outcome(line["type"]), line["type"] == "ok"
        reason = line.get("reason", "unknown")
        tally = self._seen.phases.setdefault(self._phase, [0, 0, 0]) if ok else [0, 0, 0]
        for number, *more in line["ops"]:
            self._position += 1
            if number not in self._under_way:
                self._seen.uninvited += 1
                continue
            counts[self._under_way[number][1].kind] += 1
            if ok:
                self._answered(number, more[0], tally)
            else:
                self._ghost(number, never=reason == "spawn")
        if not ok:
            self._without_answer(line, reason)

    def _without_answer(self, line: dict[str, Any], reason: str) -> None:
        seen, many = self._seen, len(line["ops"])
        seen.reasons[reason] += many
        if line["type"] == "fail":
            seen.missing += 0 if self._excused else many
        elif not reason.startswith(_OURS):
            seen.unexplained += many or 1
            seen.hung += reason in _SILENT
            seen.crashed += reason not in _SILENT

    def _answered(self, number: int, answer: Any, tally: list[int]) -> None:
        key, asked = self._under_way.pop(number)
        del key.open[number]
        asked.answer, asked.end = answer, self._position
        tally[2 if asked.kind != "get" else (1 if answer is None else 0)] += 1
        seen, story = self._seen, self._seen.stories[key.name]
        seen.answers += 1
        seen.calm += self._phase in _CALM
        seen.excused += self._excused
        story.answers.append((self._position, self._excused))
        if asked.kind == "get":
            story.reads.append((self._position, answer))
        if asked.kind != "get" and not (asked.kind == "add" and answer is False):
            story.done.append((self._position, asked))
        if self._excused:
            if isinstance(answer, str) and key.bad is None:
                key.bad = asked
        else:
            key.stretch.append(asked)
        self._judge(key, asked)

    def _ghost(self, number: int, *, never: bool) -> None:
        key, asked = self._under_way.pop(number)
        del key.open[number]
        if asked.kind not in _CHANGE_NOTHING and not never and not self._excused:
            key.lost[number] = asked
        self._judge(key, asked)

    def _judge(self, key: KeyJudge, asked: Asked) -> None:
        if self._given_up.get(key.name) == asked.number:
            self._seen.given_up[key.name] = asked.number
            self._seen.given_up_at[key.name] = self._position
        if key.open or key.bad is not None or key.name in self._given_up:
            key.stretch = [] if key.name in self._given_up else key.stretch
            return
        try:
            key.close_stretch()
        except Undecided:
            raise Unreadable(
                "history.jsonl",
                f"key {key.name}",
                "this verifier could not decide whether its answers can be explained",
            ) from None

    def _part(self, line: dict[str, Any]) -> None:
        begins = line["event"] == "begin"
        kind = line.get("kind")
        self._seen.odd += bool(self._under_way)
        self._phase, self._kind = line["phase"], kind if begins else None
        takes_away = kind is not None and kind not in _KEEPING
        if begins:
            self._excused = takes_away
        elif takes_away:
            self._excused, self._anything = False, True
            for key in self._seen.keys.values():
                key.anything()


def read_library(
    bundle: BundleFiles, stored: str, plan: Mapping[str, Any], said: Mapping[str, Any]
) -> tuple[LibraryHistory, Walk]:
    """Walk a history, count and judge it.

    Args:
        bundle: the bundle.
        stored: the name of its history.
        plan: the plan.
        said: the recorded metrics, for the keys whose judgement was given up.

    Raises:
        Unreadable: a line breaks the chain; names it.
    """
    history, walk, sha = LibraryHistory(), Walk(), hashlib.sha256()
    cache = plan["target"]["worker"]["semantics"] == "cache"
    given_up = {
        one["key"]: int(one["op"].removeprefix("op-")) for one in said["answers"]["given_up"]
    }
    reader, expected_seq = Reader(history, given_up, cache=cache), 0
    for line in walk_lines(bundle, stored, plan["run_id"], walk, sha):
        history.gaps += line["seq"] != expected_seq
        expected_seq = line["seq"] + 1
        reader.take(line)
    history.torn, history.sha256 = walk.torn, sha.hexdigest()
    reader.finish()
    return history, walk


@dataclass(frozen=True, slots=True)
class LibraryRaw:
    """All that the metrics of a library's soak are computed from.

    Args:
        plan: the plan.
        history: the counted history.
        samples: the samples of the cache's files, in their order.
        said: the recorded metrics: the counter-example's texts are not computed again.
    """

    plan: Mapping[str, Any]
    history: LibraryHistory
    samples: list[dict[str, Any]]
    said: Mapping[str, Any]


def _run(raw: LibraryRaw) -> dict[str, Any]:
    return {"state": raw.history.state, "unreadable_history_lines": raw.history.torn}


def _ops(raw: LibraryRaw) -> dict[str, Any]:
    seen, planned = raw.history, raw.plan["settings"]["ops"]["value"]
    by_kind: dict[str, dict[str, int]] = {}
    for outcome in COMPLETIONS:
        for kind, many in seen.outcomes.get(outcome, {}).items():
            by_kind.setdefault(kind, dict.fromkeys(COMPLETIONS, 0))[outcome] = many
    totals = {one: sum(kind[one] for kind in by_kind.values()) for one in COMPLETIONS}
    return {
        "ops_planned": seen.invoked if planned is None else planned,
        "ops_total": sum(totals.values()) - seen.reasons["never_completed"],
        "invoked": seen.invoked,
        **totals,
        "info_unexplained": seen.unexplained,
        "duplicate_completions": 0,
        "completions_without_invoke": seen.uninvited,
        "sequence_gaps": seen.gaps + seen.odd,
        "keys_distinct": len(seen.keys),
        "keys_contradicted": sum(key.bad is not None for key in _judged(raw)),
        "answers_compared": seen.answers,
        "by_kind": dict(sorted(by_kind.items())),
        "by_reason": {reason: many for reason, many in sorted(seen.reasons.items()) if many},
        "alarming_stderr": 0,
    }


def _judged(raw: LibraryRaw) -> list[KeyJudge]:
    return [key for key in raw.history.keys.values() if key.name not in raw.history.given_up]


def _answers(raw: LibraryRaw) -> dict[str, Any]:
    seen = raw.history
    bad = sorted(
        ((key, key.bad) for key in _judged(raw) if key.bad is not None),
        key=lambda one: one[1].number,
    )
    findings = [
        {
            "key": key.name,
            "op": f"op-{asked.number:06d}",
            "kind": asked.kind,
            "answer": worth_of(key.name, asked, seen.stories[key.name]),
        }
        for key, asked in bad
    ]
    ends = [(key.name, asked.end or 0) for key, asked in bad]
    ends += list(seen.given_up_at.items())
    late = sum(
        position > end and not excused
        for name, end in ends
        for position, excused in seen.stories[name].answers
    )
    worth = Counter(one["answer"] for one in findings)
    checked = seen.answers - seen.excused - late
    return {
        "oracle": "model",
        "checked": checked,
        "right": checked - len(findings),
        **{one: worth[one] for one in ("wrong", "stale", "lost_write")},
        "missing": seen.missing,
        "crashed": seen.crashed,
        "hung": seen.hung,
        "unjudged": seen.excused + late,
        "indeterminate": sum(seen.outcomes.get("info", {}).values()),
        "calm_checked": seen.calm,
        "keys_checked": len(seen.keys),
        "keys_unknown": len(seen.given_up),
        "given_up": [
            {"key": name, "op": f"op-{number:06d}"}
            for name, number in sorted(seen.given_up.items())
        ],
        "findings": _with_words(raw, findings),
        "first": _first(raw, findings),
    }


def _with_words(raw: LibraryRaw, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return them with the record's own words, which nothing computes a second time."""
    told = raw.said["answers"].get("findings")
    words = {
        one["op"]: one["words"]
        for one in (told if isinstance(told, list) else ())
        if isinstance(one, dict) and "words" in one
    }
    return [{**one, "words": words[one["op"]]} if one["op"] in words else one for one in findings]


def _first(raw: LibraryRaw, findings: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the counter-example with what is computed of it; its words are the record's own."""
    told = raw.said["answers"].get("first")
    if not findings or not isinstance(told, dict):
        return None
    found = findings[0]
    return {**told, **{name: found[name] for name in ("op", "kind", "key", "answer")}}


def worth_of(name: str, asked: Asked, story: Story) -> str:
    """Name what is wrong with an answer: see `docs/reference/worker.md`."""
    answer, end = asked.answer, asked.end or 0
    if isinstance(answer, str):
        return "wrong"
    if asked.kind == "incr" and any(
        at < end and one.kind == "incr" and one.answer == answer for at, one in story.done
    ):
        return "lost_write"
    register = not name.startswith(_COUNTER)
    number = answer is not None and not isinstance(answer, bool)
    unwritten = number and story.written.get(answer, end) >= end
    if asked.kind == "get" and register and unwritten:
        return "wrong"
    before = [
        (at, one)
        for at, one in story.done
        if at < asked.begin
        or (at < end and one.worker == asked.worker and one.number < asked.number)
    ]
    if not before:
        return "stale" if asked.kind == "get" else "wrong"
    at, last = before[-1]
    stored = last.kind in _SET
    if asked.kind == "get":
        return _worth_of_get(asked, at, last, story)
    if asked.kind == "incr":
        if last.kind != "incr":
            return "stale"
        return "lost_write" if answer is not None and answer <= last.answer else "wrong"
    absent = {"add": True, "delete": False, "expire": False}
    if asked.kind in absent and (stored or last.kind == "incr"):
        return "lost_write" if answer == absent[asked.kind] else "wrong"
    return "wrong" if stored else "stale"


def _worth_of_get(asked: Asked, at: int, last: Asked, story: Story) -> str:
    answer, end = asked.answer, asked.end or 0
    if last.kind in _SET:
        changed = min((place for place, _ in story.done if place > end), default=None)
        after = [(place, value) for place, value in story.reads if place > end]
        if after and (changed is None or after[0][0] < changed):
            was_there = _same(after[0][1], last.value)
        else:
            was_there = any(
                at < place < end and _same(value, last.value) for place, value in story.reads
            )
        return "stale" if was_there else "lost_write"
    if last.kind == "incr":
        return "lost_write" if answer is None or answer < last.answer else "wrong"
    return "stale"


def _same(value: Any, write: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value == write


def _cache(raw: LibraryRaw) -> dict[str, Any]:
    return {
        phase: {
            "hits": hits,
            "misses": misses,
            "writes": writes,
            "hit_rate": round(hits / (hits + misses), 6) if hits + misses else None,
            "samples": hits + misses + writes,
        }
        for phase, (hits, misses, writes) in sorted(raw.history.phases.items())
    }


def _locks(raw: LibraryRaw) -> dict[str, Any]:
    del raw
    return {"lock_wait": 0, "lock_timeout": 0, "waited_ms_total": 0, "by_cause": {}}


def _telemetry(raw: LibraryRaw) -> dict[str, Any]:
    del raw
    zeros = (
        "files events unreadable_lines orphan_events ops_without_events lost_events "
        "duplicate_events foreign_run_events ops_checked degraded recovered contradictions"
    )
    return {**dict.fromkeys(zeros.split(), 0), "by_cmd": {}, "unreadable": []}


def _integrity(raw: LibraryRaw) -> dict[str, Any]:
    answers = [probe["result"] for probe in raw.history.probes]
    complaints = [answer for answer in answers if answer != "ok"]
    return {
        "integrity_check": (complaints or answers or [None])[0],
        "databases_checked": len(answers),
        "databases": raw.history.probes,
    }


def stored_bytes(raw: LibraryRaw) -> int:
    """Return the most that all keys can hold."""
    asked = raw.plan["campaign"]["kv"]
    most: int = asked["value_bytes"][1] + _NAME_BYTES
    return int((asked["keys"] + asked["counters"]) * most)


def _informational(raw: LibraryRaw) -> dict[str, Any]:
    seen, elapsed_s = raw.history, None
    if seen.first_ns is not None and seen.last_ns is not None:
        elapsed_s = round((seen.last_ns - seen.first_ns) / 1e9, 3)
    done = sum(seen.outcomes.get("ok", {}).values())
    throughput = round(done / elapsed_s, 2) if elapsed_s else None
    return {"latency_ms": {}, "throughput_ops_s": throughput, "elapsed_s": elapsed_s}


LIBRARY_GROUPS: Final[Mapping[str, Callable[[LibraryRaw], dict[str, Any]]]] = {
    "run": _run,
    "ops": _ops,
    "answers": _answers,
    "cache": _cache,
    "locks": _locks,
    "telemetry": _telemetry,
    "integrity": _integrity,
    "informational": _informational,
}
"""Group of the metrics of a library's soak → how it is recomputed; growth and faults are alike."""
