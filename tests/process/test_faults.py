"""Each fault alone on the toy: it fires, is seen to take effect, is healed, and leaves nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_tables import TABLES, toml
from soaker import HANG_GUARD_S, Soaker
from toy_project import make_project

pytestmark = [pytest.mark.process, pytest.mark.slow]

GATE = Path(__file__).resolve().parents[2] / "eval" / "gates" / "ast_cache.toml"
Under = Callable[..., Soaker]

OPS = 150
MODULES = 300
"""A long soak that always has something to write: it is ended before its faults are used up."""


@pytest.fixture
def under(tmp_path: Path) -> Iterator[Under]:
    """Make a soaker whose episodes have one of the faults."""
    made: list[Soaker] = []

    def make(name: str, modules: int = 40) -> Soaker:
        fault = toml(TABLES[name])
        root = make_project(tmp_path, GATE, episode_fault=fault, journal="wal", modules=modules)
        made.append(Soaker(root))
        return made[-1]

    yield make
    for one in made:
        one.close()


def told(soaker: Soaker) -> list[dict[str, Any]]:
    return [line for line in soaker.history() if line["type"] == "fault"]


def skip_without_privilege(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        why = line["detail"].get("why", "")
        if line["event"] == "skipped" and "not permitted" in why:
            pytest.skip(why)


def left_behind(root: Path) -> list[str]:
    """Processes that name the project, and mounts in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(root) in line:
            found.append(line)
    mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    return found + [mount for mount in mounts if str(root) in mount]


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + HANG_GUARD_S
    while not condition():
        assert time.monotonic() < until
        os.sched_yield()


def has_fired(soaker: Soaker) -> bool:
    path = soaker.run_dir / "history.jsonl"
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    return any('"type":"fault"' in line and '"event":"fired"' in line for line in text.splitlines())


@pytest.mark.parametrize("name", TABLES)
def test_a_fault_takes_effect_and_is_healed(under: Under, name: str) -> None:
    toy = under(name)
    assert 0 == toy("clean", "--campaign", "toy", "--ops", "14").returncode
    done = toy("run")

    assert 0 == done.returncode, done.stderr
    assert [] == left_behind(toy.root)
    lines = told(toy)
    skip_without_privilege(lines)
    first = [line for line in lines if line["fault"] == lines[0]["fault"]]
    events = [line["event"] for line in first]
    assert ["fired", "took_effect", "healed"] == events, first
    completions = [line for line in toy.history() if line["type"] in {"ok", "fail", "info"}]
    assert 14 == len(completions)
    killed = {line["op"] for line in completions if line["type"] == "info"}
    assert killed == {
        line["detail"]["op"]
        for line in lines
        if line["event"] == "took_effect" and line["kind"] == "kill"
    }


def test_a_hold_outlasts_the_patience_of_whoever_waits(tmp_path: Path, under: Under) -> None:
    toy = under("db_exclusive")
    fault = toml({**TABLES["db_exclusive"], "after_effect_ms": 300})
    make_project(tmp_path, GATE, episode_fault=fault, journal="wal")
    assert 0 == toy("clean", "--campaign", "toy", "--ops", "14").returncode
    assert 0 == toy("run").returncode

    at = {line["event"]: line["mono_ns"] for line in told(toy)[:3]}
    assert ["fired", "took_effect", "healed"] == list(at)
    assert at["healed"] - at["took_effect"] >= 300 * 1_000_000


def test_a_fault_of_the_log_is_skipped_where_there_is_none(tmp_path: Path, under: Under) -> None:
    toy = under("damage-wal_flip")
    make_project(tmp_path, GATE, episode_fault=toml(TABLES["damage-wal_flip"]))
    assert 0 == toy("clean", "--campaign", "toy", "--ops", "12").returncode
    assert 0 == toy("run").returncode

    lines = told(toy)
    assert {"skipped"} == {line["event"] for line in lines}
    assert "no WAL to damage: the journal mode is delete" in lines[0]["detail"]["why"]


@pytest.mark.parametrize(
    "name",
    [
        "db_exclusive",
        "pause-holding",
        "damage-wal_flip",
        "remove_folder",
        "read_only",
        "disk_full",
        "foreign_format-newer",
    ],
)
def test_ctrl_c_in_the_middle_of_a_fault_leaves_nothing(under: Under, name: str) -> None:
    toy = under(name, MODULES)
    toy("clean", "--campaign", "toy", "--ops", str(OPS))
    running = toy.start("run")
    wait_until(lambda: running.poll() is not None or has_fired(toy))
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=HANG_GUARD_S)

    assert [] == left_behind(toy.root)
    lines = told(toy)
    skip_without_privilege(lines)
    assert 130 == running.returncode
    ends = {"healed", "skipped", "failed"}
    ended = {line["fault"] for line in lines if line["event"] in ends}
    assert {line["fault"] for line in lines} == ended


@pytest.mark.parametrize("name", ["db_exclusive", "pause-holding", "read_only", "disk_full"])
def test_a_killed_harness_leaves_no_hold_and_no_mount(under: Under, name: str) -> None:
    toy = under(name, MODULES)
    toy("clean", "--campaign", "toy", "--ops", str(OPS))
    running = toy.start("run")
    wait_until(lambda: running.poll() is not None or has_fired(toy))
    running.kill()
    running.communicate()

    wait_until(lambda: not left_behind(toy.root))
    lines = told(toy)
    skip_without_privilege(lines)
    assert "fired" in {line["event"] for line in lines}, lines
    assert -signal.SIGKILL == running.returncode, "it was to be killed while the fault held"
