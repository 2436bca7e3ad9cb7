"""The nouns of a soak, as frozen values between functions (standard library only).

Dictionaries appear only at the JSON edge; everything here is a dataclass or an enum.
Times named ``mono_ns`` are ``CLOCK_MONOTONIC`` nanoseconds: one clock for all processes of a
machine, so the history of the harness and the telemetry of the subject can be laid side by side.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = [
    "ABSENT",
    "EXIT_CODES",
    "MEASURES",
    "SCHEMA_VERSION",
    "CriterionResult",
    "EditPlan",
    "Expected",
    "FaultPlan",
    "HistoryLine",
    "Live",
    "Operation",
    "Outcome",
    "Phase",
    "Sample",
    "Setting",
    "Source",
    "TelemetryEvent",
    "Verdict",
    "compose",
]

SCHEMA_VERSION: Final = 1
"""Version of every document written here; a reader refuses any other."""


MEASURES: Final = 2
"""Version of what a run measures (``measures`` of a plan; 1 where a plan does not say).

2 also tells changed inputs, agreement without an answer, and stale answers about several files.
"""

ABSENT: Final = "absent"
"""The version of a file that is not there."""


class Outcome(enum.StrEnum):
    """How an operation ended (after Jepsen)."""

    OK = "ok"
    """It happened and there is an answer."""
    FAIL = "fail"
    """It gave no answer: it refused, or it ended with an error."""
    INFO = "info"
    """It may have happened: it was killed, or it never ended."""


class Phase(enum.StrEnum):
    """Part of the run, in this order."""

    COLD = "cold"
    """Each key is new."""
    WARM = "warm"
    """Keys are asked again; without faults and edits in a campaign of episodes."""
    STORM = "storm"
    """Operations of an episode: under its fault and its edits."""
    AFTER = "after"
    """The same keys asked twice more once the episode's fault is healed; any once all are over."""


