"""Hold a lock file: a process of its own, run as ``python -m soakproof.faults.lock_holder FILE MAX_MS``.

It takes the lock as any other user of the cache would (``filelock``, that is ``flock``), prints
``held``, and lets go when a line or the end of its standard input comes, or after MAX_MS.
So the lock never outlives the harness, whatever kills it.
"""

from __future__ import annotations

import select
import sys
from typing import Final

from filelock import FileLock, Timeout

__all__ = ["main"]

_MS_PER_S: Final = 1000


def main(argv: list[str]) -> int:
    """Hold ``argv[0]`` for at most ``argv[1]`` milliseconds; 0: it was held, 3: it was not to be had."""
    path, max_ms = argv[0], int(argv[1])
    try:
        with FileLock(path, timeout=max_ms / _MS_PER_S):
            print("held", flush=True)
            select.select([sys.stdin], [], [], max_ms / _MS_PER_S)
    except Timeout:
        print("busy", flush=True)
        return 3
    print("released", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
