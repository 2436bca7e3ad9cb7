from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from soakproof import schema
from soakproof.errors import UsageError
from soakproof.fleet.coverage import reachable, reached
from soakproof.fleet.grid import Point, parse_grid, points
from soakproof.fleet.result import explanation, failed_result
from soakproof.fleet.summary import summarise
from soakproof.model import HistoryLine
from soakproof.report.campaign import campaign_lines, campaign_markdown

SPEC: Mapping[str, Any] = {
    "schema_version": 1,
    "name": "c",
    "soakproof_version": "0",
    "campaign": "c",
    "seeds": "1..3",
    "grid": {},
    "points": 3,
    "flags": {},
    "asked_sha256": "0" * 64,
}


def result(seed: int, verdict: str = "PASS", **changes: Any) -> dict[str, Any]:
    unknown = failed_result(
        f"seed-{seed}",
        {"seed": seed, "grid": {}, "case": None},
        replay=["x"],
        reason="",
        attempts=1,
    )
    return {**unknown, "verdict": verdict, "unmet": [], **changes}


def unmet(criterion: str, verdict: str, explanation: str = "") -> dict[str, Any]:
    return {
        "criterion": criterion,
        "verdict": verdict,
        "reason": "observed 1",
        "explanation": explanation,
    }


def summed(*results: dict[str, Any], can: frozenset[str] = frozenset()) -> dict[str, Any]:
    by_name = {one["point"]: one for one in results}
    document = summarise(SPEC, by_name, {"": can}, state="completed", elapsed_s=1.0)
    schema.check(document, "fleet-summary", "summary")
    return document


def test_a_grid_is_every_combination_for_every_seed() -> None:
    grid = parse_grid(["workers=2,4", "faults=kill,lock_hold+pause"])
    made = list(points([1, 2], grid))

    assert 8 == len(made) == len({point.name for point in made})
    assert Point(1, (("faults", "kill"), ("workers", "2"))) == made[0]
    assert "seed-2_faults-lock_hold.pause_workers-4" == made[-1].name


def test_the_name_of_every_point_can_be_that_of_a_run() -> None:
    kinds = "+".join(f"fault_{number}" for number in range(20))
    grid = parse_grid([f"faults={kinds},{kinds}+one_more,kill+pause", "workers=2"])
    names = [point.name for point in points([1, 10**9], grid)]

    pattern = schema.load_schema("point-plan")["properties"]["run_id"]["pattern"]
    assert all(re.fullmatch(pattern, name) for name in names), names
    assert len(names) == len(set(names)) == 6


@pytest.mark.parametrize(
    "given",
    [["colour=red"], ["workers"], ["workers="], ["workers=2", "workers=4"], ["ops=1,,2"]],
)
def test_a_grid_that_cannot_be_used_is_refused(given: list[str]) -> None:
    with pytest.raises(UsageError, match="--grid: expected"):
        parse_grid(given)


def test_the_verdict_of_a_campaign() -> None:
    fine = [result(seed) for seed in (1, 2)]

    assert 0 == summed(*fine, result(3))["exit_code"]
    assert 10 == summed(*fine, result(3, "FAIL"))["exit_code"]
    assert 11 == summed(*fine, result(3, "UNKNOWN"))["exit_code"]
    assert 10 == summed(result(1, "UNKNOWN"), result(2, "FAIL"), result(3))["exit_code"]
    assert 11 == summed(*fine)["exit_code"], "a point is not done"
    assert 11 == summed(*fine, result(3), can=frozenset({"edit/touch"}))["exit_code"]
    assert (
        0
        == (
            summed(*fine, result(3, reached={"edit/touch": 1}), can=frozenset({"edit/touch"}))[
                "exit_code"
            ]
        )
    )


