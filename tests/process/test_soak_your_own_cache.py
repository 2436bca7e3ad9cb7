"""The tutorial for other tools, as a reader would follow it: every file, command and output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "soak-your-own-cache.md"
HANG_GUARD_S: Final = 300
_FILE: Final = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(page: str) -> list[tuple[str, str]]:
    """Return (command, what it has to print), in the order of the page."""
    found = []
    for block in _CONSOLE.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    files = _FILE.findall(page)
    assert ["shout.py"] == [name for name, _ in files]
    assert len(steps(page)) >= 10
    for name, text in files:
        (tmp_path / name).write_text(text, "utf-8")
    beside = str(Path(sys.executable).parent)
    drop = {"OPS", "WORKERS", "SEED", "DURATION", "RUN_ID"}
    env = {name: value for name, value in os.environ.items() if name not in drop}
    env["PATH"] = os.pathsep.join([beside, env.get("PATH", os.defpath)])

    for command, output in steps(page):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=HANG_GUARD_S,
            check=False,
        )
        assert output == done.stdout, f"$ {command}\n{done.stderr}"
