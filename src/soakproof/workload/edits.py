"""Edits of the segment while it is read: each a few steps, each step a version from when to when.

The harness is the one writer of every key, so for each file it is known which version was current
at which moment: from the end of the step that made it, possibly from its beginning, until the end
of the step that replaced it. A step that a reader can see half-done is marked ``atomic: false``.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.dice import rank, stream, uniform_int
from soakproof.errors import SoakError
from soakproof.model import ABSENT, EditPlan, Operation
from soakproof.notices import READ, Notices
from soakproof.workload.episodes import NEW_MODULE
from soakproof.workload.ground import Ground
from soakproof.workload.languages import HIGHEST_MARK, LOWEST_MARK

__all__ = ["EDIT_KINDS", "Editor", "Marks", "plan_edit"]

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000

_LONGEST_WAIT_MS: Final = 4_000
"""A step that waits for an answer goes on after so long without one (a hang guard)."""

_JUMP_S: Final = 30 * 24 * 3600
"""How far an edit with a jumping clock moves the file's time stamp."""

_MARKS_OF_AN_EDIT: Final = 2
"""Some kinds change a file twice."""

_MARKS: Final = HIGHEST_MARK - LOWEST_MARK + 1
_EDITS_OF_A_FILE: Final = _MARKS // _MARKS_OF_AN_EDIT

EDIT_KINDS: Final[Mapping[str, str]] = {
    "rewrite": "new content written over the file in place",
    "same_stat": "new content of the same size, and the old time stamp put back",
    "rename_over": "new content moved over the file",
    "delete_restore": "the file taken away and, after somebody asked, brought back",
    "touch": "the time stamp alone",
    "slow_write": "the file truncated, half of the new content, and after a while the rest",
    NEW_MODULE: "a module made that was not there",
    "other_file": "another file of the same package changed",
    "midway": "an operation stopped in the middle, new content moved over, the operation continued",
    "after_read": "new content, and new content again just after an operation has read it, stopped",
    "clock_back": "new content with a time stamp of a month ago",
    "clock_forward": "new content with a time stamp of a month ahead",
}
"""Kind of edit → what it does."""


class Marks:
    """Gives each edit its mark: others for each edit of a file, and the same in every run.

    A file that came back to what it was earlier in the run would make an old answer right again. A
    file that becomes what it became in an earlier run has an answer that the oracle gave then. Each
    file begins with a mark that its path says, so that two new files are seldom the same.
    """

    def __init__(self) -> None:
        self._edits: Counter[str] = Counter()

    def take(self, path: str) -> int | None:
        """Return the mark of the next edit of a file; ``None``: it has had them all."""
        nth = self._edits[path]
        if nth == _EDITS_OF_A_FILE:
            return None
        self._edits[path] += 1
        turn = (rank(0, "mark", path) + nth) % _EDITS_OF_A_FILE
        return LOWEST_MARK + _MARKS_OF_AN_EDIT * turn


def plan_edit(
    operation: Operation, number: int, seed: int, ground: Ground, marks: Marks
) -> EditPlan | None:
    """Return the edit that begins with an operation, or nothing.

    Args:
        operation: the operation.
        number: which edit of the run it is.
        seed: of all choices.
        ground: what can be edited.
        marks: of the run; asked once an edit.
    """
    if operation.edit is None:
        return None
    dice = stream(seed, "edit", operation.index)
    pause_ms = uniform_int(dice, 5, 60)
    path = ground.path_of(operation)
    if operation.edit == "other_file":
        path = ground.other_than(path, operation, dice)
    mark = marks.take(path)
    if mark is None:
        return None
    params = {"pause_ms": pause_ms, "mark": mark}
    return EditPlan(f"edit-{number}", operation.edit, operation.index, operation.key, params, path)


@dataclass(frozen=True, slots=True)
class _Wait:
    """What an edit waits for before its next step."""

    answers: int = 0
    pause_ms: int = 0
    read: Notices | None = None


