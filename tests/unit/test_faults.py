from __future__ import annotations

import copy
import json
import signal
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_tables import TABLES, toml

from soakproof import schema
from soakproof.dice import stream
from soakproof.errors import InvalidDocument
from soakproof.faults.fault import FaultBase, Site
from soakproof.faults.kill import Kill
from soakproof.faults.pause import Pause
from soakproof.faults.planning import FaultPlanner
from soakproof.faults.registry import KINDS
from soakproof.faults.stampede import Stampede
from soakproof.faults.victims import Victims, age_us
from soakproof.model import FaultPlan, Live, Operation, Phase

CHECKOUT = Path(__file__).resolve().parents[2]
CAMPAIGN = tomllib.loads((CHECKOUT / "eval/campaigns/ast_cache_faults.toml").read_text("utf-8"))


def campaign(fault: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(CAMPAIGN) | {"faults": [fault]}


def check(fault: dict[str, Any]) -> None:
    schema.check(campaign(fault), "campaign", "a campaign")


def test_every_kind_has_a_table_here() -> None:
    assert set(KINDS) == {table["kind"] for table in TABLES.values()}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_accepted_and_an_unknown_key_in_it_is_not(name: str) -> None:
    table = TABLES[name]
    check(table)

    with pytest.raises(InvalidDocument, match="surprise"):
        check(table | {"surprise": 1})


@pytest.mark.parametrize("name", TABLES)
def test_a_table_reads_back_from_toml(name: str) -> None:
    assert {"faults": [TABLES[name]]} == tomllib.loads(toml(TABLES[name]))


@pytest.mark.parametrize("name", TABLES)
def test_what_is_drawn_lies_in_its_range_and_is_json(name: str) -> None:
    table = TABLES[name]
    for seed in range(50):
        drawn = KINDS[table["kind"]].draw(table, stream(seed, "draw"))

        assert drawn == json.loads(json.dumps(drawn))
        assert drawn.get("mode") in table.get("modes", [None])
        for parameter, value in drawn.items():
            limits = table.get(parameter)
            if isinstance(limits, list) and isinstance(value, int):
                size = abs(value)  # a jump may go back
                assert limits[0] <= size <= limits[1], parameter
            elif isinstance(limits, int):
                assert limits == value, parameter


def live(pid: int, started_ns: int) -> Live:
    operation = Operation(pid, Phase.STORM, "get", "key", first_ask=True, episode=0)
    return Live(operation, pid, started_ns, lambda _why: None, lambda _signal: True)


def test_the_victim_is_the_first_that_is_old_enough_after_those_let_pass() -> None:
    victims = Victims(first=1, after_ms=5)
    running = {pid: live(pid, started_ns=pid * 1_000_000) for pid in (1, 2, 3)}
    for one in running.values():
        victims.started(one)

    assert victims.due(6_000_000, running) is None
    assert running[2] == victims.due(7_000_000, running)
    assert running[3] == victims.due(8_000_000, {3: running[3]})


def test_one_that_ended_too_soon_makes_the_next_be_met_at_half_its_age() -> None:
    victims = Victims(first=1, after_ms=50)
    passed, quick, later = (live(pid, started_ns=0) for pid in (1, 2, 3))
    for one in (passed, quick):
        victims.started(one)
    assert victims.due(8_000_000, {1: passed, 2: quick}) is None
    victims.ended(passed)  # let pass, so it says nothing
    victims.ended(quick)
    victims.started(later)

    assert victims.due(3_999_999, {3: later}) is None
    assert later == victims.due(4_000_000, {3: later})


def test_one_that_was_never_seen_makes_the_next_be_met_at_once() -> None:
    victims = Victims(first=0, after_ms=50)
    quick, later = live(1, started_ns=0), live(2, started_ns=0)
    victims.started(quick)
    victims.ended(quick)
    victims.started(later)

    assert later == victims.due(0, {2: later})


def test_a_cache_without_databases_is_empty_until_there_are_entries(tmp_path: Path) -> None:
    roles = ({"role": "entries", "glob": "*.entry"}, {"role": "stats", "glob": "stats"})
    site = Site(tmp_path, tmp_path, None, roles, tmp_path)
    told, late = Told(), Told()
    one = Stampede(FaultPlan("fault-0", "stampede", 0, {}, 0), site, told)
    one.tick(0, {})
    one.started(live(1, 0))
    (tmp_path / "stats").touch()
    one.started(live(2, 0))
    assert ["fired", "took_effect"] == [event for event, _ in told.events]

    other = Stampede(FaultPlan("fault-1", "stampede", 0, {}, 0), site, late)
    other.tick(0, {})
    (tmp_path / "a.entry").touch()
    other.started(live(3, 0))
    other.started(live(4, 0))
    assert "took_effect" not in [event for event, _ in late.events]


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, detail: dict[str, Any]) -> None:
        self.events.append((event, detail))


