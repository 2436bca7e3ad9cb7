from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import soakproof

CHECKOUT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    {"soakproof"}
    | {module.name for module in pkgutil.walk_packages(soakproof.__path__, "soakproof.")}
)


def public_names(module: ModuleType) -> set[str]:
    """Return what a module defines itself, without a leading underscore."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_what_is_public_is_listed_and_what_is_listed_is_there(name: str) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", [])

    assert [] == [missing for missing in listed if not hasattr(module, missing)]
    assert listed or not public_names(module), f"{name} defines public names and has no __all__"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    source = source_of(name).read_text("utf-8")

    assert source.lstrip().startswith('"""'), f"{name} has no docstring"


def test_whats_here_has_one_line_for_every_module_and_for_nothing_else() -> None:
    page = (CHECKOUT / "docs" / "whats-here.md").read_text("utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    ours = [name for name in rows if name.split(".")[0] == "soakproof"]

    assert sorted(set(ours), key=ours.index) == ours, "a module has one line"
    assert MODULES == sorted(ours)


def test_whats_here_has_one_line_for_every_module_of_the_subject() -> None:
    page = (CHECKOUT / "docs" / "whats-here.md").read_text("utf-8")
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    source = CHECKOUT / "packages" / "trifecta" / "src"
    there = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for path in source.rglob("*.py")
    }

    assert sorted(there) == sorted(name for name in rows if name.split(".")[0] == "trifecta")


def source_of(name: str) -> Path:
    """Return a module's file without importing it: ``__main__`` would run."""
    root = Path(soakproof.__path__[0])
    parts = name.split(".")[1:]
    module = root.joinpath(*parts).with_suffix(".py") if parts else root / "__init__.py"
    return module if module.is_file() else root.joinpath(*parts, "__init__.py")
