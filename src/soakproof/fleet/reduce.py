"""Make a failing case smaller while it still fails. Pure: who asks whether it fails is given.

First whole episodes, then single operations, faults and edits (:mod:`soakproof.fleet.ddmin`), then
keys, processes, windows, and the modules that nobody asks about.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from soakproof.fleet.ddmin import ddmin

__all__ = ["BudgetUsed", "Case", "Fails", "reduced", "size_of"]

Case = Mapping[str, Any]
Fails = Callable[[Case], bool]
Element = tuple[str, int | str]
"""``("op", index)``, ``("edit", index of its operation)`` or ``("fault", id)``."""

_MOST_KEYS: Final = 8
"""With more keys than this left, none is tried in another's place."""


class BudgetUsed(Exception):
    """No more soaks may be spent."""


def reduced(case: Case, fails: Fails) -> tuple[dict[str, Any], bool]:
    """Return the smallest case found, and whether the search came to its end.

    Args:
        case: it fails.
        fails: whether another one fails for the same reason; may raise :class:`BudgetUsed`.
    """
    search = _Search(case, fails)
    try:
        for step in (
            search.modules,
            search.episodes,
            search.elements,
            search.workers,
            search.keys,
            search.windows,
            search.elements,
            search.modules,
        ):
            step()
    except BudgetUsed:
        return dict(search.best), False
    return dict(search.best), True


def size_of(case: Case) -> tuple[int, int, int]:
    """Return how many operations, faults and edits a case has."""
    operations = case["script"]["operations"]
    edits = sum(one["edit"] is not None for one in operations)
    return len(operations), len(case["script"]["faults"]), edits


class _Search:
    """Holds the smallest case that was seen to fail."""

    def __init__(self, case: Case, fails: Fails) -> None:
        self.best = case
        self._fails = fails

    def episodes(self) -> None:
        """Leave out whole episodes, and the calm phases."""
        whole = self.best
        groups = _groups(whole)

        def try_groups(some: Sequence[Sequence[Element]]) -> bool:
            return self._try(_only(whole, itertools.chain.from_iterable(some)))

        ddmin(groups, try_groups)

    def elements(self) -> None:
        """Leave out single operations, faults and edits."""
        whole = self.best
        ddmin(_elements(whole), lambda some: self._try(_only(whole, some)))

    def keys(self) -> None:
        """Ask one key in place of another."""
        for old, new in _key_pairs(self.best):
            if old in _keys(self.best):
                self._try(_renamed(self.best, old, new))

    def workers(self) -> None:
        """Use fewer processes: the fewest that fail."""
        for workers in range(1, self.best["workers"]):
            if self._try({**self.best, "workers": workers}):
                return

    def windows(self) -> None:
        """Halve every time in faults and edits while it still fails."""
        for place, name in _times(self.best):
            while (shorter := _shorter(self.best, place, name)) is not None and self._try(shorter):
                pass

    def modules(self) -> None:
        """Leave out the modules that nobody asks about."""
        asked = _keys(self.best)
        modules = [name for name in self.best["modules"] if name in asked]
        modules = modules or self.best["modules"][:1]
        if len(modules) < len(self.best["modules"]):
            self._try({**self.best, "modules": modules})

    def _try(self, candidate: Case | None) -> bool:
        if candidate is None:
            return False
        if candidate == self.best or self._fails(candidate):
            self.best = candidate
            return True
        return False


def _elements(case: Case) -> list[Element]:
    operations = case["script"]["operations"]
    return [
        *(("fault", one["fault"]) for one in case["script"]["faults"]),
        *(("edit", one["index"]) for one in operations if one["edit"] is not None),
        *(("op", one["index"]) for one in operations),
    ]


def _groups(case: Case) -> list[list[Element]]:
    """Return the elements of each episode, and of each calm phase."""
    groups: dict[str, list[Element]] = {}
    for one in case["script"]["operations"]:
        name = one["phase"] if one["episode"] is None else str(one["episode"])
        group = groups.setdefault(name, [])
        group.append(("op", one["index"]))
        if one["edit"] is not None:
            group.append(("edit", one["index"]))
    at = {one["index"]: one["phase"] for one in case["script"]["operations"]}
    for one in case["script"]["faults"]:
        calm = one["episode"] is None
        groups[at[one["at_op"]] if calm else str(one["episode"])].append(("fault", one["fault"]))
    return list(groups.values())


def _only(case: Case, elements: Iterable[Element]) -> Case | None:
    """Return the case with these elements alone; nothing where no operation is left."""
    kept = set(elements)
    operations = [
        {**one, "edit": one["edit"] if ("edit", one["index"]) in kept else None}
        for one in case["script"]["operations"]
        if ("op", one["index"]) in kept
    ]
    if not operations:
        return None
    left = {one["index"] for one in operations}
    storms = {one["episode"] for one in operations if one["phase"] == "storm"}
    faults = [
        one
        for one in case["script"]["faults"]
        if ("fault", one["fault"]) in kept
        and (one["at_op"] in left if one["episode"] is None else one["episode"] in storms)
    ]
    return {**case, "script": {"operations": operations, "faults": faults}}


def _keys(case: Case) -> list[str]:
    return list(dict.fromkeys(one["key"] for one in case["script"]["operations"]))


def _key_pairs(case: Case) -> Iterator[tuple[str, str]]:
    keys = _keys(case)
    if len(keys) <= _MOST_KEYS:
        yield from ((old, new) for new, old in itertools.combinations(keys, 2))


def _renamed(case: Case, old: str, new: str) -> Case:
    operations = [
        {**one, "key": new if one["key"] == old else one["key"]}
        for one in case["script"]["operations"]
    ]
    return {**case, "script": {**case["script"], "operations": operations}}


Place = tuple[str | int, ...]


def _times(case: Case) -> Iterator[tuple[Place, str]]:
    """Yield where a time stands: of faults those whose name ends in ``_ms``, of edits the pause."""
    for at, fault in enumerate(case["script"]["faults"]):
        for name, value in fault["params"].items():
            if name.endswith("_ms") and isinstance(value, int):
                yield ("faults", at, "params"), name
    for at, one in enumerate(case["script"]["operations"]):
        if one["edit"] is not None:
            yield ("operations", at, "edit"), "pause_ms"


def _shorter(case: Case, place: Place, name: str) -> Case | None:
    made: Any = copy.deepcopy(dict(case))
    holder: Any = made["script"]
    for part in place:
        holder = holder[part]
    if holder[name] <= 1:
        return None
    holder[name] //= 2
    shorter: Case = made
    return shorter