class Failing(FaultBase):
    def apply(self, now_ns: int) -> None:
        message = f"no room at {now_ns}"
        raise OSError(message)

    def undo(self) -> dict[str, Any]:
        return {"undone": True}


def fault(kind: type[FaultBase], say: Told) -> FaultBase:
    here = Path("nowhere")
    site = Site(here, here, here / "lock", (), here)
    return kind(FaultPlan("fault-0", "fault", 0, {}, 0), site, say)


def test_how_old_an_operation_was_when_it_was_met_and_never_less_than_nothing() -> None:
    assert 1_500 == age_us(2_500_000, live(1, started_ns=1_000_000))
    assert 0 == age_us(1_000_000, live(1, started_ns=2_500_000)), "a hurry began before it"


def test_a_fault_that_cannot_be_applied_is_undone_and_told_once() -> None:
    say = Told()
    failing = fault(Failing, say)
    failing.tick(7, {})
    failing.tick(8, {})
    failing.heal()

    assert failing.done
    assert failing.admits, "its operations may start"
    assert [("failed", {"why": "OSError: no room at 7", "undone": True})] == say.events


def admits(one: FaultBase) -> bool:
    """Ask again each time: a type checker takes a property for a constant."""
    return one.admits


def test_a_pause_lets_few_in_before_it_has_stopped_one_and_then_all() -> None:
    here = Path("nowhere")
    params = {"mode": "random", "after_ms": 5, "let_pass": 1, "pause_ms": 9}
    params |= {"max_pause_ms": 50, "max_hold_ms": 50}
    plan = FaultPlan("fault-0", "pause", 0, params, 0)
    pause = Pause(plan, Site(here, here, here / "lock", (), here), Told())
    assert not admits(pause), "it has not begun"
    pause.tick(0, {})
    running = {}
    for pid in (1, 2):
        assert admits(pause)
        running[pid] = live(pid, started_ns=0)
        pause.started(running[pid])
    assert not admits(pause), "the rest is to meet the one that is stopped"

    pause.ended(running.pop(1), None)
    assert not admits(pause)
    pause.ended(running.pop(2), None)
    assert admits(pause), "nobody is left that could be stopped"

    third = live(3, started_ns=0)
    pause.started(third)
    assert not admits(pause)
    pause.tick(6_000_000, {3: third})
    assert admits(pause), "one stands still"


class Sent:
    """An operation under way, and what was done to it."""

    def __init__(self, pid: int) -> None:
        self.killed: list[str] = []
        self.signals: list[signal.Signals] = []
        operation = Operation(pid, Phase.STORM, "get", "key", first_ask=True, episode=0)
        self.live = Live(operation, pid, 0, self.killed.append, self._send)

    def _send(self, number: signal.Signals) -> bool:
        self.signals.append(number)
        return True


KILL = {"mode": "random", "after_ms": 9999, "let_pass": 3, "after_wal_us": 0, "max_hold_ms": 50}


def kill(mode: str, say: Told) -> Kill:
    here = Path("nowhere")
    plan = FaultPlan("fault-0", "kill", 0, {**KILL, "mode": mode}, 0)
    return Kill(plan, Site(here, here, None, (), here), say)


def test_a_random_kill_that_is_told_to_hurry_takes_what_is_started_next() -> None:
    say, first, second, third = Told(), Sent(1), Sent(2), Sent(3)
    one = kill("random", say)
    one.tick(0, {})
    one.started(first.live)
    one.hurry(0, second.live)
    one.started(second.live)
    one.started(third.live)

    assert ([], ["fault:fault-0"], []) == (first.killed, second.killed, third.killed)
    one.ended(second.live, signal.SIGKILL)
    one.started(third.live)
    assert [] == third.killed
    assert ["fired", "took_effect"] == [event for event, _ in say.events]
    assert {"mode": "random", "op": second.live.operation.op_id, "age_us": 0} == say.events[0][1]


