"""Start a program that may make no file longer than so many bytes: ``limited.py BYTES COMMAND …``.

The kernel then really writes less than it was asked for where a write crosses the limit, and
refuses the next (setrlimit(2), RLIMIT_FSIZE). SIGXFSZ is ignored, as Python does.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

__all__: list[str] = []

if __name__ == "__main__":
    limit = int(sys.argv[1])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the limit is to hold for this program
