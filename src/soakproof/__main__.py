"""``python -m soakproof``."""

from __future__ import annotations

from soakproof.cli import entry

__all__: list[str] = []

if __name__ == "__main__":
    entry()