def test_a_kill_takes_no_other_before_the_first_has_ended() -> None:
    first, *others = Sent(1), Sent(2), Sent(3), Sent(4)
    one = kill("random", Told())
    one.tick(0, {})
    one.hurry(0, first.live)
    one.started(first.live)
    for late in others:
        one.started(late.live)
    one.tick(10**11, {late.live.pid: late.live for late in (first, *others)})

    assert [["fault:fault-0"], [], [], []] == [late.killed for late in (first, *others)]


def test_one_that_was_faster_than_the_signal_leaves_the_hurry_to_the_next() -> None:
    say, first, second = Told(), Sent(1), Sent(2)
    one = kill("random", say)
    one.tick(0, {})
    one.hurry(0, first.live)
    one.started(first.live)
    one.ended(first.live, None)
    one.started(second.live)

    assert ["fault:fault-0"] == second.killed
    assert ["fired"] == [event for event, _ in say.events]


def test_a_kill_that_waits_for_a_writer_does_not_hurry() -> None:
    sent = Sent(1)
    one = kill("writing", Told())
    one.tick(0, {})
    one.hurry(0, sent.live)
    one.started(sent.live)

    assert [] == sent.killed


def hurried_pause(say: Told) -> Pause:
    here = Path("nowhere")
    params = {"mode": "random", "after_ms": 9999, "let_pass": 2, "pause_ms": 9}
    params |= {"max_pause_ms": 50, "max_hold_ms": 50}
    plan = FaultPlan("fault-0", "pause", 0, params, 0)
    return Pause(plan, Site(here, here, None, (), here), say)


def test_a_pause_that_is_told_to_hurry_stops_one_before_it_has_anything_to_do() -> None:
    say = Told()
    pause = hurried_pause(say)
    pause.tick(0, {})
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stopped:
        operation = Operation(1, Phase.STORM, "get", "key", first_ask=True, episode=0)
        victim = Live(operation, stopped.pid, 0, lambda _why: None, _sender(stopped))
        pause.hurry(0, victim)
        pause.started(victim)
        pause.hurry(0, Sent(2).live)
        pause.ended(Sent(2).live, None)
        pause.heal()

    assert ["fired", "took_effect", "healed"] == [event for event, _ in say.events]
    assert "op-000002" == say.events[1][1]["other_ended"]
    assert 0 == stopped.returncode, "it was let go on"


def _sender(process: subprocess.Popen[bytes]) -> Callable[[signal.Signals], bool]:
    def send(number: signal.Signals) -> bool:
        process.send_signal(number)
        return True

    return send


def test_a_pause_takes_another_where_one_had_ended_before_it_stood_still() -> None:
    say, first, second = Told(), Sent(2**22 + 1), Sent(2**22 + 2)  # no such processes
    pause = hurried_pause(say)
    pause.tick(0, {})
    pause.hurry(0, first.live)
    pause.started(first.live)
    pause.tick(10_000_000, {})

    assert [signal.SIGSTOP, signal.SIGCONT] == first.signals
    assert not pause.done
    pause.hurry(0, second.live)
    assert [signal.SIGSTOP] == second.signals
    assert ["fired"] == [event for event, _ in say.events], "once"


def test_a_fault_whose_moment_never_came_says_so() -> None:
    say = Told()
    late = fault(FaultBase, say)
    late.heal()
    late.heal()

    assert [("skipped", {"why": "its moment did not come"})] == say.events


def test_the_campaign_plans_every_kind() -> None:
    planner = FaultPlanner(CAMPAIGN["faults"], 1, frozenset({"ast.symbols"}))
    operations = [
        Operation(at, Phase.STORM, "ast.symbols", "key", first_ask=False, episode=at)
        for at in range(2 * len(CAMPAIGN["faults"]))
    ]

    assert set(KINDS) == {plan.kind for plan in planner.plan_all(operations)}
