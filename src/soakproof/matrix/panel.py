"""The panel: what every tool is asked, and what one tool says of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Panel", "Promise", "Row", "choose"]


@dataclass(frozen=True, slots=True)
class Promise:
    """One column: a question, the soak that asks it, and what is a no.

    Args:
        promise_id: of the promise.
        question: the column's head.
        proves: what a yes stands for, in a sentence.
        episodes: how many episodes ask it.
        faults: kinds of faults, of which the campaign's are kept; none: without faults.
        edits: kinds of edits, of which the campaign's are kept; none: without edits.
        all_kinds: ask with every kind of operation of the mix, not the first alone.
        red: criteria of which one that is FAIL is a no.
        floor_checked: answers that have to be held against the oracle for a yes.
        floor_effects: faults that have to be seen to take effect for a yes.
        floor_edits: edits that have to change a right answer for a yes.
        asks: operations of an episode under its fault; ``None``: the campaign's.
        workers: processes at once; ``None``: the panel's.
        same_soak_as: a promise whose soak this one is read from; ``None``: its own.
    """

    promise_id: str
    question: str
    proves: str
    episodes: int
    faults: Sequence[str]
    edits: Sequence[str]
    all_kinds: bool
    red: Sequence[str]
    floor_checked: int
    floor_effects: int
    floor_edits: int
    asks: int | None = None
    workers: int | None = None
    same_soak_as: str | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the promise of a validated ``[[promises]]`` table."""
        faults, edits = document.get("faults", ()), document.get("edits", ())
        return cls(
            promise_id=document["id"],
            question=document["question"],
            proves=document["proves"],
            episodes=document["episodes"],
            faults=faults,
            edits=edits,
            all_kinds=document.get("all_kinds", False),
            red=document["red"],
            floor_checked=document["floor_checked"],
            floor_effects=document.get("floor_effects", 1 if faults else 0),
            floor_edits=document.get("floor_edits", 1 if edits and not faults else 0),
            asks=document.get("asks"),
            workers=document.get("workers"),
            same_soak_as=document.get("same_soak_as"),
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """The whole panel.

    Args:
        seed: of every soak.
        workers: processes at once.
        promises: the columns.
        targets: the rows, as folders in ``eval/targets/``.
    """

    seed: int
    workers: int
    promises: Sequence[Promise]
    targets: Sequence[str]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the panel of a validated ``eval/matrix.toml``."""
        promises = [Promise.of(one) for one in document["promises"]]
        return cls(document["seed"], document["workers"], promises, document["targets"])


@dataclass(frozen=True, slots=True)
class Row:
    """One tool in one version, as its ``row.toml`` tells of it.

    Args:
        document: the validated document.
    """

    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return str(self.document["name"])

    @property
    def not_promised(self) -> Mapping[str, str]:
        """Promise → why its makers do not make it."""
        given: Mapping[str, str] = self.document.get("not_promised", {})
        return given

    @property
    def known(self) -> Mapping[str, str]:
        """Promise → what the panel must show (``yes`` or ``no``), where that is known."""
        calibration = self.document.get("calibration", {})
        return {name: shown for shown in ("yes", "no") for name in calibration.get(shown, ())}


def choose(asked: str, known: Sequence[str]) -> list[str]:
    """Return names out of a list with commas, in the order of ``known``; all when none is asked.

    Raises:
        KeyError: there is none of that name; it is the error's argument.
    """
    names = [name.strip() for name in asked.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise KeyError(name)
    return [name for name in known if not names or name in names]
