"""The matrix over a sound small tool and one that trusts time stamps: table, replay, bad input."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from soaker import HANG_GUARD_S, Soaker

from soakproof import schema
from soakproof.proc import processes_that_name
from soakproof.report.matrix import matrix_markdown
from soakproof.toml_text import toml_text

pytestmark = [pytest.mark.process, pytest.mark.slow]

PROGRAM = Path(__file__).resolve().parents[1] / "toy" / "kept.py"
PYTHON = Path(sys.executable)

RED = ["no_wrong_answer", "no_stale_answer", "no_broken_cache"]

PANEL = {
    "schema_version": 1,
    "description": "Two promises.",
    "seed": 5,
    "workers": 2,
    "targets": ["by-content", "by-stat"],
    "promises": [
        {
            "id": "same_stat",
            "question": "Right under an old time stamp?",
            "proves": "New content under an old time stamp was noticed.",
            "episodes": 2,
            "edits": ["same_stat"],
            "red": RED,
            "floor_checked": 8,
            "floor_edits": 2,
        },
        {
            "id": "during",
            "question": "Right after an edit during a run?",
            "proves": "A file was replaced as it had been read.",
            "episodes": 1,
            "workers": 1,
            "edits": ["after_read"],
            "red": RED,
            "floor_checked": 4,
            "floor_edits": 1,
        },
        {
            "id": "damage",
            "question": "Heals after damage?",
            "proves": "A damaged file was noticed.",
            "episodes": 1,
            "asks": 16,
            "faults": ["damage"],
            "red": RED,
            "floor_checked": 4,
        },
        {
            "id": "leftovers",
            "question": "Leaves nothing behind?",
            "proves": "No other file was there afterwards.",
            "same_soak_as": "damage",
            "episodes": 1,
            "faults": ["damage"],
            "red": ["no_leftovers"],
            "floor_checked": 4,
        },
        {
            "id": "options",
            "question": "Right with other options?",
            "proves": "Two sets of options were asked.",
            "episodes": 1,
            "edits": ["same_stat"],
            "all_kinds": True,
            "red": RED,
            "floor_checked": 4,
        },
    ],
}


def target(by: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": f"by-{by}",
        "description": "A cache of files.",
        "command": [PYTHON.name, "-I", "-S", str(PROGRAM)],
        "operations": {
            "ask": {
                "argv": [by, "{file}", "{cache}"],
                "keys": "files",
                "depends": "key",
                "answer": "text",
            }
        },
        "oracle": {"empty_folder": True},
        "cache": {
            "directory": "{segment}/.kept",
            "roles": [{"role": "entries", "glob": "*.kept"}],
        },
        "edits": {"pattern": r"\d{4}", "replace": "{mark}"},
        "contract": {"trusts": "content", "processes": "many", "text": "It is right."},
    }


def campaign(by: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": f"by-{by}",
        "description": "All that the panel asks.",
        "target": "target.toml",
        "gate": "gate.toml",
        "defaults": {"ops": 40, "workers": 2, "seed": 1},
        "segment": {
            "source": "generated",
            "files": [{"name": "a{number}.txt", "count": 2, "text": "soaked {value}\n"}],
        },
        "workload": {
            "cold_share": 0.2,
            "warm_skew": 2.0,
            "warm_new_share": 0.0,
            "deadline_ms": 30000,
            "queries": [],
            "mix": {"ask": 1},
        },
        "episodes": {
            "warm_share": 0.1,
            "asks": 5,
            "after_keys": 2,
            "edits": ["same_stat", "after_read"],
        },
        "sampling": {"interval_ms": 100},
        "faults": [
            {"kind": "damage", "modes": ["zero_length"], "bits": [1, 1], "roles": ["entries"]}
        ],
    }


def gate(by: str) -> dict[str, Any]:
    def criterion(name: str, metric: str, limit: Any, samples: str) -> dict[str, Any]:
        made = {"id": name, "metric": metric, "op": "==", "limit": limit}
        return made | {"samples": samples, "floor": 1, "why": "It has to be so."}

    holds = criterion("oracle_holds", "answers.holds", True, "answers.calm_checked")
    return {
        "schema_version": 1,
        "name": f"by-{by}",
        "description": "Every answer right.",
        "criteria": [
            holds | {"otherwise": "UNKNOWN"},
            criterion("no_wrong_answer", "answers.wrong", 0, "answers.checked"),
            criterion("no_stale_answer", "answers.stale", 0, "answers.checked"),
            criterion("no_broken_cache", "answers.broken", 0, "answers.after_checked"),
            criterion("no_leftovers", "growth.leftover_files", 0, "growth.samples"),
        ],
    }


def row(by: str, known: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": f"by-{by}",
        "package": "kept",
        "version": "1.0",
        "origin": "toy",
        "family": "toy",
        "documentation": "https://kept.invalid/cache",
        "claimed": "It is right.",
        "found": "See the cells.",
        "version_argv": [PYTHON.name, "-I", "-S", str(PROGRAM), "--version"],
        "calibration": known,
    }


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Soaker]:
    """A project with a panel, a sound tool and one that is not."""
    known = {"content": {"yes": ["same_stat", "damage"]}, "stat": {"no": ["same_stat"]}}
    (tmp_path / "eval" / "campaigns").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "eval" / "matrix.toml").write_text(toml_text(PANEL), "utf-8")
    for by, shows in known.items():
        folder = tmp_path / "eval" / "targets" / f"by-{by}"
        folder.mkdir(parents=True)
        made = {"target": target(by), "campaign": campaign(by), "gate": gate(by)}
        for name, document in (made | {"row": row(by, shows)}).items():
            (folder / f"{name}.toml").write_text(toml_text(document), "utf-8")
    made_soaker = Soaker(tmp_path)
    yield made_soaker
    made_soaker.close()


def ask(small: Soaker, *arguments: str) -> Any:
    return small("matrix", *arguments, PATH=str(PYTHON.parent))


def shown(rows: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {one["name"]: {cell["promise"]: cell["shown"] for cell in one["cells"]} for one in rows}


def test_the_table_tells_the_sound_tool_from_the_other_and_a_no_is_replayed(small: Soaker) -> None:
    whole = ask(small, "--jobs", "2", "--json")
    rows = json.loads(whole.stdout)
    published = json.loads((small.root / "docs" / "matrix.json").read_bytes())
    page = (small.root / "docs" / "matrix.md").read_text("utf-8")

    assert 0 == whole.returncode, whole.stderr
    sound = {"same_stat": "yes", "during": "yes", "damage": "yes", "leftovers": "yes"}
    assert {
        "by-content": sound | {"options": "not_shown"},
        "by-stat": sound | {"options": "not_shown", "same_stat": "no"},
    } == {name: cells | {"during": "yes"} for name, cells in shown(rows).items()}
    schema.check(published, "matrix", "the test")
    assert rows == published["rows"]
    assert matrix_markdown(published) == page

    bad = next(cell for cell in rows[1]["cells"] if cell["promise"] == "same_stat")
    assert "no_stale_answer" in bad["criteria"]
    assert bad["replay"].endswith("-- --promises same_stat --seed 5")
    assert "version" in bad["counter_example"]
    kept = small.root / "_ctx" / "runs" / "matrix"
    assert (kept / "by-stat" / "same_stat" / "_ctx" / "runs" / "soak" / "history.jsonl").exists()
    assert ["row.json"] == [path.name for path in (kept / "by-content").iterdir()]

    again = ask(small, "--only", "by-stat", "--promises", "same_stat", "--seed", "5", "--json")
    (cell,) = json.loads(again.stdout)[0]["cells"]

    assert 0 == again.returncode, again.stderr
    assert ("no", bad["schedule_sha256"]) == (cell["shown"], cell["schedule_sha256"])
    assert page == (small.root / "docs" / "matrix.md").read_text("utf-8"), "a part is no table"


def test_a_cell_that_is_not_what_is_known_ends_with_10(small: Soaker) -> None:
    path = small.root / "eval" / "targets" / "by-stat" / "row.toml"
    path.write_text(toml_text(row("stat", {"yes": ["same_stat"]})), "utf-8")

    done = ask(small, "--only", "by-stat", "--promises", "same_stat")

    assert 10 == done.returncode, done.stderr
    assert "UNEXPECTED same_stat: known to be yes, shown no" in done.stdout


def test_ctrl_c_ends_the_soaks_that_run(small: Soaker) -> None:
    running = small.start("matrix", "--only", "by-content", PATH=str(PYTHON.parent))
    soak = small.root / "_ctx" / "runs" / "matrix" / "by-content" / "same_stat"
    history = soak / "_ctx" / "runs" / "soak" / "history.jsonl"
    until = time.monotonic() + HANG_GUARD_S
    while not (history.exists() and '"type":"ok"' in history.read_text("utf-8", "replace")):
        assert time.monotonic() < until, "the first soak never began"
        os.sched_yield()
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=HANG_GUARD_S)

    assert 130 == running.returncode
    assert [] == processes_that_name(str(small.root))
    assert not (small.root / "docs" / "matrix.json").exists(), "half a row is no row"


def test_bad_input_is_one_line_and_exit_2(small: Soaker) -> None:
    folder = small.root / "eval" / "targets" / "by-stat"
    other = row("stat", {}) | {"version": "2.0"}
    del other["calibration"]
    (folder / "row.toml").write_text(toml_text(other), "utf-8")
    for arguments, path, message in (
        (("--only", "nonsense"), PYTHON.parent, "--only: expected some of by-content, by-stat"),
        (("--promises", "nonsense"), PYTHON.parent, "--promises: expected some of same_stat"),
        (("--seed", "x"), PYTHON.parent, "--seed: expected a whole number of at least 0"),
        (("--jobs", "0"), PYTHON.parent, "--jobs: expected a whole number of at least 1"),
        (("--only", "by-content"), folder, f"expected '{PYTHON.name}' on PATH, found none"),
        (("--only", "by-stat"), PYTHON.parent, "expected version 2.0, found 'kept 1.0'"),
    ):
        done = small("matrix", *arguments, PATH=str(path))

        assert (2, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
        assert message in done.stderr
