"""What the benchmarks say of a figure, and that they write between their marks only."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from speed.figure import Figure, Ratio, Table, ratio
from speed.page import BEGIN, END, cells, write
from speed.process import MeasurementError

FIGURE = Figure("ours / theirs", Ratio(1.2, 1.0, 1.5, 7), 1.3)


@pytest.mark.parametrize(
    ("middle", "limit", "at_most", "met"),
    [
        (1.3, 1.3, True, True),
        (1.31, 1.3, True, False),
        (4.0, 4.0, False, True),
        (3.9, 4.0, False, False),
        (3.9, None, True, None),
    ],
)
def test_a_figure_is_met_on_its_side_of_the_limit(
    middle: float, limit: float | None, at_most: bool, met: bool | None
) -> None:
    figure = Figure("one", Ratio(middle, 0.0, 9.0, 3), limit, at_most=at_most)

    assert met is figure.met


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.0, 1.2, "met"),
        (1.0, 1.3, "met"),
        (1.0, 1.4, "met, limit within the spread"),
    ],
)
def test_a_limit_within_the_spread_is_told(low: float, high: float, said: str) -> None:
    assert said == cells(Figure("one", Ratio(1.1, low, high, 3), 1.3))[-1]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert Figure("one", None, 1.3).met is None


def test_rounds_are_compared_one_by_one() -> None:
    found = ratio([2.0, 30.0, 8.0], [1.0, 10.0, 2.0])

    assert Ratio(3.0, 2.0, 4.0, 3) == found


def test_the_text_around_the_figures_stays(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Ours\n\n{BEGIN}\nold\n{END}\n\nWhy.\n")
    table = Table("Behind it", ("program", "CPU"), (("trifecta", "1.0"),))

    for _ in range(2):
        write(page, ["Taken today."], [FIGURE, Figure("beside", None, note="missing")], [table])

    text = page.read_text()
    assert text.startswith("# Ours\n\n")
    assert text.endswith(f"{END}\n\nWhy.\n")
    assert "old" not in text
    row = "| ours / theirs | 1.20 | 1.00–1.50 | 7 | ≤ 1.3 | met, limit within the spread |"  # noqa: RUF001
    assert text.count(row) == 1
    assert text.count("| trifecta | 1.0 |") == 1


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# Ours\n")

    with pytest.raises(MeasurementError):
        write(page, [], [FIGURE], [])

    assert page.read_text() == "# Ours\n"
