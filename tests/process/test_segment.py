"""The segment's modules are those of the library, found without looking into what is left out."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from soakproof.workload.segment import module_name, stdlib_modules

pytestmark = pytest.mark.process


def test_the_modules_are_all_of_the_library_but_those_left_out() -> None:
    root = Path(sysconfig.get_paths()["stdlib"])
    out = {"site-packages", "__pycache__", "test", "tests", "idle_test", "lib2to3"}
    paths = (path.relative_to(root) for path in sorted(root.rglob("*.py")))
    named = ((module_name(path.as_posix()), path) for path in paths)
    expected = [(name, path) for name, path in named if name and out.isdisjoint(name.split("."))]

    assert expected == list(stdlib_modules(["lib2to3"]))
