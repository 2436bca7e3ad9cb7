"""Edits, step by step, with no process: who is stopped and who is let go on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soakproof.model import EditPlan, Operation, Phase
from soakproof.workload.edits import Editor
from soakproof.workload.ground import Ground
from soakproof.workload.languages import Language

GROUND = Ground({"ask": {"keys": "modules", "depends": "key"}}, Language.of({}))
LATE_NS = 10_000_000_000


def asks(index: int) -> Operation:
    return Operation(index, Phase.STORM, "ask", "bisect", first_ask=False)


class Processes:
    """Notes which operation was sent which signal."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, signal.Signals]] = []

    def of(self, name: str) -> Callable[[signal.Signals], bool]:
        def send(number: signal.Signals) -> bool:
            self.sent.append((name, number))
            return True

        return send


def editor(
    tmp_path: Path, processes: Processes, kind: str = "midway", ground: Ground = GROUND
) -> Editor:
    segment, versions = tmp_path / "segment", tmp_path / "versions"
    segment.mkdir()
    versions.mkdir()
    (segment / "bisect.py").write_text("def first():\n    return 1\n", "utf-8")
    plan = EditPlan("edit-0", kind, 0, "bisect", {"pause_ms": 5, "mark": 1234}, "bisect.py")

    def say(*_: Any) -> None:
        pass

    return Editor(plan, segment, ground, versions, say, processes.of("first"))


def test_the_one_that_was_stopped_is_let_go_on_though_another_joined(tmp_path: Path) -> None:
    processes = Processes()
    edit = editor(tmp_path, processes)

    edit.tick(1)
    edit.tick(LATE_NS)
    edit.joined(asks(1), processes.of("second"))
    edit.tick(2 * LATE_NS)
    edit.finish(2 * LATE_NS)

    assert [("first", signal.SIGSTOP), ("first", signal.SIGCONT)] == processes.sent


def test_the_last_that_joined_before_the_stop_is_the_one_to_be_met(tmp_path: Path) -> None:
    processes = Processes()
    edit = editor(tmp_path, processes)

    edit.tick(1)
    edit.joined(asks(1), processes.of("second"))
    edit.finish(LATE_NS)

    assert [("second", signal.SIGSTOP), ("second", signal.SIGCONT)] == processes.sent


@pytest.mark.parametrize("kind", ["rewrite", "rename_over", "delete_restore", "slow_write"])
def test_new_content_is_a_step_later_where_the_target_says_so(tmp_path: Path, kind: str) -> None:
    step_ms = 5_000
    stepped = Ground(GROUND.operations, GROUND.language, mtime_step_ms=step_ms)
    edit = editor(tmp_path, Processes(), kind, stepped)
    began_ns = time.time_ns()
    edit.tick(1)
    edit.finish(LATE_NS)

    assert (tmp_path / "segment/bisect.py").stat().st_mtime_ns >= began_ns + step_ms * 1_000_000 / 2
