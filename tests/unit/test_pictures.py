"""Pictures: where ticks are, what is merged, what is bounded; no disk."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from soakproof.model import HistoryLine, Sample, TelemetryEvent
from soakproof.report.pictures.gallery import NAMES, gallery
from soakproof.report.pictures.marks import dots
from soakproof.report.pictures.scales import Scale, byte_tick, linear_ticks, log_ticks, time_ticks
from soakproof.report.pictures.storm import Mark, Storm
from soakproof.report.pictures.svg import el, num, text

NAMES_OF_EVENTS = {
    "hit": "hit",
    "miss": "miss",
    "lock_wait": ["wait"],
    "lock_timeout": ["timeout"],
}
NOT_ASKED = {"oracle": "not_asked"}
EMPTY: dict[str, Any] = {
    "faults": {"ledger": [], "by_kind": {}},
    "cache": {},
    "answers": NOT_ASKED,
}
HOSTILE = "<script>\"&'"


def line(seq: int, of_type: str, at_ms: int, **fields: object) -> HistoryLine:
    return HistoryLine(seq=seq, type=of_type, mono_ns=10**9 + at_ms * 10**6, **fields)  # type: ignore[arg-type]


def event(cmd: str, at_ms: int, **result: object) -> TelemetryEvent:
    x = {"op": "op-000000", "mono_ns": 10**9 + at_ms * 10**6}
    return TelemetryEvent(ts="t", run_id="r", segment_id="s", cmd=cmd, result=result, x=x)


def storm(*outcomes: str, wrong: frozenset[str] = frozenset()) -> Storm:
    made = Storm(NAMES_OF_EVENTS, wrong)
    made.add_line(line(0, "run", 0, event="begin"))
    made.add_line(line(1, "phase", 0, event="begin", phase="cold"))
    for at, outcome in enumerate(outcomes):
        names = {"op": f"op-{at:06d}", "worker": at % 3, "kind": HOSTILE}
        made.add_line(line(2, "invoke", 10 * at, key=HOSTILE, phase="cold", **names))
        if outcome:
            told = {"error": HOSTILE, "reason": "exit", "exit_code": 1}
            made.add_line(line(3, outcome, 10 * at + 25, **names, **told))
    return made


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (0.0, [0, 1]),
        (1.0, [0, 0.5, 1]),
        (7.0, [0, 2, 4, 6, 8]),
        (450.0, [0, 200, 400, 600]),
    ],
)
def test_ticks_are_nice_and_cover(high: float, expected: list[float]) -> None:
    assert expected == linear_ticks(high, 4)


def test_a_logarithmic_axis_covers_its_values() -> None:
    assert [20, 50, 100, 200, 500] == log_ticks(29, 480)
    assert [1, 10, 100, 1000, 10_000, 100_000] == log_ticks(1, 99_999)
    assert 2 <= len(log_ticks(10, 10))


@pytest.mark.parametrize(("end_s", "unit"), [(9, "s"), (700, "min"), (20_000, "h")])
def test_time_has_a_unit_that_fits(end_s: float, unit: str) -> None:
    ticks, found = time_ticks(end_s)

    assert unit == found
    assert all(0 <= tick.value <= end_s for tick in ticks)


def test_a_scale_clamps() -> None:
    scale = Scale(0, 10, 100, 200)

    assert [100, 150, 200] == [scale(-5), scale(5), scale(50)]


def test_numbers_and_bytes_are_short() -> None:
    assert ["0", "1", "1.2", "0"] == [num(0), num(1.04), num(1.16), num(-0.01)]
    assert ["512 B", "999 kB", "10.2 MB"] == [byte_tick(b) for b in (512, 999_424, 10_155_008)]


def test_what_is_written_is_escaped() -> None:
    written = el("g", text(1, 2, HOSTILE), class_=HOSTILE)

    assert HOSTILE == ET.fromstring(written).get("class")  # noqa: S314 - our own
    assert HOSTILE == ET.fromstring(written)[0].text  # noqa: S314 - our own


def test_dots_on_one_place_are_one_dot_that_is_larger() -> None:
    many = dots((Mark.HIT, 10.0, 10.0) for _ in range(1000))
    one = dots([(Mark.HIT, 10.0, 10.0)])

    assert 1 == len(many) == len(one)
    assert many[0].count("M") == one[0].count("M") == 1
    assert "s2" in many[0]
    assert "s0" in one[0]


def test_a_picture_costs_its_pixels_and_not_the_run() -> None:
    places = [(Mark.FAIL, at * 0.01 % 680, at * 0.007 % 200) for at in range(300_000)]

    assert sum(map(len, dots(places))) < 1_000_000


def test_an_operation_is_what_it_became() -> None:
    made = storm("ok", "ok", "fail", "info", "", wrong=frozenset({"op-000001"}))
    made.add_event(event("hit", 20))

    assert [Mark.HIT, Mark.WRONG, Mark.FAIL, Mark.INFO, Mark.INFO] == list(made.mark)
    assert "op-000002" == made.failures.first_op
    assert "op-000002" in made.failures.first_words
    assert HOSTILE in made.failures.first_words


def test_an_event_without_its_operation_is_left_to_the_metrics() -> None:
    made = storm("ok")
    stranger = TelemetryEvent(ts="t", run_id="r", segment_id="s", cmd="wait", x={"op": "op-9"})
    made.add_event(stranger)
    made.add_event(event("wait", 20, waited_ms="long"))
    made.add_event(event("wait", 20, waited_ms=5))
    made.add_event(event("timeout", 20, waited_ms=5))

    assert [False, True] == [wait.given_up for wait in made.waits]


def test_errors_that_say_the_same_are_one_group() -> None:
    made = Storm(NAMES_OF_EVENTS)
    for at in range(200):
        names = {"op": f"op-{at:06d}", "worker": 0, "kind": "get"}
        made.add_line(line(0, "invoke", at, key="k", phase="cold", **names))
        said = f"cannot open '/tmp/x{at}' (errno {at})" if at % 2 else f"{'w' * at} words"
        made.add_line(line(1, "fail", at, **names, reason="exit", exit_code=1, error=said))
    first, *others = made.failures.largest_first()

    assert (100, "op-000001") == (first.count, first.example_op)
    assert 200 == first.count + sum(group.count for group in others) + made.failures.beyond


@pytest.mark.parametrize("outcomes", [(), ("ok",), ("fail", "ok"), ("info", "", "ok") * 30])
def test_every_picture_can_be_drawn_and_is_xml(outcomes: tuple[str, ...]) -> None:
    made = storm(*outcomes)
    made.add_sample(Sample(mono_ns=10**9 + 7, ops_done=0, bytes_by_role={}, files_by_role={}))
    sizes = {HOSTILE: 5, **{f"role{n}": n for n in range(9)}}
    made.add_sample(Sample(mono_ns=10**9 + 9, ops_done=0, bytes_by_role=sizes, files_by_role={}))
    fault = {"kind": HOSTILE, "fired_mono_ns": 10**9, "healed_mono_ns": None}
    metrics = {"faults": {"ledger": [fault]}, "cache": {}, "answers": NOT_ASKED}
    drawn = gallery(made, metrics).pictures

    assert list(NAMES) == [picture.name for picture in drawn]
    for picture in drawn:
        root = ET.fromstring(picture.standalone())  # noqa: S314 - our own
        assert "img" == root.get("role")
        assert picture.title == root.findtext("{http://www.w3.org/2000/svg}title")
        assert picture.says == root.findtext("{http://www.w3.org/2000/svg}desc")
        assert "<script" not in picture.standalone()


def test_an_empty_run_is_drawn_as_such() -> None:
    drawn = gallery(Storm(NAMES_OF_EVENTS), EMPTY).pictures

    assert len(NAMES) == len(drawn)
