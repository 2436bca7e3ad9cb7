"""Three pictures of the cache: hit rate, lock waits, bytes; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from soakproof.report.pictures.bins import Slice
from soakproof.report.pictures.frame import LEFT, RIGHT, Key, Panel, Picture, draw
from soakproof.report.pictures.marks import line
from soakproof.report.pictures.scales import Scale, byte_tick, linear_ticks
from soakproof.report.pictures.storm import Storm, Wait
from soakproof.report.pictures.svg import el, num, text
from soakproof.report.pictures.windows import FaultKind

__all__ = ["file_bytes", "hit_rate", "lock_waits"]

_CAUSES: Final = 4
"""Causes of a wait with a look of their own; the rest look alike."""

_ROLES: Final = 5
_STRIP: Final = 62
_GAP: Final = 26


def hit_rate(
    storm: Storm, kinds: Sequence[FaultKind], parts: Sequence[Slice], metrics: Mapping[str, Any]
) -> Picture:
    """Return the hit rate of each slice, and of each phase as a whole."""
    height = 150.0
    y, x = Scale(0, 1, height, 0), _time(storm)
    points = [
        None if part.hit_rate is None else (x(part.middle_s), y(part.hit_rate)) for part in parts
    ]
    body = [
        *_phase_rates(storm, metrics, x, y),
        line(points, "line halo rate"),
        line(points, "line rate"),
    ]
    spots = "".join(f"M{num(px)} {num(py)}h0" for px, py in (at for at in points if at))
    body.append(el("path", d=spots, class_="mark s1 rate-dot"))
    rates = {
        phase: seen["hit_rate"]
        for phase, seen in metrics["cache"].items()
        if seen.get("hit_rate") is not None
    }
    told = ", ".join(f"{phase} {rate:.1%}" for phase, rate in rates.items()) or "nothing was asked"
    says = (
        f"Hits among hits and misses, for each slice of the run; by phase: {told}. "
        "A slice without a lookup has no point."
    )
    ticks = [(y(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    legend = [
        Key("line rate", "M-8 0H8", "hit rate of a slice"),
        Key("line whole", "M-8 0H8", f"of the phase: {told}"),
    ]
    panel = Panel(height, body, ticks, "hit rate")
    return draw(
        storm, kinds, panel, legend, name="hit-rate", caption=("Hit rate, cold and warm", says)
    )


def _phase_rates(storm: Storm, metrics: Mapping[str, Any], x: Scale, y: Scale) -> list[str]:
    drawn = []
    for number, phase in enumerate(storm.phases):
        rate = metrics["cache"].get(phase.phase, {}).get("hit_rate")
        if rate is None:
            continue
        later = storm.phases[number + 1 :]
        until_s = later[0].at_s if later else storm.end_s
        across = {"x1": x(phase.at_s), "x2": x(until_s), "y1": y(rate), "y2": y(rate)}
        drawn.append(el("line", **across, class_="line whole"))
    return drawn


def lock_waits(storm: Storm, kinds: Sequence[FaultKind]) -> Picture:
    """Return every wait as a line from its begin to its end, at the height of its length."""
    height = 160.0
    longest_ms = max((_waited_ms(wait) for wait in storm.waits), default=1.0)
    values = linear_ticks(longest_ms, 4)
    y, x = Scale(0, values[-1], height, 0), _time(storm)
    causes = sorted({wait.cause for wait in storm.waits if not wait.given_up})
    paths: dict[str, dict[tuple[int, int, int], None]] = {}
    for wait in storm.waits:
        at = min(causes.index(wait.cause), _CAUSES - 1) if not wait.given_up else "up"
        place = (round(x(wait.begin_s)), round(x(wait.end_s)), round(y(_waited_ms(wait))))
        paths.setdefault(f"w{at}", {})[place] = None
    body = []
    for name in sorted(paths):
        if name == "wup":
            drawn = "".join(f"M{end - 4} {level - 4}l8 8m0-8l-8 8" for _, end, level in paths[name])
            body.append(el("path", d=drawn, class_="mark s0 m-fail wup"))
            continue
        lines = "".join(f"M{begin} {level}H{end}" for begin, end, level in sorted(paths[name]))
        ends = "".join(f"M{end} {level}h0" for _, end, level in sorted(paths[name]))
        body.append(el("path", d=lines, class_=f"line wait {name}"))
        body.append(el("path", d=ends, class_=f"mark s0 wait-end {name}"))
    given_up = sum(wait.given_up for wait in storm.waits)
    says = (
        f"{len(storm.waits) - given_up} waits for a lock, each a line from its begin to its end at "
        f"the height of how long it was, at most {longest_ms:.0f} ms; {given_up} given up."
        if storm.waits
        else "No operation told of a wait for a lock."
    )
    panel = Panel(height, body, [(y(v), f"{v:g}") for v in values], "waited, ms")
    legend = [Key(f"line wait w{at}", "M-8 0H8", f"for {cause}") for at, cause in enumerate(causes)]
    if given_up:
        legend.append(Key("mark s0 m-fail wup", "M-4-4l8 8m0-8l-8 8", f"given up {given_up}"))
    return draw(storm, kinds, panel, legend, name="lock-waits", caption=("Lock waits", says))


def file_bytes(storm: Storm, kinds: Sequence[FaultKind]) -> Picture:
    """Return the bytes of the cache's files over time, each role with an axis of its own."""
    x = _time(storm)
    roles = _roles(storm)
    body: list[str] = []
    ticks: list[tuple[float, str]] = []
    for number, (role, members) in enumerate(roles):
        top = _GAP + number * (_STRIP + _GAP)
        series = [(at_s, sum(sizes.get(one, 0) for one in members)) for at_s, sizes in storm.sizes]
        most = max(size for _, size in series)
        y = Scale(0, max(most, 1), top + _STRIP, top)
        body.append(_area(series, x, y, number))
        body.append(text(LEFT + 5, top - 6, f"{role}: at most {byte_tick(most)}", class_="note"))
        body.append(el("line", x1=LEFT, x2=RIGHT, y1=top + _STRIP, y2=top + _STRIP, class_="axis"))
        ticks += [(top, byte_tick(most)), (top + _STRIP, "0")]
    height = max(60.0, len(roles) * (_STRIP + _GAP) + _GAP)
    most_said = ", ".join(
        f"{role} {byte_tick(max(sum(s.get(m, 0) for m in members) for _, s in storm.sizes))}"
        for role, members in roles
    )
    says = (
        f"{len(storm.sizes)} looks at the cache's files; at most: {most_said or 'nothing'}. "
        "Each role has a vertical axis of its own."
    )
    panel = Panel(height, body, ticks, "bytes", grid=False)
    title = "Bytes of database, WAL and others"
    return draw(storm, kinds, panel, [], name="bytes", caption=(title, says))