def test_verdicts_are_counted_for_each_value_of_the_grid() -> None:
    spec = {**SPEC, "points": 4, "grid": {"workers": ["2", "4", "8"], "faults": ["kill"]}}
    results = [
        result(1, grid={"workers": "2", "faults": "kill"}),
        result(2, "FAIL", grid={"workers": "4", "faults": "kill"}),
        result(3, "UNKNOWN", grid={"workers": "4", "faults": "kill"}),
        result(4, "FAIL", grid={}),
    ]
    by_name = {one["point"]: one for one in results}
    told = summarise(spec, by_name, {"": frozenset()}, state="completed", elapsed_s=1.0)

    schema.check(told, "fleet-summary", "summary")
    assert {
        "faults": {"kill": {"PASS": 1, "FAIL": 1, "UNKNOWN": 1}},
        "workers": {
            "2": {"PASS": 1, "FAIL": 0, "UNKNOWN": 0},
            "4": {"PASS": 0, "FAIL": 1, "UNKNOWN": 1},
            "8": {"PASS": 0, "FAIL": 0, "UNKNOWN": 0},
        },
    } == told["by_grid"]
    assert "| `workers` | `4` | 0 | 1 | 1 |" in campaign_markdown(told)
    assert "by value of the grid" not in campaign_markdown(summed(result(1)))


def test_failures_are_grouped_by_criterion_and_explanation() -> None:
    told = summed(
        result(1, "FAIL", unmet=[unmet("no_wrong_answer", "FAIL", "a")], words="w"),
        result(2, "FAIL", unmet=[unmet("no_wrong_answer", "FAIL", "a")], run="kept"),
        result(3, "FAIL", unmet=[unmet("no_wrong_answer", "FAIL", "b"), unmet("x", "UNKNOWN")]),
    )

    assert [("no_wrong_answer", "a", 2), ("no_wrong_answer", "b", 1)] == [
        (group["criterion"], group["explanation"], group["count"]) for group in told["failures"]
    ]
    assert ["x"] == [group["criterion"] for group in told["unknowns"]]
    assert "kept" == told["failures"][0]["run"]
    assert "replay: x" in "\n".join(campaign_lines(told, "r", "p"))
    assert "### no_wrong_answer: 2 points" in campaign_markdown(told)


def test_what_was_reached_comes_from_the_record() -> None:
    campaign = {
        "faults": [{"kind": "kill", "modes": ["random", "wal"]}, {"kind": "lock_hold"}],
        "episodes": {"edits": ["touch"]},
    }
    steps = {"fired": 1, "took_effect": 1, "healed": 1, "skipped": 0}
    metrics = {
        "faults": {
            "by_kind": {"kill": steps, "lock_hold": {**steps, "took_effect": 0}},
            "ledger": [
                {"fault": "kill-0", "kind": "kill", "took_effect": True, "observation": {}},
                {
                    "fault": "lock_hold-0",
                    "kind": "lock_hold",
                    "took_effect": False,
                    "observation": {"overlapping_lock_waits": ["op-000001"]},
                },
            ],
        },
        "locks": {"by_cause": {"file_lock": 2}},
    }

    def line(seq: int, **fields: Any) -> HistoryLine:
        return HistoryLine(seq=seq, mono_ns=seq, **fields)

    history = [
        line(1, type="fault", fault="kill-0", kind="kill", event="fired", detail={"mode": "wal"}),
        line(2, type="edit", edit="edit-0", kind="touch", event="begin"),
        line(3, type="edit", edit="edit-0", kind="touch", event="end"),
        line(4, type="edit", edit="edit-0", kind="touch", event="end"),
    ]
    seen = reached(metrics, history)

    assert {"mode/kill/wal": 1, "edit/touch": 1, "overlap/lock_hold": 1, "wait/file_lock": 2} == {
        name: count for name, count in seen.items() if not name.startswith("fault/")
    }
    assert {"mode/kill/random", "fault/lock_hold/took_effect"} == reachable(campaign) - seen.keys()


def test_an_explanation_is_the_sort_of_failure_and_not_its_instance() -> None:
    first = {
        "answer": "stale",
        "kind": "toy.get",
        "phase": "after",
        "faults": ["kill-3", "kill-1", "pause-0"],
        "edits": ["edit-7"],
    }

    assert "stale answer of toy.get, phase after, kill+pause, during an edit" == explanation(
        "no_stale_answer", first
    )
    assert not explanation("no_lost_event", first)
    assert not explanation("no_stale_answer", None)
