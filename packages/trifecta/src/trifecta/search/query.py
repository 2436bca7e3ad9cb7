"""Asking the index: ranked chunks, one hit a file, the line to open.

The order is total (score, path, line), and scores depend on the indexed texts only, not on the
order in which they came: an index built in one go and one kept for months answer alike.
"""

import os

from trifecta.search.chunks import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

_WEIGHTS = "4.0, 5.0, 0.7, 1.0"  # path, names, parts, body
# A file is worth its best chunk, half its second best, a quarter of its third, …: with the best
# chunk alone, a file that mentions everything once beats the one that is about it
# (bench/search_quality.py: MRR 0.85 instead of 0.94).
_DECAY = 0.5
_FEWEST_CHUNKS = 300
_CHUNKS_PER_HIT = 30
_MAX_WORDS = 32
_SNIPPET_LINES = 3
_SNIPPET_COLUMNS = 160
_SQL = (
    f"SELECT f.path, c.line, t.rowid, bm25(text_v1, {_WEIGHTS}) AS score"  # noqa: S608 - constants
    " FROM text_v1 t JOIN chunk_v1 c ON c.id=t.rowid JOIN file_v1 f ON f.id=c.file"
    " WHERE text_v1 MATCH ? ORDER BY score, f.path, c.line LIMIT ?"
)
_SQL_BODY = "SELECT body FROM text_v1 WHERE rowid=?"


def expression(phrases: "list[str]") -> str:
    """Give the FTS5 expression that finds any of *phrases*."""
    return " OR ".join(f'"{phrase}"' for phrase in phrases[:_MAX_WORDS])


def search(connection: "sqlite3.Connection", query: str, limit: int) -> list[dict[str, object]]:
    """Give at most *limit* hits, each file once, with the best place in it."""
    phrases = words(query)
    if not phrases:
        return []
    depth = max(_FEWEST_CHUNKS, limit * _CHUNKS_PER_HIT)
    files: dict[bytes, _File] = {}
    for path, line, row, score in connection.execute(_SQL, (expression(phrases), depth)):
        file = files.setdefault(path, _File(path, line, row))
        file.score += -score * file.share
        file.share *= _DECAY
    ranked = sorted(files.values(), key=lambda file: (-round(file.score, 6), file.path))
    hits: list[dict[str, object]] = []
    for file in ranked[:limit]:
        body = connection.execute(_SQL_BODY, (file.row,)).fetchone()[0]
        offset, snippet = _best_line(body, phrases)
        hits.append(
            {
                "path": os.fsdecode(file.path),
                "line": file.line + offset,
                "score": round(file.score, 6),
                "snippet": snippet,
            }
        )
    return hits


class _File:
    """What is known of one file while chunks come in, best first."""

    __slots__ = ("line", "path", "row", "score", "share")

    def __init__(self, path: bytes, line: int, row: int) -> None:
        self.path = path
        self.line = line
        self.row = row
        self.score = 0.0
        self.share = 1.0


def _best_line(body: str, phrases: "list[str]") -> tuple[int, str]:
    """Give the line that says most of the query (the first of equals) and what follows it."""
    lines = body.split("\n")
    best, best_worth = 0, -1.0
    for index, line in enumerate(lines):
        text = line.lower().replace("_", " ")
        worth = float(sum(phrase in text for phrase in phrases))
        if worth and line.lstrip().startswith(("def ", "class ", "async def ", "#")):
            worth += 0.5
        if worth > best_worth:
            best, best_worth = index, worth
    shown = [line.rstrip()[:_SNIPPET_COLUMNS] for line in lines[best : best + _SNIPPET_LINES]]
    while len(shown) > 1 and not shown[-1].strip():
        shown.pop()
    return best, "\n".join(shown)
