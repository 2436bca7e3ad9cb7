"""Find the lines of a package's source that a soak relies on: by syntax, not by line number.

A line number is wrong after the next edit; "the call of ``os.write``" is not.
Nothing of the package is imported or run.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path
from typing import Any, Final

__all__ = ["PLACES_PER_ANCHOR", "Place", "Search", "search"]

PLACES_PER_ANCHOR: Final = 3
"""Places kept of one anchor: enough to read, and the evidence stays small."""

_LINE_CHARS: Final = 300
"""A longer line (generated code) is cut in the evidence."""

_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the source.

    Args:
        name: the anchor's name.
        expects: what a reader should see there.
        file: path relative to the package.
        line: 1-based line.
        text: the line.
        file_sha256: SHA-256 of the file's bytes.
    """

    name: str
    expects: str
    file: str
    line: int
    text: str
    file_sha256: str


@dataclass(frozen=True, slots=True)
class Search:
    """What was found.

    Args:
        places: in the order of the anchors, then of files and lines; a few of each anchor.
        missing: names of anchors without a place.
        unreadable: Python files that could not be parsed.
    """

    places: tuple[Place, ...]
    missing: tuple[str, ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    file: str
    sha256: str
    lines: tuple[str, ...]
    tree: ast.Module


def search(package_dir: Path, anchors: Iterable[Mapping[str, Any]]) -> Search:
    """Find each anchor in the package's Python files.

    Args:
        package_dir: folder of the package.
        anchors: the ``anchors`` of ``schemas/target.schema.json``.

    Costs one parse of every file, and the memory of all their trees.
    """
    sources: list[_Source] = []
    unreadable: list[str] = []
    for path in sorted(package_dir.rglob("*.py")):
        source = _parse(path, path.relative_to(package_dir).as_posix())
        if isinstance(source, _Source):
            sources.append(source)
        else:
            unreadable.append(source)
    places: list[Place] = []
    missing: list[str] = []
    for anchor in anchors:
        found = [place for source in sources for place in _places(source, anchor)]
        places += found[:PLACES_PER_ANCHOR]
        if not found:
            missing.append(anchor["name"])
    return Search(tuple(places), tuple(missing), tuple(unreadable))


def _parse(path: Path, file: str) -> _Source | str:
    """Return the parsed file, or its name where Python itself could not read it."""
    try:
        data = path.read_bytes()
        text = decode_source(data)
        with warnings.catch_warnings():  # the subject's own, such as an invalid escape
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return file
    return _Source(file, hashlib.sha256(data).hexdigest(), tuple(text.split("\n")), tree)


def _places(source: _Source, anchor: Mapping[str, Any]) -> Iterator[Place]:
    if anchor.get("module", "") not in source.file:
        return
    find = {"string": _strings, "call": _calls, "definition": _definitions}[anchor["find"]]
    for line in sorted(set(find(source, anchor["text"]))):
        text = source.lines[line - 1].rstrip()[:_LINE_CHARS]
        yield Place(anchor["name"], anchor["expects"], source.file, line, text, source.sha256)


def _strings(source: _Source, text: str) -> Iterator[int]:
    """Yield the lines of string literals that contain the text, parts of f-strings included."""
    docstrings = {id(doc) for node in ast.walk(source.tree) if (doc := _docstring(node))}
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str) and text in node.value:
            yield _line_within(source, node, text)


def _docstring(node: ast.AST) -> ast.Constant | None:
    if isinstance(node, _DOCUMENTED) and node.body and isinstance(node.body[0], ast.Expr):
        value = node.body[0].value
        return value if isinstance(value, ast.Constant) else None
    return None


def _line_within(source: _Source, node: ast.Constant, text: str) -> int:
    """Return the line of the text in a literal of many lines (or, in 3.11, of its f-string)."""
    last = node.end_lineno or node.lineno
    for line in range(node.lineno, last + 1):
        if text in source.lines[line - 1]:
            return line
    return node.lineno


def _calls(source: _Source, text: str) -> Iterator[int]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _dotted(node.func) == text:
            yield node.lineno


def _dotted(node: ast.expr) -> str | None:
    """Return ``a.b.c`` of a name or attributes of one, and nothing of any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := _dotted(node.value)):
        return f"{left}.{node.attr}"
    return None


def _definitions(source: _Source, text: str) -> Iterator[int]:
    for node in ast.walk(source.tree):
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and node.name == text:
            yield node.lineno