class Editor:
    """Carries out one edit in steps.

    Args:
        plan: the edit.
        segment: the segment's folder.
        ground: what is edited, and how a line is changed.
        versions: folder that keeps the content of every version, by its SHA-256.
        say: called as ``say(event, path, version, detail)`` for the history; ``initial`` once for a
            path before its first change, ``begin`` and ``end`` around each step.
        send: sends a signal to the process of the operation that the edit began with; false when
            that has ended.
    """

    def __init__(
        self,
        plan: EditPlan,
        segment: Path,
        ground: Ground,
        versions: Path,
        say: Callable[[str, str, str, dict[str, Any]], None],
        send: Callable[[signal.Signals], bool],
    ) -> None:
        self.plan = plan
        self._segment = segment
        self._ground = ground
        self._versions = versions
        self._say = say
        self._send = send
        self._path = segment / plan.path
        self._step = 0
        self._answers = 0
        self._was_read = False
        self._wait = _Wait()
        self._since_ns = 0
        self._steps = self._steps_of()
        self.done = False

    def tick(self, now_ns: int) -> None:
        """Take the next step if what it waits for has come."""
        if self.done:
            return
        if self._since_ns and not self._due(now_ns):
            return
        self._advance(now_ns)

    def joined(self, operation: Operation, send: Callable[[signal.Signals], bool]) -> None:
        """Another operation was started; the one that asks our key now is the one to be met."""
        if operation.key == self.plan.key:
            self._send = send

    def answered(self, operation: Operation, invoked_ns: int) -> None:
        """An operation ended; one that asked our key after the last step may be waited for."""
        if invoked_ns < self._since_ns:
            return
        self._answers += self._ground.concerns(self.plan.key, operation)

    @property
    def hurries(self) -> bool:
        """Whether the next step is due in the very moment that something happens."""
        return not self.done and self._wait.read is not None

    def finish(self, now_ns: int) -> None:
        """Take all steps that are left: the episode ends with the edit complete."""
        while not self.done:
            self._advance(now_ns)

    def _due(self, now_ns: int) -> bool:
        waited_ms = (now_ns - self._since_ns) // _NS_PER_MS
        if self._wait.read is not None:
            self._was_read = bool(self._wait.read.seen())
            return self._was_read or waited_ms >= _LONGEST_WAIT_MS
        if self._wait.answers:
            return self._answers >= self._wait.answers or waited_ms >= _LONGEST_WAIT_MS
        return waited_ms >= self._wait.pause_ms

    def _advance(self, now_ns: int) -> None:
        wait = next(self._steps, None)
        if wait is None:
            self.done = True
            return
        self._wait, self._since_ns, self._answers = wait, now_ns, 0

    # The kinds. Each yields after a step what must come before the next.

    def _steps_of(self) -> Iterator[_Wait]:
        self._remember()
        kinds: Mapping[str, Callable[[], Iterator[_Wait]]] = {
            "rewrite": self._rewrite,
            "same_stat": self._same_stat,
            "delete_restore": self._delete_restore,
            "touch": self._touch,
            "slow_write": self._slow_write,
            "midway": self._midway,
            "after_read": self._after_read,
        }
        yield from kinds.get(self.plan.kind, self._rename_over)()

    def _rewrite(self) -> Iterator[_Wait]:
        self._in_place(self._changed(0), atomic=False)
        yield _Wait()

    def _same_stat(self) -> Iterator[_Wait]:
        self._replace(self._changed(0, same_form=True))
        yield _Wait(answers=1)
        before = self._path.stat()
        old, new = self._read(), self._changed(1)
        if len(old) != len(new):  # nothing of the same size: the target's file says how it changes
            message = f"{self.plan.path}: an edit changed its size; see `edits` of the target"
            raise SoakError(message)
        differing = [at for at, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
        self._poke(differing, new, before)
        yield _Wait()

    def _rename_over(self) -> Iterator[_Wait]:
        jumps = {"clock_back": -_JUMP_S, "clock_forward": _JUMP_S}
        self._replace(self._changed(0), moved_s=jumps.get(self.plan.kind, 0))
        yield _Wait()

    def _delete_restore(self) -> Iterator[_Wait]:
        content = self._read()
        with self._told(ABSENT):
            self._path.unlink()
        yield _Wait(answers=1)
        self._replace(content)
        yield _Wait()

    def _touch(self) -> Iterator[_Wait]:
        with self._told(self._kept(self._read())):
            os.utime(self._path)
        yield _Wait()

    def _slow_write(self) -> Iterator[_Wait]:
        content = self._changed(0)
        half = content[: len(content) // 2]
        with self._told(self._kept(half), atomic=False):
            self._path.write_bytes(half)
            self._move_stamp(self._path)
        yield _Wait(answers=1)
        with self._told(self._kept(content), atomic=False), self._path.open("ab") as file:
            file.write(content[len(half) :])
            file.flush()
            self._move_stamp(self._path)
        yield _Wait()

    def _midway(self) -> Iterator[_Wait]:
        yield _Wait(pause_ms=self.plan.params["pause_ms"])
        send = self._send  # another may join meanwhile; this is the one to be let go on
        stopped = send(signal.SIGSTOP)
        try:
            self._replace(self._changed(0), stopped_an_operation=stopped)
            yield _Wait(answers=1)
        finally:
            if stopped:
                send(signal.SIGCONT)

    def _after_read(self) -> Iterator[_Wait]:
        self._replace(
            self._changed(0, same_form=True)
        )  # so that the next operation cannot do without reading it
        read = Notices(self._path.parent, [self._path.name], READ)
        try:
            yield _Wait(read=read)
        finally:
            read.close()
        send = self._send
        stopped = self._was_read and send(signal.SIGSTOP)
        try:
            self._replace(self._changed(1), stopped_an_operation=stopped)
        finally:
            if stopped:
                send(signal.SIGCONT)
        yield _Wait()

    # The steps.

    def _in_place(self, content: bytes, *, atomic: bool) -> None:
        with self._told(self._kept(content), atomic=atomic):
            self._path.write_bytes(content)
            self._move_stamp(self._path)

    def _replace(self, content: bytes, *, moved_s: int = 0, **detail: Any) -> None:  # noqa: ANN401
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(f".{self._path.name}.soakproof")
        new.write_bytes(content)
        self._move_stamp(new, moved_s)
        with self._told(self._kept(content), **detail):
            new.replace(self._path)

    def _move_stamp(self, path: Path, moved_s: int = 0) -> None:
        """Give what was just written a later time stamp, where the edit or the target wants it."""
        moved_ns = moved_s * _NS_PER_S + self._ground.mtime_step_ms * _NS_PER_MS
        if moved_ns:
            at_ns = path.stat().st_mtime_ns + moved_ns
            os.utime(path, ns=(at_ns, at_ns))

    def _poke(self, differing: list[int], content: bytes, before: os.stat_result) -> None:
        """Change the bytes that differ with one write, and put the time stamp back."""
        at = differing[0] if differing else 0
        changed = content[at : differing[-1] + 1] if differing else b""
        fd = os.open(self._path, os.O_WRONLY)
        try:
            with self._told(self._kept(content), atomic=False):
                os.pwrite(fd, changed, at)
                os.utime(self._path, ns=(before.st_atime_ns, before.st_mtime_ns))
        finally:
            os.close(fd)

    # The bookkeeping.

    def _told(self, version: str, *, atomic: bool = True, **detail: Any) -> _Told:  # noqa: ANN401
        self._step += 1
        path = self._path.relative_to(self._segment).as_posix()
        told = {"step": self._step, "atomic": atomic, **detail}
        return _Told(lambda event: self._say(event, path, version, told))

    def _remember(self) -> None:
        version = self._kept(self._read()) if self._path.exists() else ABSENT
        path = self._path.relative_to(self._segment).as_posix()
        self._say("initial", path, version, {})

    def _kept(self, content: bytes) -> str:
        version = hashlib.sha256(content).hexdigest()
        path = self._versions / version
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.replace(path)
        return version

    def _read(self) -> bytes:
        return self._path.read_bytes()

    def _changed(self, turn: int, *, same_form: bool = False) -> bytes:
        """Return the file with a change of ours: as no file of this run has been before.

        The mark of the edit says which change; where a file was like that already, the next mark
        that is left. Only a language whose changes have no mark can bring back what was there.
        """
        language = self._ground.language
        content = self._read() if self._path.exists() else language.new_text.encode()
        first = self.plan.params["mark"] + turn - LOWEST_MARK
        before = b""
        for step in range(_MARKS):
            mark = LOWEST_MARK + (first + step) % _MARKS
            new = language.changed(content, mark, same_form=same_form)
            if new == before or not self._known(new):
                break
            before = new
        return new

    def _known(self, content: bytes) -> bool:
        return (self._versions / hashlib.sha256(content).hexdigest()).exists()


class _Told:
    """Says ``begin`` before and ``end`` after a step."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def __enter__(self) -> None:
        self._say("begin")

    def __exit__(self, *_: object) -> None:
        self._say("end")
