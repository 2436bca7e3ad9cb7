from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from soakproof.errors import UsageError
from soakproof.guarded import guarded
from soakproof.line_writers import LineWriter
from soakproof.rundir import write_bytes


def raised(problem: BaseException) -> int:
    def command() -> int:
        raise problem

    return guarded(command)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space, and begin again"),
        (errno.EMFILE, "permit more open files (ulimit -n), and begin again"),
        (errno.EFBIG, "permit larger files (ulimit -f), and begin again"),
        (errno.EROFS, "work in a folder that may be written"),
    ],
)
def test_what_the_machine_lacks_is_one_line(
    number: int, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == raised(OSError(number, os.strerror(number), "a/file"))
    assert f"soakproof: a/file: {os.strerror(number)}; {advice}\n" == capsys.readouterr().err


def test_of_a_copy_what_was_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    raised(OSError(errno.ENOSPC, "full", "from", None, "to"))

    assert capsys.readouterr().err.startswith("soakproof: to: full")


def test_what_was_not_foreseen_is_not_hidden() -> None:
    with pytest.raises(OSError, match="ours"):
        raised(OSError(errno.EINVAL, "ours"))
    with pytest.raises(ZeroDivisionError):
        raised(ZeroDivisionError())
    assert 2 == raised(UsageError("a flag"))


def test_a_write_that_fails_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LineWriter(Path("/dev/full")) as lines, pytest.raises(OSError, match="No space") as line:
        lines.write({"a": 1})
    assert "/dev/full" == line.value.filename

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full") as whole:
        write_bytes(tmp_path / "document", b"{}")
    assert str(tmp_path / "document") == whole.value.filename
    assert [] == list(tmp_path.iterdir()), "nothing half-written is left"
