"""Run the scans that were asked for, each row as it ends."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from soakproof.deep.crash import MODELS
from soakproof.deep.crash_scan import candidates, crash_point
from soakproof.deep.effects import CannotRebuildError
from soakproof.deep.points import (
    Point,
    beyond_points,
    bounded,
    error_points,
    kill_points,
    short_points,
)
from soakproof.deep.scans import (
    Lab,
    PointResult,
    Situation,
    error_point,
    kill_point,
    short_point,
    stop_point,
    undisturbed,
)
from soakproof.deep.verdicts import Batch, scan_row, skipped_row
from soakproof.errors import UsageError
from soakproof.stages.deep.asked import Asked
from soakproof.stages.deep.scene import Scene

__all__ = ["scanned"]

Work = Callable[[Lab, Situation, int, Point], PointResult]
_WORK: Final[Mapping[str, Work]] = {
    "kill": kill_point,
    "error": error_point,
    "short": short_point,
    "stop": stop_point,
}


def scanned(asked: Asked, scene: Scene) -> Iterator[tuple[dict[str, Any], list[PointResult]]]:
    """Yield the row of each scan with what came of its points."""
    lab, before = scene.lab, dict.fromkeys(_WORK, 0)
    begins = scene.situations if set(asked.scans) & set(_WORK) else ()
    for situation in begins:
        found, totals = undisturbed(lab, situation)
        points = {
            "kill": kill_points(found),
            "error": error_points(found),
            "short": short_points(found),
            "stop": kill_points(found),
        }
        for scan in (one for one in asked.scans if one in _WORK):
            first = before[scan]
            before[scan] += len(points[scan])
            numbered = [(first + at, one) for at, one in bounded(points[scan], asked.max_points)]
            if asked.point is not None:
                every = enumerate(points[scan], first + 1)
                numbered = [(at, one) for at, one in every if at == asked.point]
                if not numbered:
                    continue
            work = functools.partial(_one, _WORK[scan], lab, situation)
            results = list(lab.each(work, numbered))
            beyond: list[PointResult] = []
            if scan == "kill" and asked.point is None:
                behind = [(0, one) for one in beyond_points(totals)]
                beyond = list(lab.each(work, behind))
            count = len(points[scan])
            batch = Batch(
                scan, situation.name, count, count, len(numbered), whole=asked.point is None
            )
            yield scan_row(batch, results, beyond), results
    if "crash" in asked.scans:
        yield from _crashes(asked, scene)
    elif asked.point is not None and asked.point > before[asked.scans[0]]:
        message = f"--point: expected at most {before[asked.scans[0]]}, found {asked.point}"
        raise UsageError(message)


def _one(work: Work, lab: Lab, situation: Situation, numbered: tuple[int, Point]) -> PointResult:
    return work(lab, situation, *numbered)


def _crashes(asked: Asked, scene: Scene) -> Iterator[tuple[dict[str, Any], list[PointResult]]]:
    """Yield a row for each model of a crash."""
    lab, cold = scene.lab, scene.situations[0]
    try:
        every = candidates(lab, cold.base, scene.recorded, asked.seed, asked.settings["drawn"])
    except CannotRebuildError as problem:
        yield from ((skipped_row("crash", model, str(problem)), []) for model in MODELS)
        return
    for model in MODELS:
        mine = [(at, one) for at, one in enumerate(every, 1) if one.state.model == model]
        if model == "torn_write" and not mine:
            continue  # no write is longer than a sector: there is nothing to tear
        chosen = [mine[at - 1] for at, _ in bounded(mine, asked.max_points)]
        if asked.point is not None:
            chosen = [(at, one) for at, one in mine if at == asked.point]
            if not chosen:
                continue
        results = list(
            lab.each(
                lambda item: crash_point(lab, cold.base, scene.recorded, scene.keep, *item),
                chosen,
            )
        )
        states = sum(one.alike for _, one in mine)
        whole = asked.point is None
        batch = Batch("crash", model, len(mine), states, len(chosen), whole=whole)
        yield scan_row(batch, results), results
    if asked.point is not None and asked.point > len(every):
        message = f"--point: expected at most {len(every)}, found {asked.point}"
        raise UsageError(message)
