"""Whether a campaign and its target fit each other, beyond what the schemas can say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["Misfit", "misfits"]

_ONE_FILE: Final = frozenset({"modules", "files"})


@dataclass(frozen=True, slots=True)
class Misfit:
    """What does not fit.

    Args:
        file: in which file it is to be mended.
        key: dotted key in it.
        problem: what was expected and what was found.
    """

    file: Literal["campaign", "target"]
    key: str
    problem: str


def misfits(campaign: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Misfit]:
    """Yield everything that does not fit, of two validated documents."""
    yield from _mix(campaign, target)
    for kind, operation in target["operations"].items():
        yield from _operation(kind, operation, has_telemetry="telemetry" in target)
    yield from _patterns(target)
    yield from _edits(campaign, target)
    cache = target["cache"]
    roles = {rule["role"] for rule in cache["roles"]}
    for at, role in enumerate(cache.get("integrity", ())):
        if role not in roles:
            problem = f"expected a role of this cache ({', '.join(sorted(roles))}), found {role!r}"
            yield Misfit("target", f"cache.integrity[{at}]", problem)
    if "{cache}" in cache["directory"]:
        problem = "expected a folder in {segment} or {scratch}, found one that names itself"
        yield Misfit("target", "cache.directory", problem)


def _mix(campaign: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Misfit]:
    mix, operations = campaign["workload"]["mix"], target["operations"]
    unknown = sorted(set(mix) - set(operations))
    if unknown:
        known = ", ".join(sorted(operations))
        problem = f"expected operations of the target ({known}), found {unknown[0]!r}"
        yield Misfit("campaign", "workload.mix", problem)
        return
    sources = {operations[kind]["keys"] for kind in mix}
    if "queries" in sources and not campaign["workload"]["queries"]:
        problem = "expected at least one query, found none; the mix has operations that need them"
        yield Misfit("campaign", "workload.queries", problem)
    if sources >= _ONE_FILE:
        problem = "expected keys of one kind, found both modules and files; ask for files alone"
        yield Misfit("campaign", "workload.mix", problem)


def _operation(kind: str, operation: Mapping[str, Any], *, has_telemetry: bool) -> Iterator[Misfit]:
    at = f"operations.{kind}"
    if operation["depends"] == "key" and operation["keys"] not in _ONE_FILE:
        problem = (
            f'expected "segment" or files, found "key": a key of {operation["keys"]!r} is no file'
        )
        yield Misfit("target", f"{at}.depends", problem)
    if has_telemetry and "telemetry_cmd" not in operation:
        problem = "expected telemetry_cmd, because the target has telemetry; found none"
        yield Misfit("target", at, problem)
    if operation["keys"] != "files" and "glob" in operation:
        problem = f"expected none with keys of {operation['keys']!r}, found one"
        yield Misfit("target", f"{at}.glob", problem)


def _patterns(target: Mapping[str, Any]) -> Iterator[Misfit]:
    """Yield regular expressions that are none, and replacements that name no group."""
    rules = target.get("normalise", {}).get("rules", ())
    found = [
        (f"operations.{kind}.answer_pattern", one["answer_pattern"], "")
        for kind, one in target["operations"].items()
        if "answer_pattern" in one
    ]
    found += [
        (f"normalise.rules[{at}]", rule["pattern"], rule["replace"])
        for at, rule in enumerate(rules)
    ]
    if "hits" in target:
        found.append(("hits.pattern", target["hits"]["pattern"], ""))
    if "pattern" in target.get("edits", {}):
        found.append(("edits.pattern", target["edits"]["pattern"], ""))
    for key, pattern, replace in found:
        try:
            re.compile(pattern, re.MULTILINE)
            # Against an empty match: a group that does not exist is refused whatever the text.
            re.sub(f"(?:{pattern})|", replace, "")
        except (re.error, IndexError) as problem:
            said = f"expected a regular expression and a replacement for it, found {pattern!r}"
            yield Misfit("target", key, f"{said} ({problem})")


def _edits(campaign: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Misfit]:
    edits = campaign.get("episodes", {}).get("edits", ())
    sources = {
        target["operations"].get(kind, {}).get("keys") for kind in campaign["workload"]["mix"]
    }
    if edits and "modules" not in sources and "edits" not in target:
        problem = "expected `edits` (how a file is changed), because the campaign edits; found none"
        yield Misfit("target", "", problem)
