"""A run as tables: every line of its files is a row of exactly one table, in every form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from soaker import Soaker

duckdb = pytest.importorskip("duckdb", reason="duckdb is an extra")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra")
pytestmark = [pytest.mark.process, pytest.mark.slow]

TABLES = ["faults", "operations", "samples", "telemetry", "unreadable"]

LIBRARY_LINES = [
    {"seq": 0, "type": "invoke", "mono_ns": 5, "phase": "cold", "worker": 1, "pid": 7,
     "ops": [[0, "set", "k0", 203], [1, "get", "k1"]]},
    {"seq": 1, "type": "ok", "mono_ns": 9, "worker": 1, "pid": 7, "ops": [[0, True]]},
    {"seq": 2, "type": "fail", "mono_ns": 9, "worker": 1, "reason": "refused", "ops": [[8, "no"]]},
]  # fmt: skip


@pytest.fixture
def soaked(soaker: Callable[..., Soaker]) -> Soaker:
    soaks = soaker()
    soaks.soak("--ops", "24", "--workers", "2", "--run-id", "r")
    with (soaks.root / "_ctx/runs/r/history.jsonl").open("ab") as file:
        file.write(b'{"torn":\n')
    return soaks


def read(root: Path, form: str) -> dict[str, list[dict[str, Any]]]:
    """Return table → rows, as text where the form has nothing else."""

    def text(name: str) -> str:
        return (root / f"out.{name}.csv").read_bytes().decode("utf-8")

    if form == "csv":
        return {name: list(csv.DictReader(io.StringIO(text(name), newline=""))) for name in TABLES}
    if form == "parquet":
        return {
            name: parquet.read_table(root / f"out.{name}.parquet").to_pylist() for name in TABLES
        }
    with duckdb.connect(str(root / "out.duckdb"), read_only=True) as database:
        assert TABLES == sorted(row[0] for row in database.execute("show tables").fetchall())
        return {
            name: database.sql(f'from "{name}"').to_arrow_table().to_pylist() for name in TABLES
        }


def test_every_line_is_a_row_in_every_form(soaked: Soaker) -> None:
    run = soaked.root / "_ctx/runs/r"
    metrics = json.loads((run / "metrics.json").read_bytes())
    lines = [json.loads(one) for one in (run / "history.jsonl").read_bytes().splitlines()[:-1]]

    told = {}
    for form in ("csv", "parquet", "duckdb"):
        done = soaked("export", "r", "--to", f"out.{form}")
        assert (0, "") == (done.returncode, done.stderr)
        told[form] = read(soaked.root, form)

    rows = told["parquet"]
    assert rows == told["duckdb"]
    as_text = {
        name: [
            {key: "" if value is None else str(value) for key, value in row.items()}
            for row in table
        ]
        for name, table in rows.items()
    }
    assert as_text == told["csv"]
    assert {
        outcome: sum(row["outcome"] == outcome for row in rows["operations"])
        for outcome in ("ok", "fail", "info")
    } == {outcome: metrics["ops"][outcome] for outcome in ("ok", "fail", "info")}
    assert metrics["telemetry"]["by_cmd"] == {
        cmd: sum(row["cmd"] == cmd for row in rows["telemetry"])
        for cmd in metrics["telemetry"]["by_cmd"]
    }
    assert sum(one["type"] == "fault" for one in lines) == len(rows["faults"])
    assert metrics["growth"]["samples"] == len({row["mono_ns"] for row in rows["samples"]})
    assert [("history.jsonl", len(lines) + 1)] == [
        (row["file"], row["line"]) for row in rows["unreadable"]
    ]
    began = {one["op"]: one["mono_ns"] for one in lines if one["type"] == "invoke"}
    assert began == {row["op"]: row["invoke_ns"] for row in rows["operations"]}


def test_a_library_tells_of_many_operations_on_a_line(soaked: Soaker) -> None:
    history = soaked.root / "_ctx/runs/r/history.jsonl"
    history.write_text("".join(json.dumps(line) + "\n" for line in LIBRARY_LINES))

    assert 0 == soaked("export", "r", "--to", "out.parquet").returncode
    rows = read(soaked.root, "parquet")["operations"]

    names = ("op", "kind", "key", "argument", "invoke_ns", "end_ns", "outcome", "answer", "reason")
    assert [
        ("0", "set", "k0", "[203]", 5, 9, "ok", "true", None),
        ("8", None, None, None, None, 9, "fail", '"no"', "refused"),
        ("1", "get", "k1", None, 5, None, None, None, None),
    ] == [tuple(row[name] for name in names) for row in rows]


def test_bad_input_is_one_line_and_leaves_nothing(soaked: Soaker) -> None:
    hidden = soaked.root / "hidden"
    for package in ("pyarrow", "duckdb"):
        (hidden / package).mkdir(parents=True)
        (hidden / package / "__init__.py").write_text("raise ImportError")
    (soaked.root / "old.faults.csv").write_text("kept")
    before = sorted(soaked.root.iterdir())
    said = {
        "--to: expected a name that ends in .csv, .parquet, .duckdb": ("out.xlsx", {}),
        "expected the package pyarrow, found none; install it": (
            "out.parquet",
            {"PYTHONPATH": str(hidden)},
        ),
        "old.faults.csv is there already": ("old.csv", {}),
        "expected a name in a folder that is there": ("nowhere/out.csv", {}),
    }
    for message, (name, env) in said.items():
        done = soaked("export", "r", "--to", name, **env)

        assert 2 == done.returncode
        assert 1 == len(done.stderr.splitlines())
        assert message in done.stderr
    assert before == sorted(soaked.root.iterdir())
