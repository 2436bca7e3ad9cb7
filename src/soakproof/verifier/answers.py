"""Judge the answers again: what was given, against what the oracle said of each version.

An answer is right where the oracle gives the same for a version that could be seen while the
operation ran, stale where it gives the same only for one that was gone before it was asked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from soakproof.verifier.history import Call
from soakproof.verifier.raw import Given, Raw
from soakproof.verifier.scope import reach_of
from soakproof.verifier.versions import Seen, Step, seen, steps_of

__all__ = ["Judged", "count_answers", "judge_answers"]

_BAD: Final = ("stale", "wrong", "missing", "crashed", "hung")
_DOUBTFUL: Final = ("unjudged", "indeterminate")
_CALM: Final = ("cold", "warm")
_ONE_OF_BOTH: Final = 2
"""Less than one calm answer of so many agrees: the oracle does not hold."""

_ENDS: Final = {"hung": "hung", "deadline": "missing", "signal": "crashed"}
"""Why an operation may have happened → what that is worth; all else: nobody can say."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An operation and what its answer was worth.

    Args:
        op: its id.
        call: what was asked and what came of it.
        worth: ``right``, ``stale`` and so on.
        seen: what it may have found as its input.
        stale_of: the version that was gone, whose answer it is.
    """

    op: str
    call: Call
    worth: str
    seen: Seen
    stale_of: str = ""

    @property
    def bad(self) -> bool:
        """Whether it was seen to be not right."""
        return self.worth in _BAD

    @property
    def checked(self) -> bool:
        """Whether anybody can say."""
        return self.worth not in _DOUBTFUL


def judge_answers(raw: Raw) -> list[Judged]:
    """Judge every operation, in the order in which they were asked."""
    steps = steps_of(raw.history.edits)
    return [_judge(raw, steps, op, call) for op, call in raw.history.calls.items()]


def _judge(raw: Raw, steps: dict[str, list[Step]], op: str, call: Call) -> Judged:
    earlier = raw.plan.get("measures", 1) > 1
    found = seen(steps, reach_of(raw.plan, call.kind, call.key), call.span, earlier=earlier)
    if call.ended is None or call.ended["type"] == "info":
        reason = "" if call.ended is None else call.ended.get("reason", "")
        return Judged(op, call, _ENDS.get(reason, "indeterminate"), found)
    given = (call.ended.get("exit_code"), call.ended.get("answer_sha256"))

    def said(version: str) -> Given | None:
        return raw.oracle.answers.get((call.kind, call.key, version))

    right = [said(version) for version in found.current]
    if given in right:
        return Judged(op, call, "right", found)
    if found.torn or None in right or not right:
        return Judged(op, call, "unjudged", found)
    for version in found.gone:
        if said(version) == given:
            return Judged(op, call, "stale", found, version)
    return Judged(op, call, _no_answer(call.ended), found)


def _no_answer(ended: dict[str, Any]) -> str:
    if ended["type"] == "ok":
        return "wrong"
    return "crashed" if ended.get("detail", {}).get("traceback") else "missing"


def count_answers(judged: list[Judged], *, agreed: bool = False) -> dict[str, Any]:
    """Count them; where the oracle does not hold, nobody knows how many were bad.

    Args:
        judged: all of them.
        agreed: whether right ones without an answer are counted apart.
    """
    silent = sum(one.worth == "right" and one.call.outcome != "ok" for one in judged)
    worths = Counter(one.worth for one in judged)
    calm = [one for one in judged if one.call.phase in _CALM]
    calm_checked, calm_bad = sum(one.checked for one in calm), sum(one.bad for one in calm)
    holds = calm_bad * _ONE_OF_BOTH <= calm_checked if calm_checked else None
    twice = _asked_twice(judged)
    second = [asks[2] for asks in twice if 2 in asks]  # noqa: PLR2004 - the second time
    once = [(asks[1], asks[2]) for asks in twice if {1, 2} <= asks.keys()]
    bad = {name: worths[name] for name in _BAD}
    bad["broken"] = sum(one.bad for one in second)
    bad["healed"] = sum(before.bad and one.worth == "right" for before, one in once)
    return {
        **{name: worths[name] for name in ("right", *_DOUBTFUL)},
        **({"agreed_without_answer": silent} if agreed else {}),
        **(dict.fromkeys(bad) if holds is False else bad),
        "checked": sum(one.checked for one in judged),
        "calm_checked": calm_checked,
        "calm_bad": calm_bad,
        "after_checked": sum(one.checked for one in second),
        "holds": holds,
    }


def _asked_twice(judged: list[Judged]) -> list[dict[int, Judged]]:
    """Return, for what was asked after each fault was healed, how often asked → what came."""
    asks: dict[tuple[int, str, str], dict[int, Judged]] = {}
    for one in judged:
        asked = one.call.asked
        if one.call.phase == "after" and "episode" in asked:
            question = (asked["episode"], one.call.kind, one.call.key)
            asks.setdefault(question, {})[asked.get("again", 0)] = one
    return list(asks.values())
