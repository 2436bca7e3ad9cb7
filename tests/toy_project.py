"""A project whose target is the toy: a folder with ``eval/`` in it, as a user of soakproof has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["HOLD", "OTHER_KEY", "TOY", "make_project"]

TOY = Path(__file__).parent / "toy" / "toy.py"

_TARGET = """
schema_version = 1
name = "toy"
description = "A small tool with a real cache."
command = {command}
about = ["about"]

[operations."toy.get"]
argv = ["get", "{{key}}", "--segment", "{{segment}}"]
keys = "modules"
writes_on_first_ask = true
telemetry_cmd = "toy.get"
depends = "key"

[oracle]
environment = {{ TOY_CACHE = "off" }}

[environment]
TOY_RUN = "{{run_id}}"
TOY_OP = "{{op}}"
TOY_TELEMETRY = "{{telemetry}}"
TOY_JOURNAL = "{journal}"

[cache]
directory = "{{segment}}/.toy"
lock = "{{segment}}/.toy/toy.lock"
integrity = ["database"]
roles = [
  {{role = "database", glob = "*.db"}},
  {{role = "wal", glob = "*.db-wal"}},
  {{role = "journal", glob = "*.db-*"}},
  {{role = "lock", glob = "*.lock"}},
]

[telemetry]
glob = "events*.jsonl"
hit = "cache.hit"
miss = "cache.miss"
write = "cache.write"
lock_wait = ["cache.lock_wait"]
lock_timeout = ["cache.lock_timeout"]
degraded = ["cache.degraded"]
recovered = ["cache.recovered"]

[[anchors]]
name = "telemetry emission"
expects = "one append-mode write an event"
find = "call"
text = "os.write"
"""

_CAMPAIGN = """
schema_version = 1
name = "toy"
description = "The toy under a held lock."
target = "../targets/toy.toml"
gate = "../gates/toy.toml"

[defaults]
ops = 16
workers = 3
seed = 7

[segment]
source = "stdlib"
modules = {modules}

[workload]
cold_share = 0.5
warm_skew = 2.0
warm_new_share = 0.0
queries = []
deadline_ms = {deadline_ms}
mix = {{"toy.get" = 1}}

[sampling]
interval_ms = 50
"""

HOLD = """
[[faults]]
kind = "lock_hold"
per_writer = 0.0
min_gap_ops = 4
hold_ms = [60, 90]
max_hold_ms = 20000
"""
"""The fault of the toy's campaign."""

OTHER_KEY = """
[[faults]]
kind = "stampede"

[[faults]]
kind = "clock_jump"
jump_days = [1, 31]
"""
"""Two faults, an episode each; the defect ``other_key`` needs the second one."""

_EPISODES = """
[episodes]
warm_share = 0.1
asks = 5
after_keys = 1
edits = []
"""


_FAULTS = """
[episodes]
warm_share = 0.2
asks = 4
after_keys = 2
edits = ["rewrite", "same_stat", "rename_over", "delete_restore", "slow_write", "other_file"]

[[faults]]
kind = "lock_hold"
hold_ms = [60, 90]
max_hold_ms = 3000

[[faults]]
kind = "kill"
modes = ["random"]
after_ms = [5, 60]
after_wal_us = [0, 400]
max_hold_ms = 2000
"""
"""In place of the faults of the plain campaign: episodes of faults and edits."""


def make_project(
    root: Path,
    gate: Path,
    *,
    defect: str = "",
    deadline_ms: int = 120_000,
    episode_fault: str = "",
    journal: str = "delete",
    modules: int = 40,
) -> Path:
    """Write a project for the toy into ``root``, with the campaigns ``toy`` and ``toy_faults``.

    Args:
        root: an empty folder.
        gate: the gate file to use.
        defect: the toy's planted defect, if any.
        deadline_ms: of each operation; a hang guard unless the defect is a hang.
        episode_fault: a ``[[faults]]`` table that each episode has; without it, no episodes.
        journal: ``wal`` or ``delete``, how the toy's SQLite writes.
        modules: how many there are to ask for; when all were asked for, nothing is written.
    """
    command = [sys.executable, str(TOY), *(["--defect", defect] if defect else [])]
    for folder in ("campaigns", "gates", "targets"):
        (root / "eval" / folder).mkdir(parents=True, exist_ok=True)
    target = _TARGET.format(command=json.dumps(command), journal=journal)
    (root / "eval/targets/toy.toml").write_text(target, "utf-8")
    campaign = _CAMPAIGN.format(deadline_ms=deadline_ms, modules=modules)
    faulty = campaign.replace('name = "toy"', 'name = "toy_faults"') + _FAULTS
    (root / "eval/campaigns/toy_faults.toml").write_text(faulty, "utf-8")
    campaign += _EPISODES + episode_fault if episode_fault else HOLD
    (root / "eval/campaigns/toy.toml").write_text(campaign, "utf-8")
    (root / "eval/gates/toy.toml").write_bytes(gate.read_bytes())
    return root
