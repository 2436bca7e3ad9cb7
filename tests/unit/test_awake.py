from __future__ import annotations

from dataclasses import dataclass

from soakproof.awake import Awake, Clocks, Lapse

S = 1_000_000_000
HOUR_S = 3600
DAY_S = 24 * HOUR_S


@dataclass
class Hands:
    """Clocks that are moved by hand."""

    monotonic_ns: int = 50 * S
    boottime_ns: int = 70 * S
    wall_ns: int = 10**18
    cpu_ns: int = 0

    def pass_s(self, seconds: float, *, cpu_s: float = 0) -> None:
        self.monotonic_ns += int(seconds * S)
        self.boottime_ns += int(seconds * S)
        self.wall_ns += int(seconds * S)
        self.cpu_ns += int(cpu_s * S)

    def suspend_s(self, seconds: float) -> None:
        self.boottime_ns += int(seconds * S)
        self.wall_ns += int(seconds * S)

    def clocks(self) -> Clocks:
        return Clocks(
            lambda: self.monotonic_ns,
            lambda: self.boottime_ns,
            lambda: self.wall_ns,
            lambda: self.cpu_ns,
        )


def begun() -> tuple[Hands, Awake, int]:
    hands = Hands()
    awake = Awake(hands.clocks())
    return hands, awake, awake.now_ns()


def test_while_all_goes_well_it_is_the_monotonic_clock() -> None:
    hands, awake, began_ns = begun()
    for _ in range(100):
        hands.pass_s(0.05)
        assert [] == awake.look(S // 20)

    assert 5 * S == awake.now_ns() - began_ns
    assert {"stopped_ms": 0, "suspended_ms": 0, "wall_stepped_ms": 0} == awake.document()


def test_an_hour_in_which_we_were_stopped_is_left_out() -> None:
    hands, awake, began_ns = begun()
    hands.pass_s(HOUR_S + 1, cpu_s=0.5)

    assert [Lapse("stopped", HOUR_S * 1000)] == awake.look(S // 2)
    assert S == awake.now_ns() - began_ns
    assert HOUR_S * 1000 == awake.document()["stopped_ms"]


def test_what_nobody_has_looked_at_yet_ends_nothing() -> None:
    hands, awake, began_ns = begun()
    hands.pass_s(HOUR_S + 1, cpu_s=0.5)

    assert began_ns == awake.seen_ns()
    awake.look(S // 2)
    assert began_ns + S == awake.seen_ns() == awake.now_ns()


def test_an_hour_in_which_the_machine_was_suspended_never_was() -> None:
    hands, awake, began_ns = begun()
    hands.suspend_s(HOUR_S)
    hands.pass_s(1)

    assert [Lapse("suspended", HOUR_S * 1000)] == awake.look(S)
    assert S == awake.now_ns() - began_ns


def test_a_virtual_machine_that_stood_still_was_stopped_though_its_clocks_went_on() -> None:
    hands, awake, began_ns = begun()
    hands.pass_s(HOUR_S)
    awake.look(0)

    assert 0 == awake.now_ns() - began_ns


def test_the_wall_clock_is_set_by_a_day_in_either_direction_and_nothing_else_changes() -> None:
    hands, awake, began_ns = begun()
    hands.pass_s(1)
    hands.wall_ns += DAY_S * S
    assert [Lapse("wall_stepped", DAY_S * 1000)] == awake.look(S)
    hands.pass_s(1)
    hands.wall_ns -= 2 * DAY_S * S
    assert [Lapse("wall_stepped", -2 * DAY_S * 1000)] == awake.look(S)

    assert 2 * S == awake.now_ns() - began_ns
    assert -DAY_S * 1000 == awake.document()["wall_stepped_ms"]
    assert 0 == awake.document()["stopped_ms"] == awake.document()["suspended_ms"]


def test_a_harness_that_computes_or_waits_as_it_meant_to_was_not_stopped() -> None:
    hands, awake, began_ns = begun()
    hands.pass_s(30, cpu_s=29)
    assert [] == awake.look(0)
    hands.pass_s(60)
    assert [] == awake.look(60 * S)

    assert 90 * S == awake.now_ns() - began_ns


def test_a_clock_that_is_slewed_was_not_set() -> None:
    hands, awake, _ = begun()
    for _ in range(1000):
        hands.pass_s(1)
        hands.wall_ns += S // 2000
        assert [] == awake.look(S)
