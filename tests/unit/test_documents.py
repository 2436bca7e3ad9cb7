"""Documents: what is wrong with one is said with its place, what was expected, what was found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soakproof import schema
from soakproof.errors import ConfigError, InvalidDocument, MissingInput
from soakproof.lines import BadLine, decode_telemetry
from soakproof.model import TelemetryEvent
from soakproof.toml_lines import line_of

ROOT = Path(__file__).resolve().parents[2]
GATE = ROOT / "eval" / "gates" / "ast_cache.toml"
CAMPAIGN = ROOT / "eval" / "campaigns" / "ast_cache.toml"


def broken(tmp_path: Path, source: Path, old: str, new: str) -> Path:
    text = source.read_text("utf-8")
    assert old in text
    path = tmp_path / source.name
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


def test_an_unknown_key_of_a_campaign_is_named_with_its_line(tmp_path: Path) -> None:
    path = broken(tmp_path, CAMPAIGN, "per_writer = 0.04", "per_writer = 0.04\nper_reader = 1")
    expected_line = path.read_text("utf-8").splitlines().index("per_reader = 1") + 1

    with pytest.raises(ConfigError) as caught:
        schema.load_toml(path, "campaign", hint="")

    assert (expected_line, "faults[0].per_reader") == (caught.value.line, caught.value.key)
    assert str(caught.value).startswith(f"{path}:{expected_line}: faults[0].per_reader: expected")


@pytest.mark.parametrize("metric", ["informational.elapsed_s", "informational"])
def test_a_criterion_on_an_informational_field_is_refused(tmp_path: Path, metric: str) -> None:
    path = broken(tmp_path, GATE, 'metric = "ops.fail"', f'metric = "{metric}"')

    with pytest.raises(ConfigError, match="no performance gates") as caught:
        schema.load_toml(path, "gate", hint="")

    assert "criteria[2].metric" == caught.value.key


def test_a_file_that_is_not_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    path = broken(tmp_path, GATE, "floor = 1", "floor = = 1")

    with pytest.raises(ConfigError, match="expected TOML"):
        schema.load_toml(path, "gate", hint="")


def test_a_missing_document_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="not there; make it with x"):
        schema.load_json(tmp_path / "metrics.json", "metrics", hint="make it with x")


@pytest.mark.parametrize("text", ["", '{"schema_version": 1', "\x00\xff"])
def test_a_truncated_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text, "latin-1")

    with pytest.raises(InvalidDocument, match=r"\$: expected one whole JSON document"):
        schema.load_json(path, "metrics", hint="")


@pytest.mark.parametrize(
    ("sample", "json_path"),
    [
        ({"mono_ns": "1", "ops_done": 0, "bytes_by_role": {}, "files_by_role": {}}, "$.mono_ns"),
        ({"ops_done": 0, "bytes_by_role": {}, "files_by_role": {}}, "$"),
        (
            {"mono_ns": 1, "ops_done": 0, "bytes_by_role": {"db": -1}, "files_by_role": {}},
            "$.bytes_by_role.db",
        ),
        (
            {"mono_ns": 1, "ops_done": float("nan"), "bytes_by_role": {}, "files_by_role": {}},
            "$.ops_done",
        ),
    ],
)
def test_the_place_of_what_is_wrong(sample: object, json_path: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        schema.check(sample, "sample", "sample")

    assert json_path == caught.value.json_path


def test_lines_that_cannot_be_read_are_numbered_and_the_others_are_not_lost(
    tmp_path: Path,
) -> None:
    good = {"ts": "t", "run_id": "r", "segment_id": "s", "cmd": "c", "x": {"op": "o"}}
    line = json.dumps(good).encode()
    big = json.dumps(good | {"args": {"text": "x" * 10_000_000}}).encode()
    foreign = b'{"ts": 5}'
    bad_bytes = line.replace(b'"t"', b'"\xff"')
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([line, b"", b"no json", big, foreign, bad_bytes, line[:30]]))

    decoded = list(decode_telemetry(path))

    assert 2 == sum(isinstance(one, TelemetryEvent) for one in decoded)
    bad = [one for one in decoded if isinstance(one, BadLine)]
    assert [3, 5, 6, 7] == [one.line for one in bad]
    assert "torn" in bad[-1].reason


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("name", 1),
        ("table.inner", 3),
        ("list[1].x", 8),
        ("list[1].y", 7),
        ("table['quo ted']", 4),
        ("nowhere", None),
    ],
)
def test_the_line_of_a_key(key: str, line: int | None) -> None:
    text = 'name = 1\n[table]\ninner = 2\n"quo ted" = 3\nlist = 0\n[[list]]\n[[list]]\nx = 1\n'

    assert line == line_of(text, key)
