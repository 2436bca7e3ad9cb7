"""Measure everything, print one table, write the page."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from speed import growth, in_process, page, startup, together, whole_library
from speed.effort import FULL, QUICK
from speed.figure import Figure, Table, as_document
from speed.process import counters
from speed.scene import build
from speed.surroundings import facts

Part = Callable[[], tuple[list[Figure], list[Table]]]


def main() -> int:
    """Run all parts; give the exit code, which no figure changes."""
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; writes no page")
    parser.add_argument("--page", type=Path, help="the page to write the figures into")
    parser.add_argument("--figures", type=Path, help="a file that takes them as JSON")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    name, counter = counters()
    figures: list[Figure] = []
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="speed-") as scratch:
        folder = Path(scratch).resolve()
        scene = build(folder)
        stores = folder / "stores"
        parts: dict[str, Part] = {
            "one question as a process": lambda: startup.measure(scene, effort, counter),
            "get and set in one process": lambda: in_process.measure(stores, effort),
            "get and set in four processes": lambda: together.measure(stores, effort),
            "the whole standard library": lambda: whole_library.measure(scene, effort),
            "growth": lambda: growth.measure(scene, folder / "growth", effort),
        }
        for number, (title, part) in enumerate(parts.items(), 1):
            print(f"bench: {number}/{len(parts)} {title}", file=sys.stderr, flush=True)
            lines, more = part()
            figures += lines
            tables += more
    page.show(figures)
    if options.figures:
        options.figures.write_text(json.dumps(as_document(figures)), "utf-8")
    if options.page and not options.quick:
        page.write(options.page, facts(name), figures, tables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
