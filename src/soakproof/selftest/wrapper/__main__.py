"""Run by its path: plant a defect into one call of a tool, or be the process that is left behind.

What a call that gets nothing costs is a bare start of Python: it becomes the command.
"""

from __future__ import annotations

import os
import sys

if __package__ in {None, ""}:  # by its path, without site-packages: it brings its own
    root = os.path.abspath(__file__)
    for _ in ("wrapper", "selftest", "soakproof", "above it"):
        root = os.path.dirname(root)
    sys.path.append(root)

from soakproof.selftest.wrapper.call import call_of
from soakproof.selftest.wrapper.leftovers import linger
from soakproof.selftest.wrapper.registry import DEFECTS, plant


def main(arguments: list[str]) -> None:
    """Plant a defect into one call of a tool."""
    if arguments[0] == "--stray":
        linger(arguments[1])
        return
    name, state, _, *argv = arguments
    if name not in DEFECTS:
        raise SystemExit(f"wrapper: expected one of {', '.join(sorted(DEFECTS))}, found {name!r}")
    call = call_of(state, argv, os.environ)
    if call is None:
        os.execv(argv[0], argv)  # noqa: S606 - it is asked about itself: no operation
    plant(name, call)


if __name__ == "__main__":
    main(sys.argv[1:])
