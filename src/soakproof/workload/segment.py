"""The segment: what is asked about, made anew for each run.

It is a copy, so a run can edit it, and nothing of an earlier run's cache can lie in it: modules of
the standard library, a folder beside the campaign, or files written from templates.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from soakproof.dice import rank, stream, uniform_int
from soakproof.errors import ConfigError, SoakError

__all__ = [
    "Segment",
    "copy_folder",
    "generate",
    "listed",
    "measured",
    "module_name",
    "prepare_empty",
    "prepare_named",
    "prepare_stdlib",
    "stdlib_modules",
]

_VERSION_CONTROL: Final = frozenset({".git", ".hg", ".svn", "__pycache__"})
"""Folders that are nobody's input."""

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
        modules: keys that name a file, in the order in which the cold phase asks them: dotted
            names, or paths.
        sha256: over path and content of every file.
        files: how many files.
        bytes: their size.
        python: version of the interpreter whose library was copied, or that runs here.
        inputs: path → SHA-256 of every file; nothing for a copy of the library.
    """

    modules: tuple[str, ...]
    sha256: str
    files: int
    bytes: int
    python: str
    inputs: Mapping[str, str] = field(default_factory=dict)


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
    found = []
    for folder, below, files in os.walk(root):
        # What is left out is not even looked at: site-packages is larger than the library.
        below[:] = [name for name in below if name not in left_out]
        here = Path(folder).relative_to(root)
        found += [here / name for name in files]
    for relative in sorted(found):
        name = module_name(relative.as_posix())
        if name is not None and left_out.isdisjoint(name.split(".")):
            yield name, relative


def module_name(path: str) -> str | None:
    """Return the dotted name of a source file of its own; ``None``: it is none."""
    parts = path.removesuffix(".py").split("/")
    named = path.endswith(".py") and all(part.isidentifier() for part in parts)
    return ".".join(parts) if named and parts[-1] != "__init__" else None


def prepare_stdlib(
    folder: Path, *, count: int, exclude: Sequence[str], seed: int, campaign_path: Path
) -> Segment:
    """Copy ``count`` modules of the running Python's library, chosen by the seed, to ``folder``.

    Packages' ``__init__`` files come along. Takes well under a second for several hundred modules.

    Raises:
        ConfigError: the library has fewer modules than the campaign asks for.
    """
    found = dict(stdlib_modules(exclude))
    if len(found) < count:
        problem = f"expected at most {len(found)} (the modules this Python has), found {count}"
        raise ConfigError(campaign_path, problem, key="segment.modules")
    modules = sorted(found, key=lambda name: rank(seed, "module", name))[:count]
    return _copied(folder, modules, {found[name] for name in modules})


def prepare_named(folder: Path, *, modules: Sequence[str], case_path: Path) -> Segment:
    """Copy these modules of the running Python's library to ``folder``, in this order.

    Raises:
        ConfigError: the library has no such module.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    wanted = {name: Path(name.replace(".", "/") + ".py") for name in modules}
    for name, path in wanted.items():
        if not (root / path).is_file():
            python = platform.python_version()
            problem = f"expected a module of Python {python}'s library, found {name!r}"
            raise ConfigError(case_path, problem, key="modules")
    return _copied(folder, modules, set(wanted.values()))


def _copied(folder: Path, modules: Sequence[str], wanted: set[Path]) -> Segment:
    root = Path(sysconfig.get_paths()["stdlib"])
    for relative in list(wanted):
        inits = (parent / "__init__.py" for parent in relative.parents if parent != Path())
        wanted.update(init for init in inits if (root / init).is_file())
    for relative in sorted(wanted):
        goal = folder / relative
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / relative, goal)
    python = platform.python_version()
    (folder / "README.md").write_text(_README.format(count=len(modules), python=python), "utf-8")
    sha256, files, size = _measure(folder)
    return Segment(tuple(modules), sha256, files, size, python)


def copy_folder(source: Path, folder: Path, *, exclude: Sequence[str], campaign_path: Path) -> None:
    """Copy a folder's regular files to ``folder``, without those that a pattern leaves out.

    Symbolic links are not followed, and version control's own folders stay behind.

    Raises:
        ConfigError: there is no such folder, or nothing in it.
    """
    if not source.is_dir():
        problem = f"expected a folder, found none at {source}"
        raise ConfigError(campaign_path, problem, key="segment.folder")
    copied = 0
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        name = relative.as_posix()
        left_out = not _VERSION_CONTROL.isdisjoint(relative.parts)
        left_out = left_out or any(fnmatchcase(name, pattern) for pattern in exclude)
        if left_out or path.is_symlink() or not path.is_file():
            continue
        goal = folder / relative
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, goal)
        copied += 1
    if not copied:
        problem = f"expected files in {source}, found none that `exclude` leaves"
        raise ConfigError(campaign_path, problem, key="segment.folder")


def generate(
    templates: Iterable[Mapping[str, Any]], folder: Path, *, seed: int, campaign_path: Path
) -> None:
    """Write files from templates: ``{number}`` counts, ``{value}`` is the seed's.

    Raises:
        ConfigError: two files have one name, or a name leads out of the segment.
    """
    for at, template in enumerate(templates):
        for number in range(template["count"]):
            name = template["name"].replace("{number}", str(number))
            goal = folder / name
            if goal.exists() or not goal.resolve().is_relative_to(folder.resolve()):
                problem = f"expected each file once and inside the segment, found {name!r}"
                raise ConfigError(campaign_path, problem, key=f"segment.files[{at}].name")
            dice = stream(seed, "segment", name)
            text = template["text"].replace("{number}", str(number))
            text = text.replace("{value}", str(uniform_int(dice, 1000, 9999)))
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_text(text, "utf-8")


def listed(folder: Path, cache: Path) -> dict[str, str]:
    """Return path → SHA-256 of every regular file of a segment that is not its cache's."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if cache in path.parents or path.is_symlink() or not path.is_file():
            continue
        relative = path.relative_to(folder)
        if _VERSION_CONTROL.isdisjoint(relative.parts):
            found[relative.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def measured(folder: Path, inputs: Mapping[str, str], keys: Sequence[str]) -> Segment:
    """Return a segment of listed files.

    Raises:
        SoakError: a file went away meanwhile.
    """
    try:
        size = sum((folder / path).stat().st_size for path in inputs)
    except FileNotFoundError as problem:
        message = f"{problem.filename}: it went away while the segment was prepared"
        raise SoakError(message) from None
    sha = hashlib.sha256("".join(f"{path}\0{one}\n" for path, one in inputs.items()).encode())
    python = platform.python_version()
    return Segment(tuple(keys), sha.hexdigest(), len(inputs), size, python, dict(inputs))


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
