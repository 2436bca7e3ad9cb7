"""The programs that are compared and need not be there."""

import importlib.util
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from speed.process import Command

HERE = Path(__file__).parent


@cache
def universal_ctags() -> str:
    """Give the path of Universal Ctags (Exuberant Ctags is another program), or nothing."""
    for name in ("ctags", "universal-ctags"):
        path = shutil.which(name)
        if path and "Universal Ctags" in version_line(path):
            return path
    return ""


def version_line(program: str) -> str:
    """Give the first line of what a program says of its version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


def tree_sitter_command() -> Command:
    """Give the command of the tree-sitter script, or nothing."""
    needed = ("tree_sitter", "tree_sitter_python")
    if not all(map(importlib.util.find_spec, needed)):
        return []
    return [sys.executable, str(HERE / "scripts" / "tree_sitter_symbols.py")]


def griffe_command() -> Command:
    """Give the command of the griffe script, or nothing."""
    if not importlib.util.find_spec("griffe"):
        return []
    return [sys.executable, str(HERE / "scripts" / "griffe_symbols.py")]
