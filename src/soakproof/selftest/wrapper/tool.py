"""The real tool: become it, or run it and come back; end as it did."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Mapping
from typing import NoReturn

from soakproof.selftest.wrapper.call import Call

__all__ = ["ask", "become", "die", "write_all"]


def become(call: Call) -> NoReturn:
    """Run the command in place of this process."""
    os.execve(call.argv[0], call.argv, call.env)  # noqa: S606 - the tool, as it was given


def ask(argv: list[str], env: Mapping[str, str], stream: int | None) -> tuple[int, bytes]:
    """Run a command; return its exit code and what it printed on one stream.

    Args:
        argv: the command line.
        env: its environment.
        stream: 1 or 2; the other one, or with ``None`` both, are this process's own.
    """
    if stream is None:
        return _ended(os.posix_spawn(argv[0], argv, env)), b""
    read_fd, write_fd = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, write_fd, stream), (os.POSIX_SPAWN_CLOSE, read_fd)]
    pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as file:
        out = file.read()
    return _ended(pid), out


def _ended(pid: int) -> int:
    """Wait for the command's end; a signal that ended it ends this process, too."""
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        die(os.WTERMSIG(status))
    return os.WEXITSTATUS(status)


def die(number: int) -> NoReturn:
    """End by a signal, without a core."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, however little the other side takes at once."""
    while data:
        data = data[os.write(fd, data) :]
