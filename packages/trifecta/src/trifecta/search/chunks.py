"""Cutting a text into the pieces that are searched.  Pure.

A piece is about one definition or one section, so that a hit has a line worth opening and a long
file does not drown what one function in it is about.
"""

import re

_MOST_LINES = 60
_FEWEST_LINES = 6
_PY_START = re.compile(r"( {0,4}|\t)(?:@|(?:async\s+def|def|class)\s)")
_PY_NAME = re.compile(r"^\s*(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_MD_START = re.compile(r"()#{1,6}\s")
_MD_NAME = re.compile(r"^#{1,6}\s+(.*)$", re.MULTILINE)
_CAMEL = re.compile(r"\b[A-Za-z][A-Za-z0-9]*(?:[a-z0-9][A-Z]|[A-Z]{2}[a-z])[A-Za-z0-9]*")
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+|[0-9]+")


class Chunk:
    """One piece: its first line (from 1) and the texts that are searched."""

    __slots__ = ("body", "line", "names", "parts")

    def __init__(self, line: int, body: str, names: str, parts: str) -> None:
        """Keep the texts."""
        self.line = line
        self.body = body
        self.names = names
        self.parts = parts


def decode(data: bytes) -> str:
    """Give a file's text; what cannot be decoded becomes a replacement character."""
    from trifecta.source_text import declared_encoding

    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    text = data.decode(declared_encoding(data) or "utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")


def split(text: str, *, prose: bool) -> list[Chunk]:
    """Cut *text* into chunks; together they are the whole text."""
    start = _MD_START if prose else _PY_START
    name = _MD_NAME if prose else _PY_NAME
    lines = text.split("\n")
    out: list[Chunk] = []
    first = 0
    decorated = False  # a decorator has begun the chunk of the definition that follows
    for index in range(1, len(lines) + 1):
        if index < len(lines):
            found = start.match(lines[index])
            size = index - first
            begins = found is not None and not decorated
            decorated = found is not None and found[0].endswith("@")
            wanted = begins and (size >= _FEWEST_LINES or (found is not None and not found[1]))
            if not wanted and size < _MOST_LINES:
                continue
        body = "\n".join(lines[first:index])
        if body.strip():
            names = " ".join(dict.fromkeys(name.findall(body)))
            out.append(Chunk(first + 1, body, f"{names} {camel_parts(names)}", camel_parts(body)))
        first = index
    return out


def camel_parts(text: str) -> str:
    """Give the parts of the CamelCase names in *text*; snake_case the tokenizer splits itself."""
    names = dict.fromkeys(_CAMEL.findall(text))
    return " ".join(" ".join(_PARTS.findall(name)) for name in names)


def words(text: str) -> list[str]:
    """Give the words of a query, each with its parts after it; none twice."""
    out: dict[str, None] = {}
    for word in re.findall(r"\w+", text):
        pieces = [piece for part in word.split("_") for piece in _PARTS.findall(part) or [part]]
        pieces = [piece.lower() for piece in pieces if piece]
        whole = " ".join(part.lower() for part in word.split("_") if part)
        for phrase in (whole, " ".join(pieces), *pieces):
            if phrase:
                out[phrase] = None
    return list(out)
