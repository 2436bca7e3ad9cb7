"""What a project begins with: a commented target, campaign and gate, and where they are started.

Data, and the places they go to; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Final

__all__ = ["STARTER", "content"]

STARTER: Final[Mapping[str, str]] = {
    "eval/targets/mytool.toml": "target.toml",
    "eval/campaigns/mytool.toml": "campaign.toml",
    "eval/gates/mytool.toml": "gate.toml",
    "tasks.py": "tasks.py.txt",
    "noxfile.py": "noxfile.py.txt",
    "_ctx/.gitignore": "ignored.txt",
}
"""Path in the project → the file here that holds what goes there."""


def content(name: str) -> str:
    """Return the text of one file of this folder."""
    return (resources.files(__package__) / name).read_text("utf-8")
