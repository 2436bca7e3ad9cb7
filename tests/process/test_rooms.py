"""A room for questions: nothing of one question is there for the next, and no source is touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from soakproof.targets.rooms import Contents, Room


def told(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture(name="sources")
def _sources(tmp_path: Path) -> dict[str, Path]:
    kept = tmp_path / "kept"
    kept.mkdir()
    files = {"a.py": b"a = 1\n", "pack/b.py": b"b = 2\n", "pack/deep/c.py": b"c = 3\n"}
    for number, content in enumerate(files.values()):
        (kept / str(number)).write_bytes(content)
    return {path: kept / str(number) for number, path in enumerate(files)}


def _write_in_place(segment: Path) -> None:
    path = segment / "a.py"
    state = path.stat()
    with path.open("r+b") as file:
        file.write(b"a = 9")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _link_to_the_outside(segment: Path) -> None:
    (segment / "a.py").unlink()
    (segment / "a.py").symlink_to("/dev/null")


def _put_a_folder_there(segment: Path) -> None:
    (segment / "a.py").unlink()
    (segment / "a.py" / "inner").mkdir(parents=True)
    (segment / "a.py" / "inner" / "file").write_bytes(b"")


def _put_a_pipe_there(segment: Path) -> None:
    (segment / "a.py").unlink()
    os.mkfifo(segment / "a.py")


def _lose_the_segment(segment: Path) -> None:
    segment.rename(segment.with_name("elsewhere"))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a cache": lambda segment: (segment / ".cache").mkdir(),
    "a file": lambda segment: (segment / "pack" / "new.py").write_bytes(b"x"),
    "in place": _write_in_place,
    "a link": _link_to_the_outside,
    "a linked folder": lambda segment: (segment / "far").symlink_to("/tmp"),  # noqa: S108
    "a hard link": lambda segment: os.link(segment / "a.py", segment.parent / "scratch" / "a"),
    "a mode": lambda segment: (segment / "a.py").chmod(0o700),
    "a folder": _put_a_folder_there,
    "the end of a file": lambda segment: os.truncate(segment / "a.py", 0),
    "no file": lambda segment: (segment / "pack" / "b.py").unlink(),
    "no segment": _lose_the_segment,
    "a pipe": _put_a_pipe_there,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_next_question_finds_its_files_and_nothing_else(
    tmp_path: Path, sources: dict[str, Path], damage: str
) -> None:
    room = Room(tmp_path / "room", Contents())
    wanted = {path: content.read_bytes() for path, content in sources.items()}
    room.lay(sources)
    assert wanted == told(room.segment)
    modes = {path: (room.segment / path).stat().st_mode for path in sources}

    DAMAGE[damage](room.segment)
    (room.telemetry / "events.jsonl").write_bytes(b"{}")
    room.lay(sources)

    assert wanted == told(room.segment)
    assert modes == {path: (room.segment / path).lstat().st_mode for path in sources}
    assert {"a.py", "pack"} == {path.name for path in room.segment.iterdir()}
    assert [] == [*room.telemetry.iterdir(), *room.scratch.iterdir()]
    assert wanted == {path: content.read_bytes() for path, content in sources.items()}


def test_other_files_are_laid_in_place_of_those_that_are_there(
    tmp_path: Path, sources: dict[str, Path]
) -> None:
    room = Room(tmp_path / "room", Contents())
    room.lay(sources)
    others = {"a.py": sources["pack/b.py"], "pack": sources["a.py"]}
    room.lay(others)

    assert {"a.py": b"b = 2\n", "pack": b"a = 1\n"} == told(room.segment)


def test_what_stays_is_not_written_again(tmp_path: Path, sources: dict[str, Path]) -> None:
    room = Room(tmp_path / "room", Contents())
    room.lay(sources)
    before = {path: (room.segment / path).stat().st_ino for path in sources}
    room.lay({**sources, "a.py": sources["pack/b.py"]})

    after = {path: (room.segment / path).stat() for path in sources}
    assert b"b = 2\n" == (room.segment / "a.py").read_bytes()
    for path in ("pack/b.py", "pack/deep/c.py"):
        assert before[path] == after[path].st_ino
