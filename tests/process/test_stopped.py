"""A machine that stands still: nothing is taken for hung, and the soak goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from library_project import make_library_project
from soaker import HANG_GUARD_S, VARIABLES, Soaker

from soakproof.awake import Awake, Clocks, Lapse
from soakproof.model import Operation, Phase
from soakproof.proc import Ended, family
from soakproof.stages.run.crew import Crew, Member
from soakproof.workload.storm import Launch, Running, Storm

pytestmark = pytest.mark.process

S = 1_000_000_000
DEADLINE_MS = 60_000
"""Of the injected clock: no test waits for it."""

STOPPED_S = 4
"""Long enough to be told from a busy machine, and longer than the deadline of the soaks below."""

IDLE = (sys.executable, "-c", "import sys; sys.stdin.read(); import signal; signal.pause()")


@dataclass
class Strides:
    """A clock that makes strides: each look is so many seconds after the one before."""

    strides_s: list[float]
    now_ns: int = 0
    looks: int = 0

    def awake(self) -> Awake:
        still = {"boottime_ns": lambda: self.now_ns, "wall_ns": lambda: self.now_ns}
        return Awake(Clocks(monotonic_ns=lambda: self.now_ns, cpu_ns=lambda: 0, **still))

    def stride(self) -> bool:
        """Move on; whether there was a stride left."""
        if self.looks == len(self.strides_s):
            return False
        self.now_ns += int(self.strides_s[self.looks] * S)
        self.looks += 1
        return True


@dataclass
class Watcher:
    """Starts one operation that does nothing, and sees what becomes of it."""

    strides: Strides
    storm: Storm | None = None
    lapses: list[Lapse] = field(default_factory=list)
    killed_for: str | None = "nothing came of it"

    def ready(self, operation: Operation) -> bool:
        return operation.index == 0

    def launch(self, _: Operation) -> Launch:
        return Launch((sys.executable, "-c", "import signal; signal.pause()"), os.environ)

    def not_started(self, _: Operation, __: int, problem: OSError) -> None:
        raise problem

    def invoked(self, _: Running) -> None:
        pass

    def completed(self, running: Running, _: Ended) -> None:
        self.killed_for = running.killed_for

    def lapsed(self, lapse: Lapse) -> None:
        self.lapses.append(lapse)

    def tick(self, _: Mapping[int, Running]) -> int:
        if not self.strides.stride():
            assert self.storm is not None
            self.storm.stopping = "SIGTERM"
        return 1


def storm(tmp_path: Path, strides_s: list[float]) -> Watcher:
    strides = Strides(strides_s)
    watcher = Watcher(strides)
    watcher.storm = Storm(
        slots=1,
        deadline_ms=DEADLINE_MS,
        listener=watcher,
        scratch=tmp_path,
        awake=strides.awake(),
    )
    operation = Operation(0, Phase.COLD, "get", "k", first_ask=True)
    try:
        watcher.storm.run(iter([operation]), enough=lambda: False)
    finally:
        watcher.storm.close()
    return watcher


def test_an_operation_that_does_nothing_for_twice_its_deadline_hangs(tmp_path: Path) -> None:
    seen = storm(tmp_path, [1.0] * 130)

    assert "hung" == seen.killed_for
    assert [] == seen.lapses


@pytest.mark.parametrize("before", [0, 30, 62, 90])
def test_an_operation_whose_machine_stood_still_does_not(tmp_path: Path, before: int) -> None:
    """Before its deadline, and while it was watched for the second time."""
    seen = storm(tmp_path, [1.0] * before + [3600.0] + [1.0] * 20)

    assert "interrupted" == seen.killed_for  # by the end of this test
    assert ["stopped"] == [lapse.what for lapse in seen.lapses]


@dataclass
class Crewed:
    lapses: list[Lapse] = field(default_factory=list)
    reason: str | None = None

    def greeted(self, _: Member) -> None:
        raise AssertionError

    def answered(self, *_: object) -> None:
        raise AssertionError

    def lapsed(self, lapse: Lapse) -> None:
        self.lapses.append(lapse)

    def gone(self, _: Member, __: int, ___: Ended, reason: str, ____: str) -> None:
        self.reason = reason


@pytest.mark.parametrize(
    ("strides_s", "reason"),
    [
        ([1.0] * 130, "hung"),
        ([1.0] * 30 + [3600.0] + [1.0] * 20, "interrupted"),
        ([1.0] * 90 + [3600.0] + [1.0] * 20, "interrupted"),
    ],
)
@pytest.mark.parametrize("stands_still", ["before it waits", "before it watches"])
def test_a_worker_is_silent(
    tmp_path: Path, strides_s: list[float], reason: str, stands_still: str
) -> None:
    strides, seen = Strides(strides_s), Crewed()
    crew = Crew(
        IDLE,
        os.environ,
        slots=1,
        deadline_ms=DEADLINE_MS,
        scratch=tmp_path,
        listener=seen,
        awake=strides.awake(),
    )
    try:
        assert crew.start(crew.members[0]) is None
        crew.begin()
        while crew.running and strides.stride():
            if stands_still == "before it watches":
                crew.watch()
            crew.wait(1)
            if stands_still == "before it waits":
                crew.watch()
    finally:
        crew.close()

    assert reason == seen.reason
    assert [3600] == [round(one.ms / 1000) for one in seen.lapses] or reason == "hung"


# Whole soaks, stopped with all that they started.


def stand_still(pid: int) -> None:
    """Stop a process and all that it started, for a while."""
    stopped = set[int]()
    while more := {pid, *family(pid)} - stopped:  # one may have started another meanwhile
        for one in sorted(more, key=lambda each: each != pid):
            with contextlib.suppress(ProcessLookupError):  # it had ended
                os.kill(one, signal.SIGSTOP)
        stopped |= more
    threading.Event().wait(STOPPED_S)  # no wait for anything: that time passes is the test
    for one in stopped:
        with contextlib.suppress(ProcessLookupError):  # it had ended before it was stopped
            os.kill(one, signal.SIGCONT)


def test_a_soak_that_is_stopped_goes_on_and_passes(soaker: Callable[..., Soaker]) -> None:
    soaks = soaker(deadline_ms=1500)
    flags = ("--campaign", "toy", "--ops", "40", "--workers", "2", "--run-id", "r")
    assert 0 == soaks("clean", *flags).returncode
    run = soaks.start("run", "--run-id", "r")
    history = soaks.root / "_ctx/runs/r/history.jsonl"
    pause = threading.Event()
    while not history.exists() or history.read_bytes().count(b'"type":"ok"') < 8:
        assert run.poll() is None
        pause.wait(0.02)
    stand_still(run.pid)
    _, err = run.communicate(timeout=HANG_GUARD_S)

    assert 0 == run.returncode, err
    assert "stopped for " in err
    assert soaks.document("run.json")["clock"]["stopped_ms"] >= 2000
    clocks = [one["detail"] for one in soaks.history() if one.get("kind") == "clock"]
    assert ["stopped"] == [one["what"] for one in clocks]
    assert [] == [one for one in soaks.history() if one["type"] == "info"]
    assert [0, 0, 0] == [soaks(stage).returncode for stage in ("expect", "extract", "gate")]


def test_a_soak_of_a_library_that_is_stopped_goes_on_and_its_evidence_holds(
    tmp_path: Path,
) -> None:
    project = make_library_project(tmp_path)
    project.campaign(faults=[])
    project.gate_without("kill_took_effect")
    soaks = Soaker(tmp_path)
    try:
        flags = ("--campaign", "library", "--duration", "3s", "--run-id", "r")
        run = soaks.start("all", *flags, **dict.fromkeys(VARIABLES, ""))
        history = tmp_path / "_ctx/runs/r/history.jsonl"
        while not history.exists() or history.stat().st_size < 10_000:
            assert run.poll() is None
        stand_still(run.pid)
        out, err = run.communicate(timeout=HANG_GUARD_S)
        assert 0 == run.returncode, out + err
        storm_ms = soaks.document("run.json")["harness_cost"]["storm"]["wall_ms"]
        lost_ms = soaks.document("run.json")["clock"]["stopped_ms"]
        verified = soaks("verify", "r")
    finally:
        soaks.close()

    assert lost_ms >= 2000
    # The time by which a soak is bounded is time in which it ran: that it was stopped adds to it.
    assert storm_ms >= 3000 + lost_ms
    assert 0 == verified.returncode, verified.stdout
    kinds = {json.loads(line).get("kind") for line in history.read_bytes().splitlines()}
    assert "clock" in kinds
