"""The worker's side of a campaign on other machines, without a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soakproof.fleet.travel import Servers, soak

pytestmark = pytest.mark.process


def test_a_process_that_dies_before_its_point_is_told_with_what_it_complained_of(
    tmp_path: Path,
) -> None:
    python = tmp_path / "soakproof-parcel/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho first >&2\necho 'no room for it' >&2\nexit 3\n", "utf-8")
    python.chmod(0o755)
    servers: Servers = {}

    done = soak(str(tmp_path), "parcel", {"point": "p", "run_id": "r"}, 1000, servers)

    assert {"code": 3, "words": "no room for it", "result": "", "run": b""} == done
    assert {"parcel": []} == servers, "it is not asked for another point"
    assert [] == list((tmp_path / f"soakproof-parcel/project-{os.getpid()}/_ctx/points").iterdir())
