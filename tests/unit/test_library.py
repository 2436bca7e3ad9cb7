"""The parts of a library's soak that need no process."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from kv_histories import Event, feed

from soakproof.checks.kv_findings import FindingsFold
from soakproof.checks.kv_ledger import KvLedger
from soakproof.line_writers import ChainedLineWriter
from soakproof.model import HistoryLine, Phase
from soakproof.report.history_text import Choice, choose, tell
from soakproof.stages.run.writing import HistoryWriter
from soakproof.targets.worker import BadHello, LineBuffer, decode_hello
from soakproof.unique_values import FOREIGN, made_by, value_of
from soakproof.verifier.keys import Asked, KeyJudge, Undecided
from soakproof.workload.kv import BLOCK_OPS, KvWorkload, kv_ops, kv_parts

WORKLOAD = KvWorkload(
    mix={"get": 5, "set": 3, "incr": 1, "delete": 1},
    keys=20,
    counters=3,
    skew=2.0,
    value_bytes=(0, 9),
    cold_ops=30,
    calm_ops=100,
    episode_ops=50,
    after_ops=25,
)
FAULTS = [{"kind": "kill"}, {"kind": "damage"}]


def line(seq: int, kind: str, ops: list[list[Any]], **fields: Any) -> HistoryLine:
    return HistoryLine(seq=seq, type=kind, mono_ns=seq, worker=0, ops=ops, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 1, 2, 7, 100])
def test_a_value_names_its_write(size: int) -> None:
    assert 12 == made_by(value_of(12, "k3", size), "k3")


@pytest.mark.parametrize(
    "spoilt",
    [
        value_of(12, "k4", 20),
        value_of(12, "k3", 20)[:-1],
        value_of(12, "k3", 20) + "x",
        value_of(12, "k3", 20)[:15] + value_of(13, "k3", 20)[15:],
        "\uff11\uff12:k3:0:",
        "12:k3:",
        "",
        "9" * 40 + ":k3:1:9",
        True,
        12,
        ["12"],
    ],
)
def test_a_value_that_differs_at_all_is_foreign(spoilt: Any) -> None:
    found = made_by(spoilt, "k3")

    assert isinstance(found, str)
    assert found.startswith(FOREIGN)


def test_lines_come_out_whole_however_their_bytes_come_in() -> None:
    data = b'{"a":1}\n\n{"b":22}\n{"c"'
    for cuts in itertools.combinations(range(1, len(data)), 2):
        buffer, lines = LineBuffer(), list[bytes]()
        for begin, end in itertools.pairwise((0, *cuts, len(data))):
            lines += buffer.feed(data[begin:end])

        assert [b'{"a":1}', b"", b'{"b":22}'] == lines
        assert 4 == buffer.waiting_bytes


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        (b"hello", "expected a hello line"),
        (b'{"protocol":2,"library":"x","version":"1","operations":["get"]}', "protocol 1"),
        (b'{"protocol":1,"library":"x","version":"1","operations":["fly"]}', "'fly'"),
        (b'{"protocol":1,"library":"x","version":"1"}', "operations"),
        (b"\xff\xfe", "expected a hello line"),
    ],
)
def test_what_is_no_hello_is_refused(hello: bytes, says: str) -> None:
    with pytest.raises(BadHello, match=says):
        decode_hello(hello)


def test_any_stretch_of_the_schedule_is_the_same_however_it_is_reached() -> None:
    whole = list(itertools.chain(*kv_ops(WORKLOAD, 7, 0, 3000)))

    for first, end in ((0, 10), (29, 31), (BLOCK_OPS - 1, BLOCK_OPS + 1), (1500, 3000)):
        assert whole[first:end] == list(itertools.chain(*kv_ops(WORKLOAD, 7, first, end)))
    assert whole != list(itertools.chain(*kv_ops(WORKLOAD, 8, 0, 3000)))
    assert list(range(3000)) == [op[0] for op in whole]


def test_the_cold_phase_sets_and_counters_are_only_added_to_or_got() -> None:
    made = list(itertools.chain(*kv_ops(WORKLOAD, 7, 0, 3000)))

    assert {"set"} == {op[1] for op in made[:30]}
    assert {"get", "incr"} == {op[1] for op in made if op[2].startswith("c")}
    assert not [op for op in made if op[1] == "incr" and op[2].startswith("k")]


@pytest.mark.parametrize("ops", [1, 29, 30, 100, 101, 180, 1000])
def test_the_parts_cover_a_soak_without_gap_or_overlap(ops: int) -> None:
    parts = list(kv_parts(WORKLOAD, FAULTS, 7, ops))

    assert 0 == parts[0].first
    assert ops == parts[-1].end
    assert all(one.end == then.first for one, then in itertools.pairwise(parts))
    assert all((part.fault is not None) == (part.phase is Phase.STORM) for part in parts)


def test_both_faults_have_their_turn() -> None:
    kinds = [part.fault.kind for part in kv_parts(WORKLOAD, FAULTS, 7, 1000) if part.fault]

    turns = list(zip(kinds[::2], kinds[1::2], strict=False))

    assert len(turns) > 3
    assert all({"kill", "damage"} == set(turn) for turn in turns)


def test_a_search_that_is_given_up_makes_its_key_unknown_and_never_right() -> None:
    events = [Event("invoke", number, number, "set", number) for number in range(1, 9)]
    events += [Event("ok", number, answer=True) for number in range(1, 9)]
    checker = feed(events, bound=10)

    assert {"k0"} == set(checker.unknown)
    assert [] == checker.violations
    assert {} == feed(events, bound=1_000_000).unknown


def test_the_verifier_gives_up_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soakproof.verifier.keys._STEPS", 10)
    key = KeyJudge("k0", cache=False)
    key.stretch = [
        Asked(number, number, "set", number, number, 100 + number, answer=True)
        for number in range(1, 9)
    ]
    with pytest.raises(Undecided):
        key.close_stretch()


def test_a_lost_write_may_come_late_or_never_but_not_twice() -> None:
    lost = [
        Event("invoke", 1, 0, "set", 1),
        Event("ok", 1, answer=True),
        Event("invoke", 2, 1, "set", 2),
        Event("maybe", 2),
    ]

    def reads(*answers: int) -> list[Event]:
        made = []
        for at, answer in enumerate(answers, 10):
            made += [Event("invoke", at, 2, "get"), Event("ok", at, answer=answer)]
        return made

    assert [] == feed([*lost, *reads(1, 1, 2, 2)]).violations
    assert [] == feed([*lost, *reads(1, 1, 1)]).violations
    assert [12] == [one.number for one in feed([*lost, *reads(1, 2, 1)]).violations]


def test_after_files_were_taken_away_the_first_answer_says_what_is_there() -> None:
    lines = [
        line(0, "invoke", [[1, "set", "k0", 5]], phase="cold"),
        line(1, "ok", [[1, True]]),
        HistoryLine(seq=2, type="phase", mono_ns=2, phase="storm", event="begin", kind="damage"),
        line(3, "invoke", [[2, "get", "k0"]], phase="storm"),
        line(4, "ok", [[2, None]]),
        HistoryLine(seq=5, type="phase", mono_ns=5, phase="storm", event="end", kind="damage"),
        HistoryLine(seq=6, type="phase", mono_ns=6, phase="after", event="begin"),
        line(7, "invoke", [[3, "get", "k0"], [4, "get", "k0"], [5, "get", "k0"]], phase="after"),
        line(8, "ok", [[3, 1], [4, 1], [5, None]]),
    ]
    ledger = KvLedger(drops=False, excusing=frozenset({"damage"}))
    for one in lines:
        ledger.add(one)
    ledger.close()

    assert [5] == [one.number for one in ledger.checker.violations]
    assert 1 == ledger.checker.excused_answers


def test_a_foreign_value_is_wrong_also_while_files_are_taken_away() -> None:
    lines = [
        HistoryLine(seq=0, type="phase", mono_ns=0, phase="storm", event="begin", kind="damage"),
        line(1, "invoke", [[2, "get", "k0"]], phase="storm"),
        line(2, "ok", [[2, "?7:k9:3:777"]]),
    ]
    ledger = KvLedger(drops=True, excusing=frozenset({"damage"}))
    fold = None
    for one in lines:
        ledger.add(one)
    fold = FindingsFold(ledger.checker.violations, {}, drops=True, excusing=frozenset({"damage"}))
    for one in lines:
        fold.add(one)
    (found,) = fold.findings()

    assert "wrong" == found.worth
    assert found.words.endswith("the value of another key, k9")


def test_a_history_of_many_on_a_line_is_chained_and_readable_to_its_last_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "history.jsonl"
    with ChainedLineWriter(path, "run-1") as lines:
        writer = HistoryWriter(lines)
        writer.begin("run-1", "0" * 64)
        writer.sent(Phase.COLD, 0, 99, [(1, "set", "k0", 5), (2, "get", "k0")], 17)
        # Nothing is buffered: what was said to be sent is there before it is.
        last = json.loads(path.read_bytes().splitlines()[-1])

        assert {"seq": 1, "type": "invoke", "mono_ns": 17} == {
            name: last[name] for name in ("seq", "type", "mono_ns")
        }
        assert [[1, "set", "k0", 5], [2, "get", "k0"]] == last["ops"]
        assert list(last)[-1] == "chain"


def test_of_a_line_with_many_operations_those_that_are_asked_for_are_told() -> None:
    lines = [
        line(0, "invoke", [[1, "set", "k0", 5], [2, "get", "k1"]], phase="cold"),
        line(1, "ok", [[1, True], [2, None]]),
        line(2, "invoke", [[3, "get", "k1"]], phase="cold"),
    ]

    def told(choice: Choice) -> list[str]:
        return [text.split(": ", 1)[1] for text in tell(choose(lines, choice), 0)]

    assert ["2 get k1", "2 None", "3 get k1"] == told(Choice(key="k1"))
    assert ["1 set k0 5", "1 True"] == told(Choice(op="op-000001"))
    assert 3 == len(told(Choice()))
