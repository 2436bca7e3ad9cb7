"""Laws of edits: nothing comes back within a run, and what is made recurs from run to run."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soakproof.model import Operation, Phase
from soakproof.workload.edits import EDIT_KINDS, Editor, Marks, plan_edit
from soakproof.workload.ground import Ground
from soakproof.workload.languages import Language

pytestmark = pytest.mark.property

LANGUAGES: list[dict[str, Any]] = [
    {},
    {"edits": {"append": "int mark_{mark} = {mark};\n", "new_text": "int new = 1;\n"}},
    {
        "edits": {
            "pattern": r"value = \d+",
            "replace": "value = {mark}",
            "new_text": "value = 1000\n",
        }
    },
]
KEYS = ("one", "two", "three")
BRINGING_BACK = {"touch", "delete_restore", "slow_write"}
"""Their steps show what was there, or half of something; that is what they are for."""

edits = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(sorted(EDIT_KINDS))), min_size=1, max_size=12
)
originals = st.integers(1000, 9999)
seeds = st.integers(0, 99)


def edited(
    folder: Path, table: dict[str, Any], original: int, seed: int, wanted: Sequence[Any]
) -> list[tuple[str, str, str, str]]:
    """Carry out edits; returns kind, event, path and version of what they told."""
    ground = Ground({"ask": {"keys": "modules", "depends": "key"}}, Language.of(table))
    segment, versions = folder / "segment", folder / "versions"
    for path in (segment, versions):
        path.mkdir()
    for key in KEYS[:2]:
        (segment / f"{key}.py").write_text(f"# {key}\nvalue = {original}\n", "utf-8")
    marks, told = Marks(), []
    for number, (asked, given_kind) in enumerate(wanted):
        key, kind = asked, given_kind
        if key == KEYS[2] or kind == "new_module":  # a file that is not there yet
            key, kind = f"new_{number}", "new_module"
        operation = Operation(number, Phase.STORM, "ask", key, first_ask=False, edit=kind)
        plan = plan_edit(operation, number, seed, ground, marks)
        assert plan is not None

        def say(event: str, path: str, version: str, _: Any, kind: str = kind) -> None:
            told.append((kind, event, path, version))

        Editor(plan, segment, ground, versions, say, lambda _: False).finish(0)
    return told


@given(st.sampled_from(LANGUAGES), originals, seeds, edits)
def test_no_edit_brings_back_what_its_file_was_earlier(
    table: dict[str, Any], original: int, seed: int, wanted: Sequence[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = edited(Path(folder), table, original, seed, wanted)

    had: dict[str, set[str]] = {}
    for kind, event, path, version in told:
        earlier = had.setdefault(path, set())
        if event == "end" and kind not in BRINGING_BACK:
            assert version not in earlier, f"{kind} of {path}"
        if event != "begin":
            earlier.add(version)


@given(st.sampled_from(LANGUAGES), seeds, seeds, edits)
def test_the_same_edits_make_the_same_contents_whatever_the_seed(
    table: dict[str, Any], one: int, two: int, wanted: Sequence[Any]
) -> None:
    wanted = [(key, kind) for key, kind in wanted if kind != "other_file"]
    made = []
    for seed in (one, two):
        with tempfile.TemporaryDirectory() as folder:
            made.append(edited(Path(folder), table, 7, seed, wanted))

    assert made[0] == made[1]


@given(st.sampled_from(KEYS))
def test_marks_of_a_file_are_given_once_and_have_four_digits(path: str) -> None:
    marks = Marks()
    taken = []
    while (mark := marks.take(path)) is not None:
        taken += [mark, mark + 1]

    assert sorted(taken) == list(range(1000, 10_000))
