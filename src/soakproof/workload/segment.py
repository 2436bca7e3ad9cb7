"""The segment: real code to ask about, made anew for each run.

It is a copy, so a run can edit it, and nothing of an earlier run's cache can lie in it.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soakproof.dice import rank
from soakproof.errors import ConfigError

__all__ = ["Segment", "prepare_empty", "prepare_stdlib", "stdlib_modules"]

_NEVER: Final = frozenset({"site-packages", "__pycache__", "test", "tests", "idle_test"})
"""Folders that are not modules for users (tests hold files that do not parse)."""

_README: Final = """# Segment

A copy of {count} modules of the standard library of Python {python}, made for one soak.
It is asked about and searched, and thrown away.
"""


@dataclass(frozen=True, slots=True)
class Segment:
    """A prepared segment.

    Args:
        modules: dotted names, in the order in which the cold phase asks them.
        sha256: over path and content of every file.
        files: how many files.
        bytes: their size.
        python: version of the interpreter whose library was copied.
    """

    modules: tuple[str, ...]
    sha256: str
    files: int
    bytes: int
    python: str


def prepare_empty(folder: Path) -> Segment:
    """Make a segment without code: a library is asked about nothing but its keys."""
    folder.mkdir()
    nothing = hashlib.sha256(b"").hexdigest()
    return Segment((), nothing, 0, 0, platform.python_version())


def stdlib_modules(exclude: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield (dotted name, path relative to the library) of the standard library's modules, sorted.

    Only modules that are source files of their own, not packages' ``__init__``.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    left_out = _NEVER | set(exclude)
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        parts = relative.with_suffix("").parts
        named = all(part.isidentifier() for part in parts) and parts[-1] != "__init__"
        if named and left_out.isdisjoint(parts):
            yield ".".join(parts), relative


def prepare_stdlib(
    folder: Path, *, count: int, exclude: Sequence[str], seed: int, campaign_path: Path
) -> Segment:
    """Copy ``count`` modules of the running Python's library, chosen by the seed, to ``folder``.

    Packages' ``__init__`` files come along. Takes well under a second for several hundred modules.

    Raises:
        ConfigError: the library has fewer modules than the campaign asks for.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    found = dict(stdlib_modules(exclude))
    if len(found) < count:
        problem = f"expected at most {len(found)} (the modules this Python has), found {count}"
        raise ConfigError(campaign_path, problem, key="segment.modules")
    modules = sorted(found, key=lambda name: rank(seed, "module", name))[:count]
    wanted = {found[name] for name in modules}
    for relative in list(wanted):
        inits = (parent / "__init__.py" for parent in relative.parents if parent != Path())
        wanted.update(init for init in inits if (root / init).is_file())
    for relative in sorted(wanted):
        goal = folder / relative
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / relative, goal)
    python = platform.python_version()
    (folder / "README.md").write_text(_README.format(count=count, python=python), "utf-8")
    sha256, files, size = _measure(folder)
    return Segment(tuple(modules), sha256, files, size, python)


def _measure(folder: Path) -> tuple[str, int, int]:
    sha, files, size = hashlib.sha256(), 0, 0
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            sha.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
            files += 1
            size += len(data)
    return sha.hexdigest(), files, size