def _area(series: Sequence[tuple[float, int]], x: Scale, y: Scale, number: int) -> str:
    """Return a stepped area; of the samples of one pixel, the largest is kept."""
    by_px: dict[int, int] = {}
    for at_s, size in series:
        px = round(x(at_s))
        by_px[px] = max(size, by_px.get(px, 0))
    path = f"M{LEFT} {num(y(0))}"
    for px, size in by_px.items():
        path += f"H{px}V{num(y(size))}"
    return el("path", d=f"{path}H{RIGHT}V{num(y(0))}z", class_=f"area a{number}")


def _roles(storm: Storm) -> list[tuple[str, list[str]]]:
    """Return the roles that ever had bytes, as they are listed; many of them become ``others``."""
    names: dict[str, int] = {}
    for _, sizes in storm.sizes:
        for role, size in sizes.items():
            names[role] = max(size, names.get(role, 0))
    there = [role for role, most in names.items() if most]
    first = sorted(there, key=lambda role: (role != "database", role != "wal", -names[role]))
    shown = first if len(first) <= _ROLES else first[: _ROLES - 1]
    roles = [(role, [role]) for role in shown]
    rest = first[len(shown) :]
    return [*roles, ("others", rest)] if rest else roles


def _waited_ms(wait: Wait) -> float:
    return (wait.end_s - wait.begin_s) * 1000


def _time(storm: Storm) -> Scale:
    return Scale(0, max(storm.end_s, 1e-6), LEFT, RIGHT)
