"""How a command ends: what it raises becomes one line on standard error and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from soakproof.errors import Interrupted, SoakError

__all__ = ["guarded"]

_NO_ROOM: Final = "free some space, and begin again"
_NO_FILES: Final = "permit more open files (ulimit -n), and begin again"
_MACHINES_FAULT: Final = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EMFILE: _NO_FILES,
    errno.ENFILE: _NO_FILES,
    errno.EFBIG: "permit larger files (ulimit -f), and begin again",
    errno.EROFS: "work in a folder that may be written",
    errno.EACCES: "give this user the right to it, or work in another folder",
}
"""What is wrong with the machine and not with us, and what its user can do about it."""


def guarded(command: Callable[[], int]) -> int:
    """Run a command; turn what it raises on purpose, or what the machine lacks, into one line.

    Returns:
        The exit code.
    """
    try:
        return command()
    except SoakError as problem:
        print(f"soakproof: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        print("soakproof: interrupted", file=sys.stderr)
        return Interrupted.exit_code
    except BrokenPipeError:  # the reader of our output went away; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as problem:
        if problem.errno not in _MACHINES_FAULT:
            raise
        path = problem.filename2 or problem.filename  # of a copy, what was written
        where = "" if path is None else f"{path}: "
        with suppress(OSError):  # what takes our complaints may be on the same disk
            print(
                f"soakproof: {where}{problem.strerror}; {_MACHINES_FAULT[problem.errno]}",
                file=sys.stderr,
            )
        return SoakError.exit_code
