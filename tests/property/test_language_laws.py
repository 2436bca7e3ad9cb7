"""Laws of edits: a change is another each time, of the same size, and takes away the one before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.workload.languages import Language

pytestmark = pytest.mark.property

TABLES: list[dict[str, Any]] = [
    {},
    {"edits": {"comment": "//"}},
    {"edits": {"append": "int mark_{mark} = {mark};\n"}},
    {"edits": {"pattern": r"value = \d+", "replace": "value = {mark}"}},
]
marks = st.integers(1000, 9999)


@given(st.sampled_from(TABLES), st.binary(), marks, marks)
def test_a_second_change_differs_and_keeps_the_size(
    table: dict[str, Any], content: bytes, one: int, two: int
) -> None:
    language = Language.of(table)
    content += b"value = 1000\n"

    first = language.changed(content, one)
    second = language.changed(first, two)

    assert content != first != second
    assert len(first) == len(second)


@given(st.sampled_from(TABLES), st.binary(), marks, marks)
def test_changes_do_not_pile_up(table: dict[str, Any], content: bytes, one: int, two: int) -> None:
    language = Language.of(table)
    content += b"value = 7\n"

    once = language.changed(content, two)
    twice = language.changed(language.changed(content, one), two)

    assert len(once) == len(twice)
    assert one == two or once == twice
