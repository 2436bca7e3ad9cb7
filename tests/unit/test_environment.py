"""What the run ran on."""

from __future__ import annotations

from pathlib import Path

import pytest

from soakproof import schema
from soakproof.evidence.environment import environment_record, mounted_type

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /dev/some rw - tmpfs tmpfs rw
24 22 0:6 / /mnt/a\\040folder rw master:1 propagate_from:2 - xfs /dev/sdb rw
25 22 0:7 / /over rw - ext4 /dev/sdc rw
26 25 0:8 / /over rw - overlay overlay rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/some where/x", "ext4"),
        ("/dev/some", "tmpfs"),
        ("/dev/somex", "ext4"),
        ("/mnt/a folder/b", "xfs"),
        ("/over/x", "overlay"),
    ],
)
def test_the_deepest_and_latest_mount_counts(path: str, kind: str) -> None:
    assert kind == mounted_type(Path(path), MOUNTS)


def test_without_a_table_it_is_unknown() -> None:
    assert "unknown" == mounted_type(Path("/x"), "")


def test_the_record_is_what_the_schema_of_a_run_asks_for() -> None:
    part = schema.load_schema("run")["properties"]["environment"]
    from jsonschema import Draft202012Validator

    assert [] == list(Draft202012Validator(part).iter_errors(environment_record(Path.cwd())))
