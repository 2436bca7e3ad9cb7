"""How well does ``ctx search`` find what is meant?  Mean reciprocal rank over judged queries.

Beside it, on the same files: counting matching lines as ``rg -ic`` and a sort would, and a plain
FTS5 table with one row a file.  Prints one JSON object.  Usage: search_quality.py [CORPUS]
"""

import json
import re
import shutil
import sqlite3
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

from trifecta.search import index, query
from trifecta.search.scan import scan

DEPTH = 10
LEFT_OUT = shutil.ignore_patterns("test", "tests", "site-packages", "idlelib", "__pycache__")
JUDGED = Path(__file__).parent / "judged_queries.json"


def mean_reciprocal_rank(ask: Callable[[str], list[str]]) -> tuple[float, list[str]]:
    """Give the mean of 1/rank of the first relevant file (0 below DEPTH), and what was missed."""
    total, missed = 0.0, []
    judged = json.loads(JUDGED.read_text())["queries"]
    for case in judged:
        ranks = [
            rank
            for rank, path in enumerate(ask(case["query"])[:DEPTH], 1)
            if path in case["relevant"]
        ]
        total += 1 / ranks[0] if ranks else 0.0
        if not ranks or ranks[0] > 1:
            missed.append(f"{ranks[0] if ranks else '-'}: {case['query']}")
    return round(total / len(judged), 3), missed


def counted(texts: dict[str, str]) -> Callable[[str], list[str]]:
    """Rank by the number of lines that hold any word of the query."""
    lines = {path: text.lower().split("\n") for path, text in texts.items()}

    def ask(text: str) -> list[str]:
        pattern = re.compile("|".join(re.escape(word) for word in text.lower().split()))
        counts = {
            path: sum(1 for line in rows if pattern.search(line)) for path, rows in lines.items()
        }
        return sorted((path for path in counts if counts[path]), key=lambda p: (-counts[p], p))

    return ask


def plain(texts: dict[str, str]) -> Callable[[str], list[str]]:
    """Rank with FTS5 as it comes, a row a file."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(path UNINDEXED, body)")
    connection.executemany("INSERT INTO t VALUES(?, ?)", texts.items())

    def ask(text: str) -> list[str]:
        expression = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", text))
        rows = connection.execute(
            "SELECT path FROM t WHERE t MATCH ? ORDER BY rank, path LIMIT ?", (expression, DEPTH)
        )
        return [path for (path,) in rows]

    return ask


def ours(root: str) -> Callable[[str], list[str]]:
    """Rank as ``ctx search`` does."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in index.SCHEMA.statements:
        connection.execute(statement)
    index.bring_up_to_date(connection, root, scan(root))
    return lambda text: [str(hit["path"]) for hit in query.search(connection, text, DEPTH)]


def main() -> None:
    """Compare the three and print."""
    with tempfile.TemporaryDirectory() as scratch:
        if len(sys.argv) > 1:
            root = Path(sys.argv[1])
        else:
            root = Path(scratch) / "lib"
            shutil.copytree(sysconfig.get_paths()["stdlib"], root, ignore=LEFT_OUT)
        texts = {path: (root / path).read_text("utf-8", "replace") for path in scan(str(root))}
        rankings = {"trifecta": ours(str(root)), "plain_fts5": plain(texts)}
        rankings["count_of_lines"] = counted(texts)
        report: dict[str, object] = {"files": len(texts), "python": sys.version.split()[0]}
        for name, ask in rankings.items():
            report[name], missed = mean_reciprocal_rank(ask)
            if name == "trifecta":
                report["not_first"] = missed
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
