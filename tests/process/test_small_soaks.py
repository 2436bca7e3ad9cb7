"""The campaign of small soaks as it is shipped: every fault is met, however soon all is over."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HANG_GUARD_S = 240
SEEDS = 6


def test_every_small_soak_passes_and_meets_both_of_its_faults(tmp_path: Path) -> None:
    parts = ("campaigns/sqlite_kv_small", "targets/sqlite_kv", "gates/library_small")
    for part in parts:
        goal = tmp_path / "eval" / f"{part}.toml"
        goal.parent.mkdir(parents=True)
        shutil.copyfile(CHECKOUT / "eval" / f"{part}.toml", goal)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "soakproof", "campaign", "--campaign", "sqlite_kv_small"),
            *("--seeds", f"1..{SEEDS}", "--sample", "1", "--json"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    [folder] = (tmp_path / "_ctx" / "campaigns").iterdir()
    summary = json.loads((folder / "summary.json").read_bytes())
    assert [] == summary["coverage"]["never"]
    assert 40 * SEEDS == summary["ops"]["ops_total"]
    for kind in ("kill", "pause"):
        steps = ("fired", "took_effect", "healed")
        reached = [summary["coverage"]["reached"][f"fault/{kind}/{step}"] for step in steps]
        assert [SEEDS] * 3 == reached, kind
    for run in (tmp_path / "_ctx" / "runs").iterdir():
        if run.is_dir():
            assert_the_killed_one_ended_in_its_episode(run / "history.jsonl")


def assert_the_killed_one_ended_in_its_episode(history: Path) -> None:
    lines = [json.loads(text) for text in history.read_bytes().splitlines()]
    [end] = [at for at, one in enumerate(lines) if one.get("reason", "").startswith("fault:")]
    phases = [one for one in lines[:end] if one["type"] == "phase"]
    assert ("storm", "begin", "kill") == tuple(
        phases[-1][name] for name in ("phase", "event", "kind")
    )
