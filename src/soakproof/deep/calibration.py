"""Calibrate the crash states on plain SQLite: they must show what its documentation says.

The expectations are those of https://sqlite.org/pragma.html#pragma_synchronous and
https://sqlite.org/atomiccommit.html, setting by setting and model by model. ``must`` is as sharp as
``never``: a model that cannot break a database without syncs proves nothing where it breaks none.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soakproof.deep import sqlite_subject
from soakproof.deep.crash import MODELS, State, crash_states
from soakproof.deep.recording import Recording
from soakproof.deep.room import lay, output
from soakproof.deep.sqlite_subject import ROWS, TRANSACTIONS, content
from soakproof.deep.strace import Strace
from soakproof.errors import SoakError

__all__ = ["EXPECTED", "Row", "calibrate", "judge_row"]

NEVER: Final = "never"
MUST: Final = "must"

_SHOWN_CHARS: Final = 300

_FINE: Final = (NEVER, NEVER)

EXPECTED: Final[Mapping[tuple[str, str], Mapping[str, tuple[str, str]]]] = {
    # WAL: with FULL every commit syncs the log; with NORMAL only a checkpoint does, so the last
    # commits may be rolled back by a power cut, and nothing is ever corrupt; with OFF nothing is.
    ("WAL", "FULL"): {"power_journalled": _FINE, "power_names_apart": _FINE},
    ("WAL", "NORMAL"): {"power_journalled": (MUST, NEVER), "power_names_apart": (MUST, NEVER)},
    ("WAL", "OFF"): {"power_journalled": (MUST, MUST), "power_names_apart": (MUST, MUST)},
    # A rollback journal's end is its removal. FULL syncs everything but this name; EXTRA syncs the
    # folder after it ("EXTRA provides additional durability if the commit is followed closely by
    # a power loss"), so with FULL the last commit may be rolled back, never half.
    ("DELETE", "EXTRA"): {"power_journalled": _FINE, "power_names_apart": _FINE},
    ("DELETE", "FULL"): {"power_journalled": (MUST, NEVER), "power_names_apart": (MUST, NEVER)},
    ("DELETE", "OFF"): {"power_journalled": (MUST, MUST), "power_names_apart": (MUST, MUST)},
}
"""(journal, synchronous) → model of a power cut → (lost, corrupt).

When only the process dies, nothing is lost and nothing corrupt, whatever the setting: "if the
application running SQLite crashes, the data will be safe".
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting under one model.

    Args:
        journal: journal mode.
        synchronous: how much SQLite syncs.
        model: of the crash.
        states: how many different ones.
        lost: states in which an acknowledged transaction was gone.
        corrupt: states that SQLite could not open, found unsound, or held half a transaction.
        expects_lost: ``never`` or ``must``.
        expects_corrupt: the same.
        agrees: what was seen is what the documentation says.
    """

    journal: str
    synchronous: str
    model: str
    states: int
    lost: int
    corrupt: int
    expects_lost: str
    expects_corrupt: str
    agrees: bool


def calibrate(
    strace: Strace, folder: Path, environ: Mapping[str, str], setting: tuple[str, str], seed: int
) -> list[Row]:
    """Record SQLite under one setting, and judge all states that a crash may leave.

    Args:
        strace: a strace that works.
        folder: scratch; what is in it is removed.
        environ: the environment of the subject.
        setting: journal mode and synchronous.
        seed: of the states that are drawn.

    Raises:
        SoakError: the subject failed.
        CannotRebuildError: it did something that cannot be rebuilt.
    """
    room, trace, place = folder / "room", folder / "trace", folder / "state"
    room.mkdir(parents=True)
    recording = Recording(strace, room)
    program = [sys.executable, "-I", "-S", str(sqlite_subject.__file__), str(room / "plain.db")]
    code, _, said = output(recording.start([*program, *setting], environ, trace))
    if code != 0:
        last = said.decode("utf-8", "replace").strip()[-_SHOWN_CHARS:]
        message = f"the calibration's subject ended with {code} under {setting}: {last}"
        raise SoakError(message)
    recording.take(trace)
    seen: dict[str, dict[tuple[str, int], tuple[bool, bool]]] = {model: {} for model in MODELS}
    known: dict[tuple[str, int], tuple[bool, bool]] = {}
    for state in crash_states(recording.base, recording.effects, seed, drawn=2):
        name = state.tree.digest(), len(state.acknowledged)
        if name not in known:
            known[name] = _judge(state, place)
        seen[state.model][name] = known[name]
    return [_row(setting, model, list(seen[model].values())) for model in MODELS]


def _judge(state: State, place: Path) -> tuple[bool, bool]:
    """Return whether a state lost an acknowledged transaction, and whether it is corrupt."""
    lay(state.tree, place)
    database = place / "plain.db"
    if not database.exists():
        return bool(state.acknowledged), False
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            sound = connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
            table = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            rows = connection.execute("SELECT row, value FROM line").fetchall() if table else []
    except sqlite3.Error:
        return False, True
    there = _transaction(dict(rows))
    if not sound or there is None:
        return False, True
    return there < len(state.acknowledged), False


def _transaction(rows: Mapping[int, str]) -> int | None:
    """Return the transaction whose rows these are, 0 for none; ``None``: of no single one."""
    if not rows:
        return 0
    for number in range(1, TRANSACTIONS + 1):
        if dict(rows) == {row: content(row, number) for row in range(ROWS)}:
            return number
    return None


def _row(setting: tuple[str, str], model: str, judged: Sequence[tuple[bool, bool]]) -> Row:
    lost = sum(one for one, _ in judged)
    corrupt = sum(one for _, one in judged)
    return judge_row(setting, model, len(judged), lost, corrupt)


def judge_row(setting: tuple[str, str], model: str, states: int, lost: int, corrupt: int) -> Row:
    """Return a row, and whether it agrees; one without a state agrees with nothing."""
    expects_lost, expects_corrupt = EXPECTED[setting].get(model, _FINE)
    agrees = states > 0 and _as_said(expects_lost, lost) and _as_said(expects_corrupt, corrupt)
    return Row(*setting, model, states, lost, corrupt, expects_lost, expects_corrupt, agrees)


def _as_said(expected: str, count: int) -> bool:
    return count == 0 if expected == NEVER else count > 0
