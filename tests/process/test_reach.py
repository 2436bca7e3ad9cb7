"""The bench of the harness measures what it says: real runs, and runs that were grown from one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reach.beside_xargs import CAMPAIGN, LIMIT, measure
from reach.effort import Effort
from reach.grown import grow
from reach.place import Place
from speed.process import MeasurementError

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.mark.skipif(shutil.which("xargs") is None, reason="no xargs on PATH")
def test_the_same_commands_are_run_by_both(tmp_path: Path) -> None:
    figures, tables = measure(Place(tmp_path), Effort(wall_rounds=2, wall_ops=24))

    assert [LIMIT, None, None, None] == [one.limit for one in figures]
    assert [2] * 4 == [one.ratio.rounds for one in figures if one.ratio]
    assert 4 == len(tables[0].rows)
    assert not list((tmp_path / "_ctx" / "runs").glob("wall-*"))


def test_a_grown_run_is_judged_and_verified_like_a_real_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    small = place.planned("small", CAMPAIGN, 600)
    place.soakproof("run", "--run-id", "small")
    big = place.planned("big", CAMPAIGN, 1500)
    grow(small, big)
    found = {}
    for run in (small, big):
        for stage in ("expect", "extract"):
            place.soakproof(stage, "--run-id", run.run_id)
        place.soakproof("gate", "--run-id", run.run_id, codes=(11,))
        for stage in ("report", "record"):
            place.soakproof(stage, "--run-id", run.run_id)
        place.soakproof("verify", str(tmp_path / "_ctx" / "evidence" / run.run_id), codes=(11,))
        criteria = place.read(run.verdict)["criteria"]
        # A calm run holds no lock, so nothing is known of waiting for one.
        assert ["lock_wait"] == [one["id"] for one in criteria if one["verdict"] != "PASS"]
        found[run.run_id] = place.read(run.metrics)

    for name, ops in (("small", 600), ("big", 1500)):
        metrics = found[name]
        assert (ops, ops) == (metrics["ops"]["ok"], metrics["ops"]["ops_planned"])
        assert 60 == metrics["cache"]["cold"]["writes"] + metrics["cache"]["warm"]["writes"]
        assert 0 == metrics["telemetry"]["lost_events"] == metrics["telemetry"]["orphan_events"]


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="expected exit code"):
        Place(tmp_path).soakproof("run", "--run-id", "nobody-planned-it")
