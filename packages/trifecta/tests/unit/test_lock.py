import fcntl
import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from trifecta.lock import LockTimeoutError, WriteLock, timeout_from_environment


def test_a_free_lock_is_had_without_waiting(tmp_path: Path) -> None:
    with WriteLock(str(tmp_path / "l"), 0) as lock:
        assert lock.waited_ms is None
        with pytest.raises(Timeout):
            FileLock(tmp_path / "l", timeout=0).acquire()
    with FileLock(tmp_path / "l", timeout=0):
        pass


def test_a_held_lock_ends_at_the_deadline(tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / "l"),
        pytest.raises(LockTimeoutError) as timeout,
        WriteLock(str(tmp_path / "l"), 30),
    ):
        pass
    assert timeout.value.waited_ms >= 30
    assert timeout.value.path == str(tmp_path / "l")


def test_a_lock_file_that_was_replaced_locks_nobody_out_or_in(tmp_path: Path) -> None:
    path = tmp_path / "l"
    old = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(old, fcntl.LOCK_EX)
    path.unlink()
    with WriteLock(str(path), 0), pytest.raises(Timeout):
        FileLock(path, timeout=0).acquire()
    os.close(old)


def test_without_fcntl_it_is_filelock_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    path = str(tmp_path / "l")
    with WriteLock(path, 0), pytest.raises(LockTimeoutError), WriteLock(path, 5):
        pass
    with WriteLock(path, 0):
        pass


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("", 5000), ("0", 0), ("250", 250), ("-1", 5000), ("soon", 5000)]
)
def test_the_environment_sets_the_deadline(
    monkeypatch: pytest.MonkeyPatch, text: str, milliseconds: int
) -> None:
    monkeypatch.setenv("TRIFECTA_LOCK_TIMEOUT_MS", text)

    assert timeout_from_environment() == milliseconds
