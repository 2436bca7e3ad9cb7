"""What the bench of the harness says of what it measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reach import beside_xargs, by_size, counting, engines, thousand
from reach.__main__ import MARKS
from reach.beside_xargs import Round
from reach.by_size import STAGES, Measured
from reach.engines import Soaked
from reach.grown import by_key
from reach.place import Took
from speed.figure import Figure, Ratio, as_document, from_document
from speed.page import write
from speed.process import MeasurementError

ROOT = Path(__file__).resolve().parents[2]


def took(wall_s: float, cpu_s: float = 1.0) -> Took:
    return Took(wall_s, cpu_s, 0)


@pytest.mark.parametrize(("storm_s", "met"), [(2.0, True), (2.1, True), (2.2, False)])
def test_the_storm_and_not_the_whole_run_is_held_against_xargs(storm_s: float, met: bool) -> None:
    rounds = [Round(took(storm_s, 3.0), took(9.0), took(2.0, 2.0), took(4.0))] * 3
    figures, tables = beside_xargs.told(rounds, 100)

    assert [met, None, None, None] == [one.met for one in figures]
    middles = [one.ratio.middle for one in figures if one.ratio]
    assert pytest.approx([storm_s / 2, 4.5, 2.0, 1.5]) == middles
    assert "50 (50–50)" == tables[0].rows[2][-1]  # noqa: RUF001 - a range


def counted(**changed: Any) -> dict[str, Any]:
    base = {"resident_mb": 50.0, "told": "", "named": 15}
    one = base | {"name": counting.TALLY_1, "wall_s": [3.0], "cpu_s": [2.0]}
    two = base | {"name": counting.TALLY_2, "wall_s": [1.5], "cpu_s": [2.5]} | changed
    loop = base | {"name": counting.LOOP, "wall_s": [13.0], "cpu_s": [12.0], "named": 0}
    duckdb = base | {"name": counting.DUCKDB, "wall_s": [1.5], "cpu_s": [2.0], "named": 0}
    return {"planted": 15, "contestants": [one, two, loop, duckdb]}


def test_counting_meets_all_four() -> None:
    assert [True] * 4 == [one.met for one in counting.told(counted())]


@pytest.mark.parametrize(
    ("changed", "missed"),
    [({"wall_s": [1.6]}, 1), ({"resident_mb": 201.0}, 2), ({"named": 14}, 3)],
)
def test_counting_that_falls_short_says_where(changed: dict[str, Any], missed: int) -> None:
    met = [one.met for one in counting.told(counted(**changed))]

    assert [number != missed for number in range(4)] == met


def test_counting_without_duckdb_is_not_measured_and_not_met() -> None:
    document = counted()
    document["contestants"].pop()
    figure = counting.told(document)[1]

    assert (None, None, "DuckDB is not installed") == (figure.ratio, figure.met, figure.note)


def test_a_slow_start_is_not_taken_for_a_slow_campaign() -> None:
    local, dask = Soaked(1.0, 11.0, 12.0, 21), Soaked(40.0, 50.0, 60.0, 21)
    (figure,), (table,) = engines.told([local], [dask])

    assert (2.0, 2.0) == (local.points_a_second, dask.points_a_second)
    assert figure.met
    assert ["1.00", "40.00"] == [row[1].split()[0] for row in table.rows]


def test_fewer_seeds_are_extrapolated_and_said_to_be() -> None:
    summary = {"verdicts": {"PASS": 39, "FAIL": 1}}
    (few,), _ = thousand.told(took(12.0), 40, summary)
    (all_of_them,), (table,) = thousand.told(took(301.0), 1_000, summary)

    assert few.ratio is not None
    assert (5.0, True) == (few.ratio.middle, few.met)
    assert "extrapolated from 40" in few.name
    assert "extrapolated" not in all_of_them.name
    assert not all_of_them.met
    assert "PASS 39, FAIL 1" == table.rows[0][-1]


def test_growth_is_of_the_cpu_an_operation() -> None:
    sizes = {"record": 2_000_000, "metrics": 3_000, "page": 4_000, "bundle": 5_000_000}
    rounds = [took(9.0, 1.0), took(8.0, 2.0), took(7.0, 3.0)]
    few = Measured(1_000, dict.fromkeys(STAGES, rounds), sizes)
    many = Measured(10_000, {stage: [took(99.0, 10.0)] for stage in STAGES}, sizes)
    figures, (table,) = by_size.told([few, many])

    assert [Ratio(0.5, 0.5, 0.5, 1)] * 4 == [one.ratio for one in figures]
    assert ("2.0", "3", "4", "5.00") == table.rows[1][-4:]
    assert ("1,000", "8.00 (2.00)") == table.rows[0][:2]


def lines(end: str = "ok") -> list[dict[str, Any]]:
    asked = [("op-000000", "a", 10), ("op-000001", "b", 20), ("op-000002", "a", 30)]
    begin = [{"type": "invoke", "op": op, "key": key, "mono_ns": at} for op, key, at in asked]
    return begin + [{"type": end, "op": op, "mono_ns": at + 5} for op, _, at in asked]


def test_a_first_operation_is_kept_apart_from_later_ones() -> None:
    found = by_key(lines(), [{"cmd": "miss", "x": {"op": "op-000000"}}])

    assert {("a", True), ("b", True), ("a", False)} == set(found)
    assert ["miss"] == [event["cmd"] for event in found["a", True][0].events]
    assert [] == found["a", False][0].events
    assert 30 == found["a", False][0].began_ns


@pytest.mark.parametrize("end", ["fail", "info"])
def test_a_run_with_an_operation_without_answer_is_not_grown(end: str) -> None:
    with pytest.raises(MeasurementError, match="every operation answered"):
        by_key(lines(end), [])


def test_figures_travel_from_one_bench_to_the_other() -> None:
    figures = [
        Figure("one", Ratio(1.0, 0.5, 2.0, 3), 1.5),
        Figure("two", None, 4.0, at_most=False, note="why"),
    ]

    assert figures == from_document(json.loads(json.dumps(as_document(figures))))


def test_the_page_has_a_place_for_the_harness(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    before = (ROOT / "docs" / "performance.md").read_text("utf-8")
    page.write_text(before, "utf-8")
    write(page, ["a fact"], [Figure("a figure", Ratio(1, 1, 1, 1), 2)], [], MARKS)
    after = page.read_text("utf-8")

    assert before.partition(MARKS[0])[0] == after.partition(MARKS[0])[0]
    assert before.partition(MARKS[1])[2] == after.partition(MARKS[1])[2]
    assert "| a figure | 1.00 | 1.00–1.00 | 1 | ≤ 2 | met |" in after  # noqa: RUF001 - a range
