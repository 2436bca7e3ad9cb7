"""For authors of workers: does mine keep to the protocol?

In a test: ``from soakproof.testing import assert_worker`` and
``assert_worker([sys.executable, "-m", "my_worker"])``.
On a terminal: ``soakproof conform "python -m my_worker"`` or
``python -m soakproof.testing python -m my_worker``.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence

from soakproof.commands import COMMANDS
from soakproof.guarded import guarded
from soakproof.stages.conform import Checked, Conformance, conform
from soakproof.targets.command import resolve_command

__all__ = ["Checked", "Conformance", "assert_worker", "check_worker", "main"]


def check_worker(
    command: Sequence[str], environ: Mapping[str, str] | None = None, *, deadline_s: float = 60.0
) -> Conformance:
    """Check a worker, and return every check with what was found.

    Args:
        command: how it is started; a bare name is looked for as a target's is.
        environ: its environment; the folder of its cache is added as ``SOAKPROOF_CACHE``.
        deadline_s: a hang guard for every single wait.

    Raises:
        UsageError: there is no such executable.

    Starts the worker some fifteen times, and leaves nothing behind.
    """
    return conform(resolve_command(command, "the worker"), environ, deadline_s=deadline_s)


def assert_worker(
    command: Sequence[str], environ: Mapping[str, str] | None = None, *, deadline_s: float = 60.0
) -> None:
    """Check a worker; the whole report is the assertion's text.

    Raises:
        AssertionError: it does not keep to the protocol.
        UsageError: there is no such executable.
    """
    found = check_worker(command, environ, deadline_s=deadline_s)
    if found.exit_code:
        raise AssertionError("\n".join(found.lines()))


def main(argv: Sequence[str] | None = None) -> int:
    """Check the worker whose command line is given; returns the exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    return guarded(lambda: COMMANDS["conform"]({"worker": shlex.join(given)}))


if __name__ == "__main__":
    sys.exit(main())
