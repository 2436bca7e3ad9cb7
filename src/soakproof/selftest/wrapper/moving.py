"""Let a call work in another folder than it was told."""

from __future__ import annotations

from soakproof.selftest.wrapper.call import Call

__all__ = ["moved"]


def moved(call: Call, path: str, other: str) -> tuple[list[str], dict[str, str]]:
    """Return command line and environment with another path in place of one."""
    argv = [part.replace(path, other) for part in call.argv]
    return argv, {name: value.replace(path, other) for name, value in call.env.items()}
