"""Measure the harness, print the table, write the page; last, all that is to be reached."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reach import beside_xargs, by_size, counting, engines, thousand
from reach.effort import FULL, QUICK
from reach.place import Place
from reach.surroundings import facts
from speed import page
from speed.figure import Figure, Table, from_document

MARKS: Final = (
    "<!-- begin: the harness, written by nox -s bench; change the text around it, not this -->",
    "<!-- end: the harness, written by nox -s bench -->",
)
Part = Callable[[], tuple[list[Figure], list[Table]]]


def main() -> int:
    """Run all parts; give the exit code, which no figure changes."""
    parser = argparse.ArgumentParser(prog="reach", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works; writes no page")
    parser.add_argument("--page", type=Path, help="the page to write the figures into")
    parser.add_argument("--beside", type=Path, help="figures of another bench, shown with ours")
    parser.add_argument("--only", help="one part; writes no page")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    target = None if options.quick or options.only else options.page
    figures: list[Figure] = []
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="reach-") as scratch:
        place = Place(Path(scratch).resolve())
        parts: dict[str, Part] = {
            "xargs": lambda: beside_xargs.measure(place, effort),
            "counting": lambda: (counting.measure(place, effort, target), []),
            "engines": lambda: engines.measure(place, effort),
            "thousand": lambda: thousand.measure(place, effort),
            "sizes": lambda: by_size.measure(place, effort),
        }
        if options.only is not None and options.only not in parts:
            parser.error(f"--only: expected one of {', '.join(parts)}, found {options.only!r}")
        chosen = {name: part for name, part in parts.items() if options.only in {None, name}}
        for number, (name, part) in enumerate(chosen.items(), 1):
            print(f"bench: harness {number}/{len(chosen)} {name}", file=sys.stderr, flush=True)
            lines, more = part()
            figures += lines
            tables += more
    page.show_tables(tables)
    page.show([one for one in figures if one.limit is None])
    if target is not None:
        page.write(target, facts(), figures, tables, MARKS)
    others = from_document(json.loads(options.beside.read_bytes())) if options.beside else []
    print("\nReach\n")
    page.show([one for one in [*others, *figures] if one.limit is not None])
    return 0


if __name__ == "__main__":
    sys.exit(main())
