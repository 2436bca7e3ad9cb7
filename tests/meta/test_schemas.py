from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from soakproof import schema

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = sorted((CHECKOUT / "schemas").glob("*.json"))


def properties(node: object, json_path: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield (JSON path, subschema) of every property, at any depth."""
    if isinstance(node, list):
        for at, item in enumerate(node):
            yield from properties(item, f"{json_path}[{at}]")
    if not isinstance(node, dict):
        return
    named = node.get("properties")
    if isinstance(named, dict):
        yield from ((f"{json_path}.{name}", value) for name, value in named.items())
    for name, value in node.items():
        if name not in {"const", "enum", "examples", "if"}:  # these hold values, or ask again
            yield from properties(value, f"{json_path}.{name}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_schema_is_one_and_names_itself(path: Path) -> None:
    document = json.loads(path.read_bytes())

    Draft202012Validator.check_schema(document)
    assert path.name == document["$id"].rpartition("/")[2]
    assert "https://json-schema.org/draft/2020-12/schema" == document["$schema"]
    assert document["title"].strip()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_property_has_a_description(path: Path) -> None:
    document = json.loads(path.read_bytes())

    assert [] == [
        at for at, node in properties(document) if not (node.get("description") or "").strip()
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_installed_schema_is_the_one_in_the_checkout(path: Path) -> None:
    name = path.name.removesuffix(".schema.json")

    assert json.loads(path.read_bytes()) == schema.load_schema(name)


def test_the_package_knows_every_schema() -> None:
    names = sorted(path.name.removesuffix(".schema.json") for path in FILES)

    assert names == sorted(schema.NAMES)
