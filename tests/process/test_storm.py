"""The storm itself: every operation that is planned is run or told, whatever becomes of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from soakproof.awake import Awake, Lapse
from soakproof.model import Operation, Phase
from soakproof.proc import Ended
from soakproof.workload.storm import Launch, Running, Storm

pytestmark = pytest.mark.process

FINE = (sys.executable, "-c", "")
GONE = ("no/such/tool",)


@dataclass
class Flaky:
    """A tool that is there for some operations only."""

    there: frozenset[int]
    done: list[int] = field(default_factory=list)
    not_begun: list[int] = field(default_factory=list)
    problems: set[type[OSError]] = field(default_factory=set)

    def ready(self, _: Operation) -> bool:
        return True

    def launch(self, operation: Operation) -> Launch:
        return Launch(FINE if operation.index in self.there else GONE, os.environ)

    def not_started(self, operation: Operation, _: int, problem: OSError) -> None:
        self.not_begun.append(operation.index)
        self.problems.add(type(problem))

    def invoked(self, _: Running) -> None:
        pass

    def completed(self, running: Running, _: Ended) -> None:
        self.done.append(running.operation.index)

    def lapsed(self, _: Lapse) -> None:
        pass

    def tick(self, _: Mapping[int, Running]) -> int:
        return 1


@pytest.mark.parametrize(
    "there",
    [frozenset[int](), frozenset({4, 5, 6}), frozenset({0, 9}), frozenset(range(10))],
    ids=["never there", "comes and goes", "is gone for long", "always there"],
)
def test_none_is_left_out_because_others_could_not_be_started(
    tmp_path: Path, there: frozenset[int]
) -> None:
    seen = Flaky(there)
    storm = Storm(slots=2, deadline_ms=60_000, listener=seen, scratch=tmp_path, awake=Awake())
    operations = [Operation(at, Phase.COLD, "get", f"k{at}", first_ask=True) for at in range(10)]
    try:
        storm.run(iter(operations), enough=lambda: False)
    finally:
        storm.close()

    assert sorted(there) == sorted(seen.done)
    assert sorted(set(range(10)) - there) == sorted(seen.not_begun)
    assert seen.problems <= {FileNotFoundError}


def test_a_soak_by_time_of_a_tool_that_cannot_be_started_ends(tmp_path: Path) -> None:
    seen, awake = Flaky(frozenset()), Awake()
    storm = Storm(slots=2, deadline_ms=60_000, listener=seen, scratch=tmp_path, awake=awake)
    until_ns = awake.now_ns() + 50_000_000
    endless = (
        Operation(at, Phase.WARM, "get", "k", first_ask=False) for at in range(1_000_000_000)
    )
    try:
        storm.run(endless, enough=lambda: awake.seen_ns() >= until_ns)
    finally:
        storm.close()

    assert seen.not_begun
