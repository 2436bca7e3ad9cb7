"""Progress of a campaign: a live table on a terminal, plain lines elsewhere, on standard error."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

__all__ = ["CampaignProgress"]

_PLAIN_EVERY_S: Final = 10.0


class CampaignProgress:
    """What a person sees while a campaign runs.

    Args:
        total: points.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._verdicts: Counter[str] = Counter()
        self._known = 0
        self._effects = 0
        self._ops = 0
        self._began_s = time.monotonic()
        self._last_plain_s = self._began_s
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin; on a terminal the live table appears."""
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True)
            self._live = Live(console=console, get_renderable=self._table, refresh_per_second=2)
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
        else:
            self.say(self.line())

    def known(self, result: Mapping[str, Any]) -> None:
        """A point was done before."""
        self._verdicts[result["verdict"]] += 1
        self._known += 1

    def soaked(self, result: Mapping[str, Any]) -> None:
        """A point is done; one that did not pass is told at once."""
        self._verdicts[result["verdict"]] += 1
        self._ops += result["ops"]["ops_total"]
        self._effects += sum(
            count for name, count in result["reached"].items() if name.endswith("/took_effect")
        )
        if result["unmet"]:
            unmet = ", ".join(one["criterion"] for one in result["unmet"])
            self.say(f"{result['verdict']} {result['point']}: {unmet}")
        now_s = time.monotonic()
        if self._live is None and now_s - self._last_plain_s >= _PLAIN_EVERY_S:
            self._last_plain_s = now_s
            self.say(self.line())

    def say(self, text: str) -> None:
        """Tell one thing."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def line(self) -> str:
        """Return how far it is, on one line."""
        return ", ".join(f"{value} {name}" for name, value in self._values().items())

    def _values(self) -> dict[str, str]:
        done = self._verdicts.total()
        elapsed_s = max(time.monotonic() - self._began_s, 1e-9)
        soaked = done - self._known
        left_s = (self._total - done) * elapsed_s / soaked if soaked else None
        return {
            "points done": f"{done}/{self._total}",
            **{word: str(self._verdicts[word]) for word in ("PASS", "FAIL", "UNKNOWN")},
            "faults took effect": str(self._effects),
            "operations a second": f"{self._ops / elapsed_s:.1f}",
            "s left": "?" if left_s is None else f"{left_s:.0f}",
        }

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(box=None)
        values = self._values()
        for name in values:
            table.add_column(name, justify="right")
        table.add_row(*values.values())
        return table
