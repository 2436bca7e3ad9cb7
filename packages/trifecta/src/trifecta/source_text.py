"""The text behind a syntax tree's positions, and what a parser's complaint means.

Pure: works on bytes that were read elsewhere.
"""

import _ast

from trifecta.errors import SourceError

_BOM = b"\xef\xbb\xbf"


class SourceText:
    """Cuts expressions out of a source file; splits it into lines when first asked."""

    __slots__ = ("_data", "_lines")

    def __init__(self, data: bytes) -> None:
        """Keep the bytes as they were read."""
        self._data = data
        self._lines: list[bytes] | None = None

    def of(self, node: _ast.AST) -> str:
        """Give the text of *node*, on one line.

        Positions count bytes of the UTF-8 form, whatever the file's own encoding is.
        """
        if isinstance(node, _ast.Name):
            return node.id
        lines = self._lines
        if lines is None:
            lines = self._lines = utf8_lines(self._data)
        first, last = node.lineno - 1, node.end_lineno - 1  # type: ignore[attr-defined]
        start, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        if first == last:
            cut = lines[first][start:end]
        else:
            pieces = [lines[first][start:], *lines[first + 1 : last], lines[last][:end]]
            cut = b" ".join(piece.strip() for piece in pieces)
            if b"#" in cut or b"\\" in cut or b'"""' in cut or b"'''" in cut:
                return _unparse(node)  # joining the lines would change what they say
        text = cut.decode("utf-8", "replace")
        return f"({text})" if isinstance(node, _ast.NamedExpr | _ast.Yield) else text


def _unparse(node: _ast.AST) -> str:
    from ast import unparse  # dear, and rare: a comment or a long string within a signature

    return " ".join(unparse(node).split("\n"))


def utf8_lines(data: bytes) -> list[bytes]:
    """Split a file that has been parsed into the lines that the parser counted, as UTF-8."""
    if data.startswith(_BOM):
        data = data[3:]
    name = declared_encoding(data)
    if name:
        data = data.decode(name, "replace").encode("utf-8", "replace")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.split(b"\n")


def declared_encoding(data: bytes) -> str:
    """Give the encoding that a comment in the first two lines declares (PEP 263), "" for UTF-8."""
    head = data[:512].replace(b"\r", b"\n").split(b"\n", 3)[:3]
    if not any(b"coding" in line for line in head):
        return ""
    from io import BytesIO
    from tokenize import detect_encoding

    try:
        name, _ = detect_encoding(BytesIO(data).readline)
    except SyntaxError:
        return ""
    return "" if name in {"utf-8", "utf-8-sig"} else name


def explain(data: bytes, problem: Exception) -> SourceError:
    """Turn the parser's complaint into an error with a kind, a line and a column (from 0)."""
    if b"\0" in data:
        line, col = _position(data, data.index(b"\0"))
        return SourceError("null_byte", "the file holds a NUL byte", line=line, col=col)
    broken = _encoding_error(data)
    if broken is not None:
        return broken
    line_number = getattr(problem, "lineno", None) or None
    offset = getattr(problem, "offset", None)
    col_number = max(offset - 1, 0) if isinstance(offset, int) and line_number else None
    message = getattr(problem, "msg", None) or str(problem)
    return SourceError("syntax_error", message, line=line_number, col=col_number)


def _encoding_error(data: bytes) -> SourceError | None:
    from io import BytesIO
    from tokenize import detect_encoding

    try:
        name, _ = detect_encoding(BytesIO(data).readline)
    except SyntaxError as problem:
        # an unknown encoding, a mark that contradicts it, or a first line that is not UTF-8
        name, message = "utf-8", str(problem)
    else:
        message = ""
    try:
        data.decode(name)
    except UnicodeDecodeError as problem:
        line, col = _position(data, problem.start)
        found = data[problem.start]
        text = f"byte 0x{found:02x} is not valid {name}"
        return SourceError("encoding_error", text, line=line, col=col)
    return SourceError("encoding_error", message, line=1, col=0) if message else None


def _position(data: bytes, offset: int) -> tuple[int, int]:
    before = data[:offset]
    return before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1)
