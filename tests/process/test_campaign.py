"""Campaigns of many soaks: resumed after a kill, bounded on disk, merged, told in one verdict."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from soaker import HANG_GUARD_S, Soaker
from toy_project import TOY

from soakproof import schema

pytestmark = [pytest.mark.process, pytest.mark.slow]

Make = Callable[..., Soaker]


def folder_of(soaker: Soaker) -> Path:
    [folder] = (soaker.root / "_ctx" / "campaigns").iterdir()
    return folder


def points_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "points").glob("*.json")}


def summary_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    return document


ASKED = ("campaign", "--campaign", "toy", "--ops", "16", "--jobs", "2")


def test_a_sound_tool_passes_at_every_point_and_leaves_no_run(soaker: Make) -> None:
    sound = soaker()
    done = sound(*ASKED, "--seeds", "1..2", "--grid", "workers=2,3", "--sample", "1000000")

    assert 0 == done.returncode, done.stderr
    summary = summary_of(folder_of(sound))
    assert {"planned": 4, "done": 4, "cases": 0} == summary["points"]
    assert 64 == summary["ops"]["ops_total"]
    assert [] == summary["coverage"]["never"]
    assert 4 == summary["coverage"]["reached"]["fault/lock_hold/took_effect"]
    assert [] == [path for path in (sound.root / "_ctx/runs").iterdir() if path.is_dir()]
    assert [] == list((folder_of(sound) / "scratch").iterdir())
    assert (folder_of(sound) / "report.md").read_text("utf-8").startswith("# PASS")
    page = (folder_of(sound) / "report.html").read_text("utf-8")
    assert "<title>PASS: campaign " in page
    assert f"page: {folder_of(sound).relative_to(sound.root) / 'report.html'}" in done.stdout


def test_what_is_done_is_not_done_again(soaker: Make) -> None:
    sound = soaker()
    first = sound(*ASKED, "--seeds", "1..2", "--json")
    before = points_of(folder_of(sound))
    second = sound(*ASKED, "--seeds", "1..2", "--json")

    assert (first.returncode, 2) == (second.returncode, len(before))
    assert before == points_of(folder_of(sound))
    told, again = json.loads(first.stdout), json.loads(second.stdout)
    assert {**told, "informational": 0} == {**again, "informational": 0}


def test_a_campaign_that_was_killed_goes_on_where_it_was(soaker: Make) -> None:
    sound = soaker()
    asked = (*ASKED, "--seeds", "1..6")
    first = sound.start(*asked)
    until = time.monotonic() + HANG_GUARD_S
    campaigns = sound.root / "_ctx" / "campaigns"
    while not list(campaigns.glob("*/points/seed-*.json")):
        assert time.monotonic() < until
        os.sched_yield()
    first.send_signal(signal.SIGKILL)  # what it had started runs on
    first.communicate(timeout=HANG_GUARD_S)
    before = points_of(folder_of(sound))
    assert 0 < len(before) < 6
    done = sound(*asked)

    assert 0 == done.returncode, done.stderr
    after = points_of(folder_of(sound))
    assert 6 == len(after) == summary_of(folder_of(sound))["points"]["done"]
    assert before == {name: after[name] for name in before}
    left = {path.name for path in (sound.root / "_ctx/runs").iterdir() if path.is_dir()}
    kept = {json.loads(one)["run"] for one in after.values()}
    assert left <= kept, "the run of the point that was cut off is gone"


def _children(pid: int) -> list[int]:
    texts = []
    with suppress(OSError):  # it, or one of its threads, has ended
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - as the kernel names them
        texts += [Path(f"/proc/{pid}/task/{one}/children").read_text("ascii") for one in threads]
    return [int(one) for text in texts for one in text.split()]


def _point_under_way(campaign: int) -> tuple[int, int]:
    """Return the server of points, and a point that it soaks."""
    until = time.monotonic() + HANG_GUARD_S
    while time.monotonic() < until:
        for server in _children(campaign):
            for point in _children(server):
                with suppress(ProcessLookupError):
                    if os.getpgid(point) == point:
                        return server, point
        os.sched_yield()
    raise AssertionError("no point was begun")


@pytest.mark.parametrize("victim", ["point", "server"])
def test_what_is_killed_is_soaked_again(soaker: Make, victim: str) -> None:
    sound = soaker()
    campaign = sound.start(*ASKED[:-1], "1", "--seeds", "1..3")
    server, point = _point_under_way(campaign.pid)
    os.kill(point if victim == "point" else server, signal.SIGKILL)
    _, complaints = campaign.communicate(timeout=HANG_GUARD_S)

    assert 0 == campaign.returncode, complaints
    results = [json.loads(one) for one in points_of(folder_of(sound)).values()]
    assert ["PASS"] * 3 == [one["verdict"] for one in results]
    attempts = sum(one["attempts"] for one in results)
    assert attempts == 4 if victim == "point" else attempts in {3, 4}, "the orphan may end its work"
    assert [] == list((folder_of(sound) / "scratch").iterdir())


def test_an_interrupted_campaign_ends_the_points_that_run(soaker: Make) -> None:
    sound = soaker()
    campaign = sound.start(*ASKED, "--seeds", "1..50")
    server, point = _point_under_way(campaign.pid)
    campaign.send_signal(signal.SIGINT)
    campaign.communicate(timeout=HANG_GUARD_S)

    assert 130 == campaign.returncode
    assert [] == [pid for pid in (server, point) if Path(f"/proc/{pid}").exists()]


def test_a_defect_fails_the_campaign_and_is_told_with_its_replay(soaker: Make) -> None:
    broken = soaker("fickle")
    command = shlex.join([sys.executable, str(TOY), "--defect", "fickle"])
    done = broken(*ASKED, "--seeds", "1..3", "--keep", "1", "--target-command", command)

    assert 10 == done.returncode
    summary = summary_of(folder_of(broken))
    schema.check(summary, "fleet-summary", "summary.json")
    group = next(one for one in summary["failures"] if one["criterion"] == "answers_agree")
    assert (3, ["seed-1", "seed-2", "seed-3"]) == (group["count"], group["points"])
    assert group["replay"] in done.stdout
    runs = [path for path in (broken.root / "_ctx/runs").iterdir() if path.is_dir()]
    assert [group["run"]] == [path.name for path in runs], "one was to be kept"
    assert (runs[0] / "report.html").exists()
    assert not (runs[0] / "segment").exists()
    assert command in shlex.split(group["replay"]), "its folders are those of this machine"
    assert 10 == broken(*shlex.split(group["replay"])[1:], "--no-record").returncode


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--seeds", "5..1"), "--seeds: expected"),
        ((), "--seeds: expected"),
        (("--seeds", "1", "--grid", "colour=red"), "--grid: expected"),
        (("--seeds", "1", "--grid", "faults=kill"), "--grid faults: expected"),
        (("--seeds", "1", "--grid", "workers=0"), "--workers: expected"),
        (("--seeds", "1", "--grid", "workers=2", "--workers", "2"), "--grid workers"),
        (("--seeds", "1", "--jobs", "0"), "--jobs: expected"),
        (("--seeds", "1", "--campaign", "none"), "none: not there"),
    ],
)
def test_bad_input_is_one_clear_line(soaker: Make, given: tuple[str, ...], words: str) -> None:
    sound = soaker()
    done = sound("campaign", "--campaign", "toy", *given)

    assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines())), done.stderr
    assert words in done.stderr
    assert not (sound.root / "_ctx" / "campaigns").exists()


def test_a_part_of_a_campaign_closes_no_work_order(soaker: Make) -> None:
    sound = soaker()
    path = sound.root / "eval" / "campaigns" / "toy.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("target =", 'work_order = "WO-P3.0"\ntarget =', 1), "utf-8")

    assert 0 == sound("clean", "--campaign", "toy").returncode
    assert "WO-P3.0" == sound.document("plan.json")["campaign"]["work_order"]
    assert 0 == sound("clean", "--campaign", "toy", "--faults", "lock_hold").returncode
    plan = sound.document("plan.json")
    assert "work_order" not in plan["campaign"]
    assert ["--faults", "lock_hold"] == plan["replay_argv"][-2:]
    refused = sound("clean", "--campaign", "toy", "--faults", "kill")
    assert (2, True) == (refused.returncode, "--faults: expected kinds" in refused.stderr)
