"""Progress of a run: a live line on a terminal, plain lines elsewhere, and always the log.

On a terminal ``rich`` draws on standard error; where standard error is a file or a pipe, a plain
line is written every few seconds. ``soak_run.log`` gets the plain lines in both cases.
"""

from __future__ import annotations

import datetime
import sys
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from soakproof.model import Outcome, Phase

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["Progress"]

_PLAIN_EVERY_S: Final = 5.0
_REFRESHES_PER_S: Final = 4
_SHOWN_PROBLEMS: Final = 20
"""Operations without an answer that are told one by one; the history has them all."""


_SHOWN_STEPS: Final = 20_000
"""Phases and steps of faults that are told; about two megabytes, whatever a soak lasts."""


class Progress:
    """What a person sees while a soak runs.

    Args:
        log: the file that takes the plain lines.
        total: operations planned; ``None``: a soak by time.
        duration_s: how long a soak by time lasts.
    """

    def __init__(self, log: Path, *, total: int | None, duration_s: float | None) -> None:
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._total = total
        self._duration_s = duration_s
        self._outcomes: Counter[Outcome] = Counter()
        self._phase = ""
        self._faults = 0
        self._effects = 0
        self._problems = 0
        self._steps = 0
        self._began_s = time.monotonic()
        self._last_plain_s = self._began_s
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin; on a terminal the live line appears."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True),
                get_renderable=self._line,
                refresh_per_second=_REFRESHES_PER_S,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End with one last line."""
        if self._live is not None:
            self._live.stop()
        self.say(self._line())
        self._log.close()

    def phase(self, phase: Phase) -> None:
        """A phase begins."""
        self._phase = phase.value
        self._step(f"phase {phase}")

    def completed(
        self, outcome: Outcome, op_id: str, reason: str | None, error: str | None
    ) -> None:
        """An operation ended; one without an answer is told at once."""
        self._outcomes[outcome] += 1
        if outcome is Outcome.OK:
            return
        self._problems += 1
        if self._problems <= _SHOWN_PROBLEMS:
            self.say(f"{op_id} {outcome}: {reason}" + (f": {error}" if error else ""))
        elif self._problems == _SHOWN_PROBLEMS + 1:
            self.say("more operations without an answer are in history.jsonl")

    def answered(self, operations: int) -> None:
        """Many operations were answered at once."""
        self._outcomes[Outcome.OK] += operations

    def fault(self, fault_id: str, event: str, detail: dict[str, Any]) -> None:
        """A step of a fault."""
        self._faults += event == "fired"
        self._effects += event == "took_effect"
        told = ", ".join(f"{name}={value}" for name, value in detail.items())
        self._step(f"fault {fault_id} {event}: {told}")

    def _step(self, text: str) -> None:
        """Tell a phase or a step of a fault; a soak of days has more than a log can hold."""
        self._steps += 1
        if self._steps <= _SHOWN_STEPS:
            self.say(text)
        elif self._steps == _SHOWN_STEPS + 1:
            self.say("more phases and faults are in history.jsonl")

    def lapse(self, what: str, ms: int) -> None:
        """A clock did not go on as it does."""
        if what == "wall_stepped":
            self.say(f"the clock was set by {ms / 1000:+.1f} s; nothing but display goes by it")
        else:
            self._began_s += ms / 1000 if what == "stopped" else 0
            self.say(f"{what} for {ms / 1000:.1f} s, which count for no deadline and no duration")

    def refresh(self) -> None:
        """Time passed: a plain line now and then."""
        now_s = time.monotonic()
        if now_s - self._last_plain_s >= _PLAIN_EVERY_S:
            self._last_plain_s = now_s
            self._write(self._line(), screen=self._live is None)

    def say(self, text: str) -> None:
        """Tell one thing, on the log and on the screen."""
        self._write(text, screen=True)

    def _write(self, text: str, *, screen: bool) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self._log.write(f"{now:%Y-%m-%dT%H:%M:%S.%f}Z {text}\n")
        if not screen:
            return
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _line(self) -> str:
        done = self._outcomes.total()
        elapsed_s = max(time.monotonic() - self._began_s, 1e-9)
        rate = done / elapsed_s
        of = f"/{self._total}" if self._total is not None else ""
        outcomes = " ".join(f"{outcome} {self._outcomes[outcome]}" for outcome in Outcome)
        return (
            f"{self._phase or 'start'}: {done}{of} ops, {rate:.1f}/s, {outcomes}, "
            f"faults {self._faults} (took effect {self._effects}), {self._left(elapsed_s, rate)}"
        )

    def _left(self, elapsed_s: float, rate: float) -> str:
        if self._duration_s is not None:
            return f"{max(0.0, self._duration_s - elapsed_s):.0f} s left"
        if self._total is not None and rate > 0:
            return f"{(self._total - self._outcomes.total()) / rate:.0f} s left"
        return f"{elapsed_s:.0f} s"
