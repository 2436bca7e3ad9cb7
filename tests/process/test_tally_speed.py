"""The benchmark of `tally`: its file is damaged as it says, and those that look at it notice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "eval" / "scripts" / "tally_speed.py"

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not SCRIPT.is_file(), reason="no checkout: the script is not in the wheel"),
]


def test_the_table_says_who_noticed_what_and_replaces_only_itself(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    begin, end = re.findall(r"<!-- (?:begin|end): written by nox -s counting.*-->", text)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{begin}\nfrom last year\n{end}\nafter\n", "utf-8")

    argv = [sys.executable, str(SCRIPT), "--events", "3000", "--rounds", "1", "--page", str(page)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, "" if done.returncode == 0 else done.stderr)
    told = {
        row.split("|")[1].strip(): row.split("|")[7].strip()
        for row in done.stdout.splitlines()
        if row.startswith("| ")
    }
    assert "15, with numbers" == told["soakproof tally, one process"]
    assert "15, with numbers" == told["soakproof tally, two processes"]
    assert "15" == told["a loop around `json`"]
    after = page.read_text("utf-8")
    assert after.startswith(f"before\n{begin}\n")
    assert after.endswith(f"{end}\nafter\n")
    assert "from last year" not in after
    assert done.stdout.strip() in after
