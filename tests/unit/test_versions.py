"""Which version was current when: from the steps of the edits, one after the other."""

from __future__ import annotations

from soakproof.checks.versions import ORIGINAL, Timeline
from soakproof.model import HistoryLine

PATH = "pkg/mod.py"


def edit(at_ns: int, event: str, version: str, *, atomic: bool = True) -> HistoryLine:
    return HistoryLine(
        seq=0,
        type="edit",
        mono_ns=at_ns,
        event=event,
        path=PATH,
        version=version,
        edit="edit-0",
        detail={"atomic": atomic},
    )


def timeline(*, atomic: bool = True) -> Timeline:
    """a until 20..30, b from 20..30 until 50..60, c from 50..60 on."""
    made = Timeline()
    made.add(edit(10, "initial", "a"))
    for begin, end, version in ((20, 30, "b"), (50, 60, "c")):
        made.add(edit(begin, "begin", version, atomic=atomic))
        made.add(edit(end, "end", version, atomic=atomic))
    return made


def current(begin_ns: int, end_ns: int) -> list[str]:
    return [one.version for one in timeline().current(PATH, begin_ns, end_ns)]


def test_a_version_is_current_from_the_begin_of_its_step_to_the_end_of_the_next() -> None:
    assert ["a"] == current(0, 19)
    assert ["a", "b"] == current(0, 20)
    assert ["a", "b"] == current(25, 26)
    assert ["a", "b"] == current(30, 40)
    assert ["b"] == current(31, 49)
    assert ["a", "b", "c"] == current(0, 99)
    assert ["c"] == current(61, 99)


def test_what_was_gone_before_the_question_is_outdated() -> None:
    assert [] == timeline().outdated(PATH, 30)
    assert ["a"] == [one.version for one in timeline().outdated(PATH, 31)]
    assert ["a", "b"] == [one.version for one in timeline().outdated(PATH, 61)]


def test_a_file_that_nobody_edited_is_as_it_was() -> None:
    assert [ORIGINAL] == [one.version for one in timeline().current("other.py", 0, 99)]


def test_only_a_step_that_can_be_seen_half_done_tears() -> None:
    torn = timeline(atomic=False)

    assert not timeline().torn(PATH, 0, 99)
    assert [False, True, True, True, False] == [
        torn.torn(PATH, *stretch) for stretch in ((0, 19), (0, 20), (25, 26), (30, 31), (31, 49))
    ]


def test_the_state_of_the_segment_is_known_only_while_nothing_changes() -> None:
    assert {PATH: "b"} == timeline().state(31, 49)
    assert None is timeline().state(31, 50)


def test_a_step_without_an_end_may_have_happened_and_may_last() -> None:
    killed = Timeline()
    killed.add(edit(10, "initial", "a"))
    killed.add(edit(20, "begin", "b"))

    assert ["a", "b"] == [one.version for one in killed.current(PATH, 500, 600)]


def test_edits_meanwhile_are_named() -> None:
    assert ["edit-0"] == list(timeline().edits_between(0, 99))
    assert [] == list(timeline().edits_between(61, 99))
