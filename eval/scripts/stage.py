"""Start soakproof from wherever it is installed; the scripts beside this one are names for that.

In this order: this interpreter, PATH, the environment that ``nox -s soak`` left (the newest).
A whole soak may also make that environment: ``nox -s soak``.
Knows nothing of stages and flags: everything is passed on.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

__all__ = ["start"]


def command(stage: str, checkout: Path) -> list[str] | None:
    """Return the command that starts a stage, or nothing where soakproof is not installed."""
    if importlib.util.find_spec("soakproof"):
        return [sys.executable, "-m", "soakproof", stage]
    if on_path := shutil.which("soakproof"):
        return [on_path, stage]
    left = [path for path in checkout.glob(".nox*/soak/bin/soakproof") if os.access(path, os.X_OK)]
    if left:
        return [str(max(left, key=lambda path: path.stat().st_mtime_ns)), stage]
    nox = shutil.which("nox")
    return (
        [nox, "-f", str(checkout / "noxfile.py"), "-s", "soak", "--"]
        if nox and stage == "all"
        else None
    )


def start(stage: str, *arguments: str) -> None:
    """Become ``soakproof STAGE ARGUMENTS``; its exit code is this program's.

    Ends with exit code 2 and one line where soakproof cannot be found.
    """
    found = command(stage, Path(__file__).resolve().parents[2])
    if found is None:
        print(
            f"soakproof {stage}: soakproof is not installed here and no `nox -s soak` ran yet; "
            "pip install nox && nox -s soak",
            file=sys.stderr,
        )
        sys.exit(2)
    # The subject is installed beside soakproof, and an environment need not be activated.
    os.environ["PATH"] = os.pathsep.join((str(Path(found[0]).parent), os.environ.get("PATH", "")))
    os.execv(found[0], [*found, *arguments])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    start(*sys.argv[1:])
