"""Which edits of a run could be noticed at all: those that changed a right answer. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from soakproof.matrix.cells import Edits
from soakproof.model import Expected, HistoryLine

__all__ = ["count_edits"]

_Answer = tuple[int, str | None]


@dataclass(slots=True)
class _Edit:
    key: str
    versions: set[str] = field(default_factory=set)
    ended: bool = False
    met: bool = True


def count_edits(history: Iterable[HistoryLine], expected: Iterable[Expected]) -> Edits:
    """Count the edits that changed an answer, those that did not, and those that met nobody.

    An edit is seen if the oracle answers its versions differently. Where answers depend on several
    files their states have names of their own; then it is seen if any question has two answers.

    Args:
        history: its lines.
        expected: what the oracle said.
    """
    edits: dict[str, _Edit] = {}
    for line in history:
        if line.type != "edit" or line.edit is None:
            continue
        edit = edits.setdefault(line.edit, _Edit(line.key or ""))
        edit.versions.add(line.version or "")
        edit.ended = edit.ended or line.event == "end"
        edit.met = edit.met and (line.detail or {}).get("stopped_an_operation", True)
    answers: dict[tuple[str, str], dict[str, _Answer]] = defaultdict(dict)
    for one in expected:
        answers[one.kind, one.key][one.version] = (one.exit_code, one.answer_sha256)
    done = [edit for edit in edits.values() if edit.ended]
    met = [edit for edit in done if edit.met]
    seen = sum(_changed(edit, answers) for edit in met)
    return Edits(seen, len(met) - seen, len(done) - len(met))


def _changed(edit: _Edit, answers: dict[tuple[str, str], dict[str, _Answer]]) -> bool:
    """Whether the versions of an edit have different right answers."""
    named = [
        {by_version[version] for version in edit.versions & by_version.keys()}
        for (_, key), by_version in answers.items()
        if key == edit.key
    ]
    if any(named):
        return any(len(one) > 1 for one in named)
    return any(len(set(by_version.values())) > 1 for by_version in answers.values())
