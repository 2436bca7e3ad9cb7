"""Which run closes a work order, and at which commit."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import document

from soakproof.evidence.closing import refusal, verified_commit

HEAD = "a" * 40
OTHER = "b" * 40


def run(**parts: dict[str, Any] | str) -> dict[str, Any]:
    """The golden run with some of its parts said otherwise."""
    found = document("pass", "run")
    for name, part in parts.items():
        found[name] = part if isinstance(part, str) else found[name] | part
    return found


def refused(found: dict[str, Any], verdict: str = "PASS", *, allow_dirty: bool = False) -> str:
    return refusal(found, {"verdict": verdict}, allow_dirty=allow_dirty)


def test_a_completed_pass_of_a_clean_commit_closes() -> None:
    assert ("", (HEAD, False)) == (refused(run()), verified_commit(run()))


@pytest.mark.parametrize("allow_dirty", [False, True])
@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        (run(), "FAIL", "the verdict is FAIL"),
        (run(), "UNKNOWN", "the verdict is UNKNOWN"),
        (run(state="interrupted"), "PASS", "the run was interrupted"),
    ],
)
def test_no_flag_closes_what_is_not_a_completed_pass(
    found: dict[str, Any], verdict: str, said: str, *, allow_dirty: bool
) -> None:
    assert said in refused(found, verdict, allow_dirty=allow_dirty)


DOUBTFUL = [
    (run(subject={"commit": None}), "the installed toy is of no known commit"),
    (
        run(subject={"commit": None, "differs": list("abcde")}),
        "the installed toy differs from HEAD in a, b, c and 2 more",
    ),
    (
        run(harness={"commit": None, "differs": ["x.py"]}),
        "the installed soakproof differs from HEAD in x.py",
    ),
    (run(harness={"commit": OTHER}), f"toy is of commit {HEAD}, soakproof of {OTHER}"),
    (run(checkout={"dirty": True, "dirty_files": ["x"]}), "the checkout is dirty: x"),
    (run(checkout={"dirty": None}), "the checkout is unknown"),
]


@pytest.mark.parametrize(("found", "said"), DOUBTFUL)
def test_what_is_no_clean_commit_closes_only_on_request(found: dict[str, Any], said: str) -> None:
    assert f"{said}; commit, build and run again, or record with --allow-dirty" == refused(found)
    assert "" == refused(found, allow_dirty=True)
    assert (HEAD, True) == verified_commit(found)


def test_without_a_commit_to_name_even_the_request_is_refused() -> None:
    found = run(subject={"commit": None}, checkout={"commit": None, "dirty": None})

    assert "the checkout has no commit to name" in refused(found, allow_dirty=True)
