"""Judge the answers again: each against every version of its input that was there meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from soakproof.verifier.history import Call, History

__all__ = ["BAD", "Stretch", "Versions", "judge_answers"]

BAD: Final = ("stale", "wrong", "missing", "crashed", "hung")
_OTHERS: Final = ("right", "unjudged", "indeterminate")
_OF_INFO: Final = {"hung": "hung", "deadline": "missing", "signal": "crashed"}
"""What an operation without an end means, by its reason; all others: nobody can say."""

_CALM: Final = ("cold", "warm")
_UNEDITED: Final = "original"


@dataclass(slots=True)
class Stretch:
    """How long a version of a file may have been seen, and when it certainly was (mono ns)."""

    version: str
    begin_ns: float
    made_ns: float | None
    gone_ns: float | None = None
    torn: bool = False
    edit: str | None = None

    def seen(self, begin_ns: int, end_ns: int) -> bool:
        """Whether it may have been seen between two moments."""
        return self.begin_ns <= end_ns and (self.gone_ns is None or self.gone_ns >= begin_ns)

    def being_made(self, begin_ns: int, end_ns: int) -> bool:
        """Whether the step that made it fell between two moments."""
        return self.begin_ns <= end_ns and (self.made_ns is None or self.made_ns >= begin_ns)


class Versions:
    """All versions of all edited files, from the edits in the history."""

    def __init__(self, edits: list[dict[str, Any]]) -> None:
        self.paths: dict[str, list[Stretch]] = {}
        for line in edits:
            known = self.paths.setdefault(line["path"], [])
            match line["event"]:
                case "initial" if not known:
                    known.append(Stretch(line["version"], -1, -1))
                case "begin":
                    torn = not line.get("detail", {}).get("atomic", True)
                    stretch = Stretch(line["version"], line["mono_ns"], None, torn=torn)
                    stretch.edit = line.get("edit")
                    known.append(stretch)
                case "end" if known:
                    known[-1].made_ns = line["mono_ns"]
                    for before in known[-2:-1]:
                        before.gone_ns = line["mono_ns"]

    def seen(self, path: str, begin_ns: int, end_ns: int) -> list[str]:
        """Return the versions of a file that may have been seen, oldest first."""
        known = self.paths.get(path) or [Stretch(_UNEDITED, -1, -1)]
        return list(dict.fromkeys(one.version for one in known if one.seen(begin_ns, end_ns)))

    def gone(self, path: str, begin_ns: int) -> list[str]:
        """Return the versions of a file that were certainly gone, oldest first."""
        known = self.paths.get(path, [])
        old = (one for one in known if one.gone_ns is not None and one.gone_ns < begin_ns)
        return list(dict.fromkeys(one.version for one in old))

    def torn(self, path: str, begin_ns: int, end_ns: int) -> bool:
        """Return whether a file may have been seen half-written."""
        known = self.paths.get(path, [])
        return any(one.torn and one.being_made(begin_ns, end_ns) for one in known)

    def whole(self, begin_ns: int, end_ns: int) -> str | None:
        """Return the name of the state of all files, or nothing where it changed meanwhile."""
        state = []
        for path in self.paths:
            seen = self.seen(path, begin_ns, end_ns)
            if len(seen) != 1 or self.torn(path, begin_ns, end_ns):
                return None
            state.append((path, seen[0]))
        return hashlib.sha256(json.dumps(sorted(state)).encode()).hexdigest()

    def edits(self, begin_ns: int, end_ns: int) -> list[str]:
        """Return the edits with a step between two moments."""
        found = []
        for one in (one for known in self.paths.values() for one in known):
            ended = one.begin_ns if one.made_ns is None else one.made_ns
            if one.edit is not None and one.begin_ns <= end_ns and ended >= begin_ns:
                found.append(one.edit)
        return list(dict.fromkeys(found))


_Question = tuple[str, str, str]
_Given = tuple[int | None, str | None]


def judge_answers(
    plan: Mapping[str, Any], history: History, expected: list[dict[str, Any] | None] | None
) -> tuple[dict[str, Any], tuple[str, Call, str, list[str]] | None]:
    """Return the counts of the ``answers`` group, and the first answer that is bad.

    Args:
        plan: the plan.
        history: the counted history.
        expected: the oracle's answers, ``None`` for one that cannot be read; ``None`` for all of
            it: it was not asked.

    Returns:
        The counts; and of the first bad answer: operation, call, what it was, versions.
    """
    if "oracle" not in plan["target"]:
        return {"oracle": "none"}, None
    if expected is None:
        return {"oracle": "not_asked"}, None
    right: dict[_Question, _Given] = {
        (one["kind"], one["key"], one["version"]): (one["exit_code"], one.get("answer_sha256"))
        for one in expected
        if one is not None
    }
    versions, operations = Versions(history.edits), plan["target"]["operations"]
    judged = []
    for op, call in history.calls.items():
        by_key = operations[call.kind]["depends"] == "key"
        worth, seen = _judge(call, versions, right, by_key=by_key)
        judged.append((op, call, worth, seen))
    counts = _count(judged)
    first = next((one for one in judged if one[2] in BAD), None)
    head = {
        "oracle": "asked",
        "questions": len(right),
        "unreadable_lines": sum(one is None for one in expected),
    }
    return {**head, **counts}, first


def _judge(
    call: Call, versions: Versions, right: Mapping[_Question, _Given], *, by_key: bool
) -> tuple[str, list[str]]:
    """Return what an answer was worth, and the versions that may have been seen."""
    begin_ns = call.invoked_ns
    end_ns = 0 if call.ended is None else call.ended["mono_ns"]
    if by_key:
        path = call.key.replace(".", "/") + ".py"
        seen, torn = versions.seen(path, begin_ns, end_ns), versions.torn(path, begin_ns, end_ns)
        old = [one for one in versions.gone(path, begin_ns) if one not in seen]
    else:
        state = versions.whole(begin_ns, end_ns)
        seen, torn, old = [] if state is None else [state], state is None, []
    return _worth(call, right, seen, old, torn=torn), seen


def _worth(
    call: Call,
    right: Mapping[_Question, _Given],
    seen: list[str],
    old: list[str],
    *,
    torn: bool,
) -> str:
    ended = call.ended
    if ended is None or call.outcome == "info":
        return _OF_INFO.get((ended or {}).get("reason", ""), "indeterminate")
    given = ended.get("exit_code"), ended.get("answer_sha256")
    known = [right.get((call.kind, call.key, version)) for version in seen]
    if given in known:
        return "right"
    if torn or not known or None in known:
        return "unjudged"
    if given in [right.get((call.kind, call.key, version)) for version in old]:
        return "stale"
    if call.outcome == "ok":
        return "wrong"
    return "crashed" if ended.get("detail", {}).get("traceback") else "missing"


def _count(judged: list[tuple[str, Call, str, list[str]]]) -> dict[str, Any]:
    worths = [worth for _, _, worth, _ in judged]
    counts: dict[str, Any] = {name: worths.count(name) for name in (*BAD, *_OTHERS)}
    calm = [worth for _, call, worth, _ in judged if call.phase in _CALM]
    after = list(_after(judged))
    counts |= {
        "checked": sum(map(_is_judged, worths)),
        "calm_checked": sum(map(_is_judged, calm)),
        "calm_bad": sum(worth in BAD for worth in calm),
        "after_checked": sum(_is_judged(second) for _, second in after),
        "broken": sum(second in BAD for _, second in after),
        "healed": sum(first in BAD and second == "right" for first, second in after),
    }
    checked = counts["calm_checked"]
    counts["holds"] = 2 * counts["calm_bad"] <= checked if checked else None
    if counts["holds"] is False:
        counts |= dict.fromkeys((*BAD, "broken", "healed"))
    return counts


def _after(judged: list[tuple[str, Call, str, list[str]]]) -> Iterator[tuple[str, str]]:
    """Yield what each key's first and second answer after its episode were worth."""
    asked: dict[tuple[int, str, str], dict[int, str]] = {}
    for _, call, worth, _ in judged:
        if call.phase == "after" and "episode" in call.asked:
            key = call.asked["episode"], call.kind, call.key
            asked.setdefault(key, {})[call.asked.get("again", 0)] = worth
    yield from ((both.get(1, ""), both.get(2, "")) for both in asked.values())


def _is_judged(worth: str) -> bool:
    return worth == "right" or worth in BAD
