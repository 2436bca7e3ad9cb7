"""One process of the storm: asks, and holds every answer against what the file may have said.

Usage: storm_worker.py SEGMENT STATE SEED OPERATIONS
STATE has, for each module, the version that is surely in place and the one that may be.
"""

import ast
import collections
import json
import os
import random
import subprocess
import sys
from pathlib import Path

from trifecta import AstCache, NullCache

MODULES = 12
BY_PROCESS_EVERY = 25  # that many operations in this process to one through the command line


def content(module: int, version: int) -> str:
    """Give the text of a module: always the same size, one version in three places."""
    names = [f"m{module:02d}_{place}_v{version:06d}" for place in "abc"]
    return "\n".join(f"def {name}(x): return x" for name in names) + "\n"


def expected(module: int, version: int) -> list[str]:
    """Parse that version afresh."""
    return [node.name for node in ast.parse(content(module, version)).body]  # type: ignore[attr-defined]


def version_of(state: Path, kind: str, module: int) -> int:
    """Read what the rewriter has noted."""
    return int((state / f"{kind}{module}").read_text())


def ask_process(segment: Path, uri: str) -> tuple[int, bytes]:
    """Ask through the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "trifecta", "ast", "symbols", uri, "--segment", str(segment)],
        env={**os.environ, "TRIFECTA_AST_PERSIST": "1"},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


def main() -> None:
    """Run the operations; print one summary."""
    segment, state = Path(sys.argv[1]), Path(sys.argv[2])
    rng = random.Random(sys.argv[3])  # noqa: S311 - a seeded storm
    events: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    exits = 0
    cache = AstCache(
        segment,
        persist=True,
        memory=NullCache(),
        on_event=lambda name, _: events.update([name]),
    )
    for operation in range(int(sys.argv[4])):
        module = rng.randrange(MODULES)
        uri = f"sym://python/mod/m{module:02d}"
        least = version_of(state, "done", module)
        if operation % BY_PROCESS_EVERY == 0:
            code, line = ask_process(segment, uri)
            exits += code != 0
        else:
            line = cache.answer(uri)
        most = version_of(state, "intent", module)
        names = [symbol["name"] for symbol in json.loads(line)["symbols"]] if line else []
        versions = range(least, most + 1)
        if not any(names == expected(module, version) for version in versions):
            wrong.append(f"{uri} {versions}: {names}")
    stats = cache.stats()
    cache.close()
    print(json.dumps({"wrong": wrong, "exits": exits, "events": events, "stats": stats}))


if __name__ == "__main__":
    main()
