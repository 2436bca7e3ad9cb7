"""`soakproof tally` as a user would type it: nothing that a file holds is dropped in silence."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from event_files import BAD_LINES, events, line
from soaker import Soaker

from soakproof import schema
from soakproof.bulk import blocks

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.process

GOOD = 4000


@pytest.fixture
def here(tmp_path: Path) -> Soaker:
    return Soaker(tmp_path)


def tallied(here: Soaker, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = here("tally", "--json", *arguments)
    told: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}
    if "files" in told:
        schema.check(told, "tally", "stdout")
    return done.returncode, told


def written(path: Path) -> dict[int, str]:
    """Write good lines with every sort of bad one among them; number of the line → its name."""
    lines, bad = events(GOOD), {}
    for at, (name, text) in enumerate(BAD_LINES.items(), 1):
        lines.insert(at * 200, text)
        bad[at * 200 + 1] = name
    path.write_bytes(b"\n".join(lines) + b"\n")
    return bad


def test_every_sort_of_bad_line_is_counted_and_named(here: Soaker) -> None:
    bad = written(here.root / "a b.jsonl")

    code, told = tallied(here, "a b.jsonl")

    assert 10 == code
    assert GOOD == told["events"]["total"]
    assert bad == {one["line"]: bad.get(one["line"], one["reason"]) for one in told["unreadable"]}
    assert {"a b.jsonl"} == {one["file"] for one in told["unreadable"]}


def test_processes_forms_and_patterns_do_not_change_what_is_counted(here: Soaker) -> None:
    written(here.root / "a.jsonl")
    text = (here.root / "a.jsonl").read_bytes()
    (here.root / "packed").mkdir()
    (here.root / "packed" / "a.jsonl.gz").write_bytes(
        gzip.compress(text[:9000]) + gzip.compress(text[9000:])
    )
    (here.root / "packed" / "b.bin").write_bytes(zstd.compress(text))

    told = [
        tallied(here, *arguments)[1]
        for arguments in (
            ("a.jsonl", "--jobs", "1"),
            ("packed/*.gz",),
            ("packed/b.bin", "--out", "counts.json"),
        )
    ]
    _, twice = tallied(here, "a.jsonl", "packed/**", "./a.jsonl", "--jobs", "3")

    assert ["plain", "gzip", "zstd"] == [one["files"][0]["form"] for one in told]
    same = ("events", "cache", "locks", "unreadable_lines")
    assert [{name: told[0][name] for name in same}] * 3 == [
        {name: one[name] for name in same} for one in told
    ]
    assert told[2] == json.loads((here.root / "counts.json").read_bytes())
    assert 3 * GOOD == twice["events"]["total"]
    assert 3 * len(BAD_LINES) == twice["unreadable_lines"]


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_of_a_compressed_file_that_ends_early_all_that_is_there_is_counted(
    here: Soaker, form: str
) -> None:
    text = b"".join(one + b"\n" for one in events(GOOD))
    whole = gzip.compress(text) if form == "gzip" else zstd.compress(text)
    (here.root / "cut").write_bytes(whole[: len(whole) // 2])

    code, told = tallied(here, "cut")

    assert 10 == code
    assert 1 == told["unreadable_lines"]
    assert GOOD // 4 < told["events"]["total"] < GOOD
    assert told["events"]["total"] + 1 == told["unreadable"][0]["line"]
    assert form in told["unreadable"][0]["reason"]


def test_a_line_of_50_mb_is_counted_and_not_kept_in_memory(here: Soaker) -> None:
    huge = line(args={"path": "x" * 50_000_000})
    fits = line(args={"path": "é" * 3_000_000})
    (here.root / "a.jsonl").write_bytes(b"\n".join([line(), huge, line(), fits, line(), b""]))

    code, told = tallied(here, "a.jsonl", "--jobs", "1")

    assert 10 == code
    assert 4 == told["events"]["total"]
    assert [(2, f"longer than a line may be ({len(huge)} bytes)")] == [
        (one["line"], one["reason"]) for one in told["unreadable"]
    ]
    assert len(fits) < blocks.LONGEST_LINE_BYTES < len(huge)
    # Of this process alone: what a fork inherits counts as its child's largest resident set.
    peak = "from soakproof.cli import main; main(); print(open('/proc/self/status').read())"
    argv = [sys.executable, "-c", peak.replace("main()", "main(['tally', 'a.jsonl'])")]
    done = subprocess.run(argv, cwd=here.root, capture_output=True, text=True, check=True)
    most = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert most is not None
    assert int(most[1]) < 200_000


def test_what_holds_nothing_is_unknown(here: Soaker) -> None:
    (here.root / "empty.jsonl").write_bytes(b"")

    code, told = tallied(here, "empty.jsonl")

    assert 11 == code
    assert (0, None) == (told["events"]["total"], told["cache"]["hit_rate"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl: not there"),
        (("*.jsonl.xz",), "expected a file, or a pattern that matches some"),
        ((".",), ".: expected a file that can be read, found: Is a directory"),
        (("a.jsonl", "--jobs", "0"), "--jobs: expected a whole number from 1, found '0'"),
        (("a.jsonl", "--run-id", "x"), "expected files or --run-id, found both"),
    ],
)
def test_bad_input_is_one_line(here: Soaker, arguments: tuple[str, ...], said: str) -> None:
    (here.root / "a.jsonl").write_bytes(line())

    done = here("tally", *arguments)

    assert 2 == done.returncode
    assert 1 == len(done.stderr.splitlines())
    assert said in done.stderr


def test_a_run_is_counted_as_its_metrics_are(soaker: Callable[..., Soaker]) -> None:
    soaks = soaker()
    soaks.soak("--ops", "30", "--workers", "2", "--run-id", "r")
    metrics = json.loads((soaks.root / "_ctx/runs/r/metrics.json").read_bytes())

    code, told = tallied(soaks, "--run-id", "r")

    assert 0 == code
    assert metrics["telemetry"]["events"] == told["events"]["total"]
    assert metrics["telemetry"]["by_cmd"] == told["events"]["by_cmd"]
    assert {name: metrics["ops"][name] for name in ("ok", "fail", "info")} == {
        name: told["history"]["operations"][name] for name in ("ok", "fail", "info")
    }
    phases = metrics["cache"].values()
    assert sum(phase["hits"] for phase in phases) == told["cache"]["hits"]
    assert metrics["locks"]["lock_wait"] == told["locks"]["lock_wait"]
