"""The picture of the processes around the first failure, or the first fault; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soakproof.report.pictures.frame import LEFT, RIGHT, Key, Panel, Picture, draw
from soakproof.report.pictures.marks import SHAPES
from soakproof.report.pictures.scales import Scale
from soakproof.report.pictures.storm import Mark, Storm
from soakproof.report.pictures.svg import el, num, text, text_width
from soakproof.report.pictures.windows import FaultKind

__all__ = ["Focus", "first_failed", "focus", "timeline"]

_LANE: Final = 30
_MOST_LANES: Final = 16
_AROUND: Final = 1.5
"""The window is the focus and so much of its length before and after …"""

_LEAST_S: Final = 0.6
"""… and at least this long, so that there is something to see."""

_BARS_A_LANE: Final = 12

_MOST_BARS: Final = 400


@dataclass(frozen=True, slots=True)
class Focus:
    """What the timeline is about: words, from when to when, and the operation, if it is one."""

    words: str
    begin_s: float
    end_s: float
    row: int | None = None


def focus(storm: Storm, kinds: Sequence[FaultKind], first_op: str | None) -> Focus:
    """Return the first failure; without any the first fault, without that the first operation.

    Args:
        storm: the run.
        kinds: its faults.
        first_op: the operation of the first counter-example, if there is one.
    """
    row = None if first_op is None else storm.row_of(first_op)
    if row is not None:
        end_s = storm.finished_s(row)
        return Focus(f"the first failure, {first_op}", storm.begin_s[row], end_s, row)
    windows = sorted((*window, kind.name) for kind in kinds for window in kind.windows)
    if windows:
        begin_s, end_s, name = windows[0]
        return Focus(f"the first fault ({name}); nothing failed", begin_s, end_s)
    begin_s = storm.begin_s[0] if storm.ops else 0.0
    return Focus("the beginning; nothing failed and no fault fired", begin_s, begin_s)


def timeline(storm: Storm, kinds: Sequence[FaultKind], on: Focus) -> Picture:
    """Return the operations of each worker around ``on`` as bars from invoke to completion."""
    low, high = _span(storm, on)
    x = Scale(low, max(high, low + 1e-6), LEFT, RIGHT)
    rows = _within(storm, on, low, high)
    lanes = sorted({storm.worker[row] for row in rows[:_MOST_BARS]})
    if len(lanes) > _MOST_LANES:  # those whose operations are nearest
        near = list(dict.fromkeys(storm.worker[row] for row in rows))
        lanes = sorted(near[:_MOST_LANES])
    shown = sorted(row for row in rows[:_MOST_BARS] if storm.worker[row] in set(lanes))
    body = [_bar(storm, row, lanes.index(storm.worker[row]), x, on) for row in shown]
    body += _waits(storm, shown, lanes, x)
    ticks = [(_LANE * (at + 0.5), f"worker {worker}") for at, worker in enumerate(lanes)]
    says = (
        f"What each worker did around {on.words}: {len(shown)} operations as bars from invoke to "
        "completion, waits for a lock as a line inside the bar."
    )
    if len(shown) < len(rows):
        says += f" {len(rows) - len(shown)} more are farther away and are left out."
    there = {Mark(storm.mark[row]) for row in shown}
    keys = [
        Key(f"bar b-{SHAPES[mark].class_[2:]}", "M-8-5h16v10h-16z", SHAPES[mark].label)
        for mark in SHAPES
        if mark in there
    ]
    keys.append(Key("line waiting", "M-8 0H8", "waits for a lock"))
    panel = Panel(max(1, len(lanes)) * _LANE, body, ticks, "", grid=False)
    title = f"Processes around {on.words}"
    span_s = (x.low, x.high)
    return draw(storm, kinds, panel, keys, name="timeline", caption=(title, says), span_s=span_s)


def _span(storm: Storm, on: Focus) -> tuple[float, float]:
    """Return from when to when: the focus, and what can be told apart around it."""
    length_s = on.end_s - on.begin_s
    around = max(_LEAST_S, length_s * _AROUND)
    rows = _within(storm, on, on.begin_s - around, on.end_s + around)
    enough = _BARS_A_LANE * storm.workers
    if len(rows) > enough:
        around = max(_distance(storm, on, rows[enough]), length_s / 2)
    return max(0.0, on.begin_s - around), min(storm.end_s, on.end_s + around)


def _within(storm: Storm, on: Focus, low: float, high: float) -> list[int]:
    """Return the operations that were under way between two times, the nearest first."""
    rows = (
        row
        for row in range(storm.ops)
        if storm.begin_s[row] <= high and storm.finished_s(row) >= low
    )
    return sorted(rows, key=lambda row: (_distance(storm, on, row), row))


def _distance(storm: Storm, on: Focus, row: int) -> float:
    return max(0.0, storm.begin_s[row] - on.end_s, on.begin_s - storm.finished_s(row))


def _bar(storm: Storm, row: int, lane: int, x: Scale, on: Focus) -> str:
    left, right = x(storm.begin_s[row]), x(storm.finished_s(row))
    width = max(right - left, 2.0)
    top = lane * _LANE + 5
    mark = Mark(storm.mark[row])
    first = " focus" if row == on.row else ""
    kind = storm.kinds[storm.kind[row]]
    took_ms = (storm.finished_s(row) - storm.begin_s[row]) * 1000
    name = storm.op_of(row)
    title = el("title", _escaped(f"{name} {kind}: {SHAPES[mark].label}, {took_ms:.1f} ms"))
    bar = el(
        "rect",
        title,
        x=left,
        y=top,
        width=width,
        height=_LANE - 10,
        rx=2,
        class_=f"bar b-{SHAPES[mark].class_[2:]}{first}",
    )
    label = name.removeprefix("op-").lstrip("0") or "0"
    if width < text_width(label) + 6:
        return bar
    return bar + text(left + 4, top + 14, label, class_="bar-name")


def _waits(storm: Storm, shown: Sequence[int], lanes: Sequence[int], x: Scale) -> list[str]:
    rows = set(shown)
    path = ""
    for wait in storm.waits:
        if wait.row in rows:
            level = lanes.index(storm.worker[wait.row]) * _LANE + _LANE - 8
            path += f"M{num(x(wait.begin_s))} {num(level)}H{num(x(wait.end_s))}"
    return [el("path", d=path, class_="line waiting")] if path else []


def first_failed(storm: Storm, metrics: Mapping[str, Any]) -> str | None:
    """Return the operation of the first counter-example: a wrong answer's, else a failed one's."""
    answers = metrics["answers"]
    if answers["oracle"] != "asked":
        return storm.failures.first_op
    return str(answers["first"]["op"]) if answers["first"] else None


def _escaped(said: str) -> str:
    return said.replace("&", "&amp;").replace("<", "&lt;")
