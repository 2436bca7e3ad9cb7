"""Asking the index: ranked chunks, one hit a file, the line to open.

The order is total (score, path, line), and scores depend on the indexed texts only, not on the
order in which they came: an index built in one go and one kept for months answer alike.
"""

import os

from trifecta.search.chunks import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

_WEIGHTS = "2.0, 5.0, 0.7, 1.0"  # path, names, parts, body
_MAX_WORDS = 32
_SNIPPET_LINES = 3
_SNIPPET_COLUMNS = 160
_SQL = (
    f"SELECT f.path, c.line, t.body, bm25(text_v1, {_WEIGHTS}) AS score"  # noqa: S608 - constants
    " FROM text_v1 t JOIN chunk_v1 c ON c.id=t.rowid JOIN file_v1 f ON f.id=c.file"
    " WHERE text_v1 MATCH ? ORDER BY score, f.path, c.line"
)


def expression(phrases: "list[str]") -> str:
    """Give the FTS5 expression that finds any of *phrases*."""
    return " OR ".join(f'"{phrase}"' for phrase in phrases[:_MAX_WORDS])


def search(connection: "sqlite3.Connection", query: str, limit: int) -> list[dict[str, object]]:
    """Give at most *limit* hits, the best chunk of each file."""
    phrases = words(query)
    if not phrases:
        return []
    hits: dict[bytes, dict[str, object]] = {}
    for path, first, body, score in connection.execute(_SQL, (expression(phrases),)):
        if path in hits:
            continue
        offset, snippet = _best_line(body, phrases)
        hits[path] = {
            "path": os.fsdecode(path),
            "line": first + offset,
            "score": round(-score, 6),
            "snippet": snippet,
        }
        if len(hits) == limit:
            break
    return list(hits.values())


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
