"""Change a YAML file that a person wrote, and nothing in it but what was to be changed.

ruamel.yaml keeps comments and the order of keys, but not every byte: it loses what stands before
``---``, empties ``null`` and indents lists its own way (of 102 real work orders 61 came back as
they were).
So the file is never replaced by what ruamel.yaml writes: the *difference* between its text before
and after the change is carried over to the person's own text, and the result is read again.
Pure: text in, text out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.tokens import CommentToken

from soakproof.errors import ConfigError

__all__ = ["put", "read_mapping", "rewrite"]

_WIDTH: Final = 2**20
"""No line is ever folded."""

_LIST_ITEM: Final = re.compile(r"^(?P<key> *)[^\s#-][^\n]*:[ \t]*\n(?P<item> *)- ", re.MULTILINE)


def read_mapping(where: str, text: str) -> dict[str, Any]:
    """Return the file's content as plain data.

    Args:
        where: the file, for messages.
        text: its text.

    Raises:
        ConfigError: it is not one YAML document, or no mapping; names the line.
    """
    return dict(_load(where, text, YAML(typ="safe", pure=True)))


def rewrite(where: str, text: str, change: Callable[[CommentedMap], None]) -> str:
    """Return ``text`` after ``change`` was made to its content; all else stays byte for byte.

    Args:
        where: the file, for messages.
        text: its text.
        change: changes the mapping it is given; when it changes nothing, ``text`` comes back.

    Raises:
        ConfigError: it is not one YAML document, or no mapping; names the line.
    """
    head, body = _split_head(text.replace("\r\n", "\n"))
    loader = _round_trip(body)
    document: CommentedMap = _load(where, body, loader)
    before = _dump(loader, document)
    change(document)
    after = _dump(loader, document)
    if before == after:
        return text
    grafted = _graft(body, before, after)
    if grafted is None or read_mapping(where, grafted) != read_mapping(where, after):
        grafted = after
    changed = head + grafted
    return changed.replace("\n", "\r\n") if "\r\n" in text else changed


def put(mapping: CommentedMap, key: str, value: object) -> None:
    """Set a key; a new one comes before the blank lines and comments that end the mapping.

    ruamel.yaml keeps those with the last key's value, after its own comment in the same line.
    """
    last = next(reversed(mapping), None)
    new = key not in mapping
    mapping[key] = value
    if last is None or not new:
        return
    comments, at, slot = _after(mapping, last)
    token = (comments.get(at) or [None] * 4)[slot]
    if token is None:
        return
    same_line, _, rest = token.value.partition("\n")
    if rest:
        comments_of_key, key_at, key_slot = _after(mapping, key)
        tail: list[CommentToken | None] = [None] * 4
        tail[key_slot] = CommentToken(f"\n{rest}", token.start_mark)
        comments_of_key[key_at] = tail
        token.value = f"{same_line}\n"
    if not same_line:
        comments[at][slot] = None  # not the whole entry: a comment before the key may be in it


def _after(mapping: CommentedMap, key: str) -> tuple[dict[Any, Any], Any, int]:
    """Return where ruamel.yaml keeps what comes after a key's value: (comments, key, slot)."""
    value = mapping[key]
    if isinstance(value, CommentedSeq) and value:
        return value.ca.items, len(value) - 1, 0
    return mapping.ca.items, key, 2


def _load(where: str, text: str, loader: YAML) -> Any:  # noqa: ANN401 - a dict or a CommentedMap
    try:
        document = loader.load(text)
    except YAMLError as problem:
        mark = problem.problem_mark if isinstance(problem, MarkedYAMLError) else None
        said = problem.problem if isinstance(problem, MarkedYAMLError) else str(problem)
        line = mark.line + 1 if mark is not None else None
        raise ConfigError(where, f"expected one YAML document: {said}", line=line) from None
    if not isinstance(document, dict):
        raise ConfigError(where, f"expected a YAML mapping, found {type(document).__name__}")
    return document


class _Representer(RoundTripRepresenter):
    """Writes ``null`` in full, where ruamel.yaml would leave nothing."""

    def represent_none_in_full(self, data: None) -> ScalarNode:
        del data
        node: ScalarNode = self.represent_scalar("tag:yaml.org,2002:null", "null")
        return node


_Representer.add_representer(type(None), _Representer.represent_none_in_full)


def _round_trip(text: str) -> YAML:
    """Return a loader and dumper for the way the text indents its lists."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    style = _LIST_ITEM.search(text)
    offset = len(style["item"]) - len(style["key"]) if style else 2
    if offset >= 0:
        yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    return yaml


def _dump(yaml: YAML, document: CommentedMap) -> str:
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _split_head(text: str) -> tuple[str, str]:
    """Split off a byte-order mark and the comments before ``---``; the body ends in a line feed."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = text.removeprefix(mark).splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for at, line in enumerate(lines):
        if line.rstrip() == "---":
            return mark + "".join(lines[: at + 1]), "".join(lines[at + 1 :])
        if line.strip() and not line.startswith("#"):
            break
    return mark, "".join(lines)


def _graft(own: str, before: str, after: str) -> str | None:
    """Carry the change from ``before`` to ``after`` over to ``own``, a variant of ``before``.

    Returns:
        ``None`` where a changed place has no neighbour in ``own`` to be found by.
    """
    own_lines, old, new = (t.splitlines(keepends=True) for t in (own, before, after))
    place: dict[int, int] = {-1: -1, len(old): len(own_lines)}
    aligned = SequenceMatcher(None, old, own_lines, autojunk=False).get_opcodes()
    for _, start, end, own_start, own_end in aligned:
        if end - start == own_end - own_start:  # equal, or line for line spelled otherwise
            place.update(zip(range(start, end), range(own_start, own_end), strict=True))
    changes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for tag, start, end, new_start, new_end in reversed(changes):
        if tag == "equal":
            continue
        # Lines that only `own` has lie between two places; they are never part of a change.
        if start - 1 not in place or (end > start and end - 1 not in place):
            return None
        first = place[start] if end > start and start in place else place[start - 1] + 1
        last = place[end - 1] + 1 if end > start else first
        own_lines[first:last] = new[new_start:new_end]
    return "".join(own_lines)
