"""What a person who watches a soak should know at once: a fold over lines as they come.

These are warnings and no verdict: the gate judges the whole run, and knows which faults excuse
what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from soakproof.checks.wilson import wilson
from soakproof.model import HistoryLine, TelemetryEvent

__all__ = ["Anomalies", "Anomaly"]

Sort = Literal["lock_timeout", "traceback", "hung", "damaged_line", "lost_line", "hit_rate", "file"]

_WINDOW: Final = 50
"""Look-ups whose hit rate is held against the best one before; fewer would show chance."""
_NS_PER_S: Final = 1e9


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that was noticed.

    Args:
        sort: what it is.
        at_s: seconds since the run began, where that is known.
        text: what a person reads.
    """

    sort: Sort
    at_s: float | None
    text: str

    def line(self) -> str:
        """Return it as a line of text."""
        when = "        ?" if self.at_s is None else f"{self.at_s:9.3f}"
        return f"{when} s  {self.sort}: {self.text}"


class Anomalies:
    """Look at every line of a run's history and telemetry.

    Args:
        names: the target's ``telemetry`` table; ``None``: the subject tells nothing.
    """

    def __init__(self, names: Mapping[str, Any] | None) -> None:
        self._names = names or {"hit": None, "miss": None, "lock_timeout": ()}
        self._began_ns: int | None = None
        self._next_seq = 0
        self._hits = self._asked = 0
        self._best: tuple[float, float] = (0.0, 0.0)
        self._best_share = 0.0

    def history(self, line: HistoryLine) -> Iterator[Anomaly]:
        """Take a line of the harness's own record."""
        if self._began_ns is None:
            self._began_ns = line.mono_ns
        at_s = self._at_s(line.mono_ns)
        if line.seq != self._next_seq:
            text = f"history: expected the line {self._next_seq}, found {line.seq}"
            yield Anomaly("lost_line", at_s, text)
        self._next_seq = line.seq + 1
        what = f"{line.op or 'worker ' + str(line.worker)} ({line.kind or 'many operations'})"
        found = line.detail or {} if line.type in {"ok", "fail", "info"} else {}
        if "traceback" in found or "patterns" in found:
            words = ", ".join(["traceback"] * ("traceback" in found) + found.get("patterns", []))
            said = f": {line.error}" if line.error else ""
            yield Anomaly("traceback", at_s, f"{what} wrote {words} to its standard error{said}")
        if line.reason in {"hung", "deadline"}:
            yield Anomaly("hung", at_s, f"{what} did not end in time")

    def telemetry(self, event: TelemetryEvent) -> Iterator[Anomaly]:
        """Take an event of the subject."""
        mono_ns = event.x.get("mono_ns")
        at_s = self._at_s(mono_ns if isinstance(mono_ns, int) else None)
        if event.cmd in self._names["lock_timeout"]:
            waited = event.result.get("waited_ms")
            after = f" after {waited} ms" if waited is not None else ""
            yield Anomaly("lock_timeout", at_s, f"{event.x.get('op')} gave up{after}: {event.cmd}")
        if event.cmd in {self._names["hit"], self._names["miss"]}:
            self._asked += 1
            self._hits += event.cmd == self._names["hit"]
            if self._asked == _WINDOW:
                yield from self._window(at_s)

    def _window(self, at_s: float | None) -> Iterator[Anomaly]:
        """Hold a whole window against the best before; it is the new best if it is worse or not."""
        share, now = self._hits / _WINDOW, wilson(self._hits, _WINDOW)
        self._hits = self._asked = 0
        fell = now[1] < self._best[0]
        if fell:
            text = f"{share:.0%} of the last {_WINDOW} look-ups, {self._best_share:.0%} before"
            yield Anomaly("hit_rate", at_s, text)
        if fell or share > self._best_share:  # a fall is told once
            self._best, self._best_share = now, share

    def _at_s(self, mono_ns: int | None) -> float | None:
        if mono_ns is None or self._began_ns is None:
            return None
        return (mono_ns - self._began_ns) / _NS_PER_S