class Verdict(enum.StrEnum):
    """Three values; no evidence is never green."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


EXIT_CODES: Final[Mapping[Verdict, int]] = {
    Verdict.PASS: 0,
    Verdict.FAIL: 10,
    Verdict.UNKNOWN: 11,
}
"""The exit code of a verdict (2 usage, 12 evidence broken, 1 crash, 130 interrupted)."""


def compose(verdicts: Iterable[Verdict]) -> Verdict:
    """Compose verdicts: FAIL beats UNKNOWN beats PASS; nothing at all is UNKNOWN.

    The order is Jepsen's ``merge-valid`` (jepsen/checker.clj), with the empty case made UNKNOWN.
    """
    seen = set(verdicts)
    if Verdict.FAIL in seen:
        return Verdict.FAIL
    if Verdict.UNKNOWN in seen or not seen:
        return Verdict.UNKNOWN
    return Verdict.PASS


class Source(enum.StrEnum):
    """Where a setting's value came from, strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    CAMPAIGN = "campaign"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from.

    Args:
        value: the value itself (``None``: not set, not used).
        source: flag, environment, campaign or default.
        origin: the flag, variable or file that gave it.
    """

    value: Any
    source: Source
    origin: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One planned operation; a pure function of campaign, keys and seed.

    Args:
        index: 0-based position in the schedule.
        phase: cold or warm.
        kind: the operation kind of the target, such as ``ast.symbols``.
        key: what it asks for: a module, a query.
        first_ask: nobody asks this key earlier in the schedule, so a writer is sure to come.
        episode: which episode it belongs to, 0-based; ``None`` in the cold and warm phases.
        again: in the phase ``after``: 1 the first, 2 the second time it is asked; else 0.
        edit: kind of the edit of its key that begins just after it was invoked, if any.
        edit_path: the file that is edited, where its key names none.
    """

    index: int
    phase: Phase
    kind: str
    key: str
    first_ask: bool
    episode: int | None = None
    again: int = 0
    edit: str | None = None
    edit_path: str | None = None

    @property
    def op_id(self) -> str:
        """The operation's name in history and telemetry, such as ``op-000012``."""
        return f"op-{self.index:06d}"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One planned fault.

    Args:
        fault_id: unique in the run, such as ``lock_hold-0``.
        kind: the fault package's name.
        at_op: it fires just before the operation of this index is invoked.
        params: what the campaign's file and the dice said, with units in the names.
        episode: the episode whose operations are under it; it is healed when they have ended.
            ``None``: it heals itself.
    """

    fault_id: str
    kind: str
    at_op: int
    params: Mapping[str, Any]
    episode: int | None = None


@dataclass(frozen=True, slots=True)
class EditPlan:
    """One planned edit of the segment, made by the harness, the one writer of each key.

    Args:
        edit_id: unique in the run, such as ``edit-0``.
        kind: what is done, such as ``rewrite`` (:mod:`soakproof.workload.edits`).
        at_op: it begins just after the operation of this index was invoked.
        key: the key of the operation that it began with.
        params: what the dice said, with units in the names.
        path: the file that is edited, relative to the segment.
    """

    edit_id: str
    kind: str
    at_op: int
    key: str
    params: Mapping[str, Any]
    path: str


@dataclass(frozen=True, slots=True)
class Live:
    """An operation under way, as faults and edits see it.

    Args:
        operation: what it is.
        pid: its process.
        started_ns: ``CLOCK_MONOTONIC`` when it was started.
        kill: end it and all that it started, saying why in the history (``fault:<id>``).
        send: send its process a signal; false when it has ended.
    """

    operation: Operation
    pid: int
    started_ns: int
    kill: Callable[[str], None]
    send: Callable[[signal.Signals], bool]


HistoryType = Literal["run", "phase", "invoke", "ok", "fail", "info", "fault", "edit", "probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line of ``history.jsonl``; which fields are set depends on ``type``.

    ``run`` and ``phase`` carry ``event``; ``invoke`` and its completion ``ok | fail | info`` carry
    the operation; ``fault`` carries ``fault``, ``kind``, ``event``, ``detail``; ``edit`` carries
    ``edit``, ``kind``, ``key``, ``path``, ``event`` (``initial``, ``begin``, ``end``) and
    ``version``, the SHA-256 of the content or ``absent``; ``probe`` (a look at the subject's files
    after the last operation) carries ``kind`` and ``detail``.
    In a library's soak a line tells of many operations at once: ``ops`` has an item for each, of
    ``invoke`` its number, operation, key and argument, of a completion its number and the answer.
    ``None`` fields are left out of the line. ``chain`` is set by who writes it
    (:class:`soakproof.rundir.ChainedLineWriter`).
    """

    seq: int
    type: HistoryType
    mono_ns: int
    schema_version: int | None = None
    run_id: str | None = None
    plan_sha256: str | None = None
    event: str | None = None
    phase: str | None = None
    op: str | None = None
    index: int | None = None
    worker: int | None = None
    kind: str | None = None
    key: str | None = None
    episode: int | None = None
    again: int | None = None
    fault: str | None = None
    edit: str | None = None
    path: str | None = None
    version: str | None = None
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    wall_ms: float | None = None
    user_ms: float | None = None
    sys_ms: float | None = None
    max_rss_kb: int | None = None
    answer_sha256: str | None = None
    raw_sha256: str | None = None
    answer_bytes: int | None = None
    stderr_bytes: int | None = None
    reason: str | None = None
    error: str | None = None
    detail: dict[str, Any] | None = None
    ops: list[list[Any]] | None = None
    chain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryEvent:
    """One event of the subject, as the source documents name its fields."""

    ts: str
    run_id: str
    segment_id: str
    cmd: str
    args: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    timing_ms: float = 0.0
    warnings: list[str] = field(default_factory=list)
    x: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the oracle answered: the same command without its cache, in a clean folder.

    Args:
        kind: operation kind.
        key: what was asked for.
        version: of the key's file or of the segment; see :mod:`soakproof.checks.answers`.
        exit_code: how the command ended.
        answer_sha256: of what it printed, with the segment's folder written ``{segment}``;
            ``None``: it printed nothing.
        answer_bytes: how much.
        raw_sha256: of the same before the target's rules took something out of it.
    """

    kind: str
    key: str
    version: str
    exit_code: int
    answer_sha256: str | None = None
    answer_bytes: int = 0
    raw_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the cache's files: bytes and counts by role (database, wal, lock, other …)."""

    mono_ns: int
    ops_done: int
    bytes_by_role: dict[str, int]
    files_by_role: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionResult:
    """One criterion of the gate, judged.

    Args:
        rule: the comparison in words, such as ``locks.lock_wait > 0``.
        observed: the value in the metrics (``None``: absent).
        limit: what it was held against.
        samples: how much evidence there was (``None``: absent).
        floor: how much was asked for.
        reason: why it is not PASS, in words; empty for PASS.
        why: why the criterion matters (from the gate file).
    """

    criterion: str
    rule: str
    observed: Any
    limit: Any
    samples: int | None
    floor: int
    needs_faults: tuple[str, ...]
    verdict: Verdict
    reason: str
    why: str
