"""A project whose target is no Python tool by its looks: text answers, no telemetry, no lock."""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["PLAIN", "make_plain_project"]

PLAIN = Path(__file__).parent / "toy" / "plain.py"

_TARGET = """
schema_version = 1
name = "plain"
description = "Numbers of notes, kept in files."
command = {command}
cwd = "{{segment}}"

[operations.list]
argv = ["list", "{{file}}"]
keys = "files"
glob = "*.note"
depends = {{ files = ["{{key}}", "*.inc"] }}
answer = "text"
answer_pattern = "took .* ms"

[operations.lint]
argv = ["lint", "{{key}}"]
keys = "files"
glob = "*.note"
depends = {{ files = ["{{key}}", "*.inc"] }}
answer = "text"
answer_exit_codes = [0, 1]

[operations.build]
argv = ["build", "{{key}}", "--out", "{{scratch}}/{{op}}.out"]
keys = "files"
glob = "*.note"
depends = {{ files = ["{{key}}", "*.inc"] }}
answer = "file"
answer_file = "{{scratch}}/{{op}}.out"

[operations.json]
argv = ["json", "{{key}}"]
keys = "files"
glob = "*.note"
depends = {{ files = ["{{key}}", "*.inc"] }}

[oracle]
argv = ["--no-cache"]

[cache]
directory = "{{segment}}/.plain"
roles = [{{ role = "half", glob = ".new-*" }}, {{ role = "entry", glob = "??/*" }}]

[hits]
stream = "stderr"
pattern = "^found in cache$"

[normalise]
rules = [{{ pattern = "^took .* ms$", replace = "took some time" }}]

[edits]
pattern = '^value = \\d+$'
replace = "value = {{mark}}"
new_text = "include common.inc\\nvalue = 1000\\n"

[contract]
trusts = "content"
processes = "many"
text = "An answer is kept under a name that covers all that it depends on."
{extra}
"""

_CAMPAIGN = """
schema_version = 1
name = "plain"
description = "Notes, with edits."
target = "../targets/plain.toml"
gate = "../gates/plain.toml"

[defaults]
ops = 60
workers = 3
seed = 11

[segment]
source = "generated"

[[segment.files]]
name = "sub/note_{{number}}.note"
count = 6
text = "include common.inc\\nvalue = {{value}}\\n"

[[segment.files]]
name = "sub/common.inc"
count = 1
text = "value = {{value}}\\n"

[workload]
cold_share = 0.2
warm_skew = 1.0
warm_new_share = 0.0
queries = []
deadline_ms = {deadline_ms}
mix = {mix}

[episodes]
warm_share = 0.2
asks = 5
after_keys = 2
edits = {edits}

[sampling]
interval_ms = 50
"""

_GATE = """
schema_version = 1
name = "plain"
description = "What can be asked of a tool that tells nothing."
"""

_CRITERIA = (
    ("answers_were_given", "ops.ok", ">", "0", "ops.ops_total"),
    ("oracle_holds", "answers.holds", "==", "true", "answers.calm_checked"),
    ("no_wrong_answer", "answers.wrong", "==", "0", "answers.checked"),
    ("no_stale_answer", "answers.stale", "==", "0", "answers.checked"),
    ("no_missing_answer", "answers.missing", "==", "0", "answers.checked"),
    ("no_crashed_operation", "answers.crashed", "==", "0", "answers.checked"),
    ("no_broken_cache", "answers.broken", "==", "0", "answers.after_checked"),
    ("no_changed_input", "ops.inputs_changed", "==", "0", "ops.ops_total"),
    ("warm_hits", "cache.warm.hits", ">", "0", "cache.warm.samples"),
    ("no_leftovers", "growth.leftover_files", "==", "0", "growth.samples"),
)
EDITS = (
    "rewrite",
    "rename_over",
    "delete_restore",
    "new_module",
    "other_file",
    "same_stat",
    "touch",
)


def make_plain_project(
    root: Path,
    *,
    odd: str = "",
    mix: str = "{ list = 2, lint = 1, build = 1, json = 1 }",
    edits: tuple[str, ...] = EDITS,
    extra: str = "",
    deadline_ms: int = 60_000,
    criteria: tuple[tuple[str, str, str, str, str], ...] = (),
) -> Path:
    """Write a project with the campaign ``plain`` into ``root``.

    Args:
        root: an empty folder.
        odd: what is odd about the tool, if anything.
        mix: operation kinds with weights, as TOML.
        edits: kinds of edits.
        extra: lines at the end of the target's file.
        deadline_ms: of each operation.
        criteria: more than there are.
    """
    for folder in ("campaigns", "gates", "targets"):
        (root / "eval" / folder).mkdir(parents=True, exist_ok=True)
    command = json.dumps([sys.executable, str(PLAIN), *(["--odd", odd] if odd else [])])
    target = _TARGET.format(command=command, extra=extra)
    (root / "eval/targets/plain.toml").write_text(target, "utf-8")
    campaign = _CAMPAIGN.format(mix=mix, edits=json.dumps(edits), deadline_ms=deadline_ms)
    (root / "eval/campaigns/plain.toml").write_text(campaign, "utf-8")
    rows = [
        f'[[criteria]]\nid = "{name}"\nmetric = "{metric}"\nop = "{op}"\nlimit = {limit}\n'
        f'samples = "{samples}"\nfloor = 1\nwhy = "It is asked."\n'
        for name, metric, op, limit, samples in (*_CRITERIA, *criteria)
    ]
    (root / "eval/gates/plain.toml").write_text("\n".join([_GATE, *rows]), "utf-8")
    return root
