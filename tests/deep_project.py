"""A project whose target is the toy of the deep tier, writing its cache in one of its ways."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from soakproof.rundir import Project

__all__ = ["make_deep_project"]

_TOY = Path(__file__).parent / "toy" / "deep_toy.py"

_TARGET = """
schema_version = 1
name = "deep_toy"
description = "One file a key."
command = {command}

[operations.get]
argv = ["get", "{{key}}", "--segment", "{{segment}}"]
keys = "modules"
writes_on_first_ask = true
telemetry_cmd = "get"
depends = "key"

[oracle]
environment = {{ DEEP_CACHE = "off" }}

[environment]
DEEP_WAY = "{way}"

[cache]
directory = "{{segment}}/.deep"
lock = "{{segment}}/.deep/lock"
integrity = []
roles = [{{role = "answer", glob = "*.json"}}, {{role = "temporary", glob = "*.tmp"}}]

[telemetry]
glob = "events*.jsonl"
hit = "hit"
miss = "miss"
write = "write"
lock_wait = ["lock_wait"]
lock_timeout = ["lock_timeout"]
degraded = ["degraded"]
recovered = ["recovered"]
"""

_CAMPAIGN = """
schema_version = 1
name = "deep_toy"
description = "The toy of the deep tier."
target = "../targets/deep_toy.toml"
gate = "../gates/none.toml"

[defaults]
ops = 16
workers = 2
seed = 7

[segment]
source = "stdlib"
modules = 40

[workload]
cold_share = 0.5
warm_skew = 1.0
warm_new_share = 0.1
deadline_ms = 60000
queries = []

[workload.mix]
get = 1

[sampling]
interval_ms = 100

[deep]
modules = 4
drawn = 1
"""


def make_deep_project(root: Path, way: str) -> Project:
    """Make the project under ``root``."""
    for folder in ("targets", "campaigns"):
        (root / "eval" / folder).mkdir(parents=True)
    command = json.dumps([sys.executable, "-I", "-S", str(_TOY)])
    target = _TARGET.format(command=command, way=way)
    (root / "eval/targets/deep_toy.toml").write_text(target, "utf-8")
    (root / "eval/campaigns/deep_toy.toml").write_text(_CAMPAIGN, "utf-8")
    return Project(root)
