"""The frame of a picture: axes, grid, phases, fault windows, legend; pure.

Every picture has the same, so that a place on one is a place on all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Final

from soakproof.report.pictures.scales import Scale, Tick, time_ticks
from soakproof.report.pictures.storm import Storm
from soakproof.report.pictures.svg import el, num, text, text_width
from soakproof.report.pictures.windows import FaultKind, pattern, shading, swatch

__all__ = ["LEFT", "RIGHT", "WIDTH", "Key", "Panel", "Picture", "draw", "style"]

WIDTH: Final = 760
LEFT: Final = 66
RIGHT: Final = 746
_LEGEND_ROW: Final = 20
_ABOVE: Final = 34
_BELOW: Final = 40


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: how it looks (a path around 0, 0), and what it means."""

    class_: str
    path: str
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """What is drawn in a frame, all of it relative to the panel's top.

    Args:
        height: pixels from the top to the time axis.
        body: elements.
        ticks: (pixel from the top, label) of the vertical axis.
        unit: what the vertical axis counts.
        grid: lines across at the ticks.
    """

    height: float
    body: Sequence[str]
    ticks: Sequence[tuple[float, str]]
    unit: str
    grid: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture.

    Args:
        name: of its file, without an end.
        title: of it, for a heading.
        says: what it shows and how to read it, for people who do not see it, too.
        inner: the elements.
        height: pixels.
        x: its time axis in seconds: (low, high).
    """

    name: str
    title: str
    says: str
    inner: str
    height: float
    x: tuple[float, float]

    def inline(self) -> str:
        """Return the ``svg`` element for a page that has our style sheet."""
        return self._svg("")

    def standalone(self) -> str:
        """Return a file: with its own style sheet and background, light and dark."""
        ground = el("rect", width=WIDTH, height=self.height, class_="ground")
        return self._svg(f"<style>{style()}</style>{ground}") + "\n"

    def _svg(self, before: str) -> str:
        name = self.name
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" role="img" id="pic-{name}" '
            f'viewBox="0 0 {WIDTH} {num(self.height)}" '
            f'aria-labelledby="pic-{name}-title pic-{name}-desc" '
            f'data-left="{LEFT}" data-right="{RIGHT}" '
            f'data-low="{self.x[0]:.4f}" data-high="{self.x[1]:.4f}">'
            f'<title id="pic-{name}-title">{escape(self.title)}</title>'
            f'<desc id="pic-{name}-desc">{escape(self.says)}</desc>{before}{self.inner}</svg>'
        )


def style() -> str:
    """Return the style sheet of the pictures."""
    return files("soakproof.report.pictures").joinpath("pictures.css").read_text("utf-8")


def draw(
    storm: Storm,
    kinds: Sequence[FaultKind],
    panel: Panel,
    keys: Sequence[Key],
    *,
    name: str,
    caption: tuple[str, str],
    span_s: tuple[float, float] | None = None,
) -> Picture:
    """Return a picture: ``panel`` in a frame.

    Args:
        storm: the run; its phases are marked.
        kinds: the faults; their windows are shaded.
        panel: what is drawn inside.
        keys: the legend.
        name: of the file.
        caption: the heading, and what the picture shows.
        span_s: the part of the run that is shown; default: all of it.
    """
    low, high = span_s or (0.0, max(storm.end_s, 1e-6))
    x = Scale(low, high, LEFT, RIGHT)
    shown = [kind for kind in kinds if any(b <= high and e >= low for b, e in kind.windows)]
    legend, rows = _legend(name, keys, shown)
    top = rows * _LEGEND_ROW + _ABOVE
    bottom = top + panel.height
    inner = [
        el("defs", *(pattern(name, kind) for kind in shown)) if shown else "",
        *legend,
        el("rect", x=LEFT, y=top, width=RIGHT - LEFT, height=panel.height, class_="plot"),
        *shading(name, shown, x, top, bottom),
        *_upright_axis(panel, top),
        *_time_axis(x, bottom, span_s),
        *_phases(storm, x, top, bottom),
        el("g", *panel.body, transform=f"translate(0 {num(top)})"),
        el("line", x1=LEFT, x2=LEFT, y1=top, y2=bottom, class_="cursor"),
    ]
    return Picture(name, *caption, "".join(inner), bottom + _BELOW, (low, high))


def _upright_axis(panel: Panel, top: float) -> list[str]:
    drawn = [text(4, top - 10, panel.unit, class_="unit")]
    for at, label in panel.ticks:
        if panel.grid:
            drawn.append(el("line", x1=LEFT, x2=RIGHT, y1=top + at, y2=top + at, class_="grid"))
        drawn.append(text(LEFT - 6, top + at + 4, label, class_="tick end"))
    return drawn


def _time_axis(x: Scale, bottom: float, span_s: tuple[float, float] | None) -> list[str]:
    if span_s is None:
        ticks, unit = time_ticks(x.high)
    else:  # a part: ticks at whole steps inside of it
        inside, _ = time_ticks(x.high - x.low, 6)
        step = inside[1].value if len(inside) > 1 else x.high - x.low
        first = -(-x.low // step)
        count = int((x.high - first * step) // step) + 1
        ticks = [Tick(v, f"{v:.6g}") for v in ((first + at) * step for at in range(count))]
        unit = "s"
    drawn = [el("line", x1=LEFT, x2=RIGHT, y1=bottom, y2=bottom, class_="axis")]
    for tick in ticks:
        at = x(tick.value)
        drawn.append(el("line", x1=at, x2=at, y1=bottom, y2=bottom + 4, class_="axis"))
        drawn.append(text(at, bottom + 17, tick.label, class_="tick mid"))
    middle = (LEFT + RIGHT) / 2
    drawn.append(text(middle, bottom + 33, f"time since the run began, {unit}", class_="unit mid"))
    return drawn


def _phases(storm: Storm, x: Scale, top: float, bottom: float) -> list[str]:
    drawn = []
    for number, phase in enumerate(storm.phases):
        later = storm.phases[number + 1 :]
        until_s = later[0].at_s if later else storm.end_s
        if until_s < x.low or phase.at_s > x.high:
            continue
        at = x(phase.at_s)
        if number and phase.at_s >= x.low:
            drawn.append(el("line", x1=at, x2=at, y1=top - 28, y2=bottom, class_="phase"))
        drawn.append(text(at + 5, top - 19, phase.phase, class_="phase-name"))
    return drawn


def _legend(name: str, keys: Sequence[Key], kinds: Sequence[FaultKind]) -> tuple[list[str], int]:
    """Return the legend's elements and how many rows it takes."""
    drawn: list[str] = []
    at, row = float(LEFT), 0
    for label, toggles, sign in _entries(name, keys, kinds):
        width = 22 + text_width(label) + 16
        if at + width > WIDTH and at > LEFT:
            at, row = float(LEFT), row + 1
        place = f"translate({num(at)} {row * _LEGEND_ROW + 14})"
        body = (sign, text(22, 0, label, class_="key"))
        drawn.append(el("g", *body, class_="entry", data_toggles=toggles, transform=place))
        at += width
    return drawn, row + 1 if drawn else 0


def _entries(
    name: str, keys: Sequence[Key], kinds: Sequence[FaultKind]
) -> Iterator[tuple[str, str, str]]:
    """Yield (label, class of what it stands for, sign) of each entry."""
    for key in keys:
        sign = el("path", d=key.path, transform="translate(8 -4)")
        yield key.label, key.class_.split()[-1], el("g", sign, class_=key.class_)
    for kind in kinds:
        yield f"{kind.letter} {kind.name}", f"f{kind.number}", swatch(name, kind)
