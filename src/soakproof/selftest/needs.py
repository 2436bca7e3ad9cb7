"""What a defect needs of a target, and what it must show there. Pure: documents in, words out."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from soakproof.selftest.panel import Defect, Family, Need

__all__ = ["LEAK", "fitted", "lack", "pad"]

LEAK: Final = "soakproof-{op}.leaked"
"""Name of a file that belongs to no cache."""

_PAD: Final = "soakproof_pad"

_NO_TELEMETRY: Final = "the target has no telemetry"


def lack(defect: Defect, target: Mapping[str, Any], kinds: Collection[str]) -> str:
    """Return what a defect needs and the target does not have, in words; or nothing.

    Args:
        defect: what is to be planted.
        target: a validated target document.
        kinds: the operations that the campaign asks.
    """
    if defect.family is not Family.WRAPPER:
        return ""
    return next(filter(None, (_LACKS[need](target, kinds) for need in defect.needs)), "")


def fitted(defect: Defect, target: Mapping[str, Any], kinds: Collection[str]) -> Defect:
    """Return a defect with what it must show in this target: half a text is an answer, too."""
    forms = {target["operations"][kind].get("answer", "json") for kind in kinds}
    if defect.family is Family.WRAPPER and defect.expects_of_text and forms != {"json"}:
        return replace(defect, expects=defect.expects_of_text)
    return defect


def pad(cache: Mapping[str, Any]) -> str:
    """Return the path of a file that plays a known part and is no database; or nothing."""
    databases = cache.get("integrity", ())
    globs = (rule["glob"] for rule in reversed(cache["roles"]) if rule["role"] not in databases)
    fit = (glob for glob in globs if "*" in glob.rpartition("/")[2] and "[" not in glob)
    return next((glob.replace("*", _PAD).replace("?", "0") for glob in fit), "")


def _telemetry(target: Mapping[str, Any], _kinds: Collection[str]) -> str:
    return "" if "telemetry" in target else _NO_TELEMETRY


def _lock_waits(target: Mapping[str, Any], _kinds: Collection[str]) -> str:
    if "telemetry" not in target:
        return _NO_TELEMETRY
    if not target["telemetry"]["lock_wait"]:
        return "the target has no event for a wait (telemetry.lock_wait)"
    return "" if "lock" in target["cache"] else "the target names no lock file (cache.lock)"


def _lock_timeouts(target: Mapping[str, Any], _kinds: Collection[str]) -> str:
    if "telemetry" not in target:
        return _NO_TELEMETRY
    told = target["telemetry"]["lock_timeout"]
    return "" if told else "the target has no event for giving up (telemetry.lock_timeout)"


def _hits(target: Mapping[str, Any], _kinds: Collection[str]) -> str:
    if not {"telemetry", "hits"} & target.keys():
        return "nobody sees a hit: the target has neither telemetry nor [hits]"
    if target["cache"]["directory"].rstrip("/") == "{segment}":
        return "the cache cannot be told from what is asked about (cache.directory)"
    return ""


def _leftovers(target: Mapping[str, Any], _kinds: Collection[str]) -> str:
    name = LEAK.replace("{op}", "2")
    for rule in target["cache"]["roles"]:
        if fnmatch.fnmatchcase(name, rule["glob"]):
            taken = f"the role {rule['role']} takes every file ({rule['glob']!r})"
            return f"{taken}, so nothing can be a leftover: name what belongs (cache.roles)"
    return ""


def _part(target: Mapping[str, Any], _kinds: Collection[str]) -> str:
    return "" if pad(target["cache"]) else "no role with a * in its name is open to another file"


def _stderr(target: Mapping[str, Any], kinds: Collection[str]) -> str:
    streams = {target["operations"][kind].get("answer_stream", "stdout") for kind in kinds}
    return "all answers are printed on standard error" if streams == {"stderr"} else ""


_LACKS: Final[Mapping[Need, Callable[[Mapping[str, Any], Collection[str]], str]]] = {
    Need.TELEMETRY: _telemetry,
    Need.LOCK_WAITS: _lock_waits,
    Need.LOCK_TIMEOUTS: _lock_timeouts,
    Need.HITS: _hits,
    Need.LEFTOVERS: _leftovers,
    Need.PART: _part,
    Need.STDERR: _stderr,
}
