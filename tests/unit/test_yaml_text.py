"""Changing a person's YAML: what is not changed keeps its bytes."""

from __future__ import annotations

import pytest
from ruamel.yaml.comments import CommentedMap

from soakproof.evidence.yaml_text import rewrite


def change(document: CommentedMap) -> None:
    document["a"] = 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: 1\n", "a: 2\n"),
        ("a: 1", "a: 2\n"),
        ("a:   1   # why\nb:  'x'\n", "a: 2     # why\nb:  'x'\n"),
        ("# head\n---\na: 1\n", "# head\n---\na: 2\n"),
        ("---\na: 1\n...\n", "---\na: 2\n...\n"),
        ("\ufeffa: 1\n", "\ufeffa: 2\n"),
        ("b: ~\na: 1\nc:\n", "b: ~\na: 2\nc:\n"),
        ("b:\n      - x\n      -   y\na: 1\n", "b:\n      - x\n      -   y\na: 2\n"),
        ("b: [1,2,   3]\na: 1\n", "b: [1,2,   3]\na: 2\n"),
        ("a: 1\n\n\n# the end\n", "a: 2\n\n\n# the end\n"),
        ("b: &x {c: 1}\na: 1\nd: *x\n", "b: &x {c: 1}\na: 2\nd: *x\n"),
        ("b: |+\n  text\n\n\na: 1\n", "b: |+\n  text\n\n\na: 2\n"),
        ("b: 0x1F\na: 1\nc: 1.50\n", "b: 0x1F\na: 2\nc: 1.50\n"),
        ("b:\r\n- x\r\na: 1\r\n", "b:\r\n- x\r\na: 2\r\n"),
    ],
)
def test_only_the_change_is_changed(text: str, wanted: str) -> None:
    assert wanted == rewrite("f.yaml", text, change)


@pytest.mark.parametrize("text", ["a: 2", "# head\n---\nb:   ~\na:  2\n", "a: 2\r\n"])
def test_no_change_gives_the_same_bytes(text: str) -> None:
    assert text == rewrite("f.yaml", text, change)
