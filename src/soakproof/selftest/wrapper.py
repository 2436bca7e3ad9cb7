"""Stand between a soak and any tool, and plant one defect. Standard library only, one file.

``python -I -S wrapper.py DEFECT STATE -- COMMAND …`` runs the command; some calls get the defect.
Which ones follows from the operation's number and from files in STATE that only one call can make,
never from dice or time, so a defect that is planted is there. Each planted call leaves its number
in ``STATE/planted``. What the run looks like is told by ``STATE/site``, a tab between name and
value. What a call that gets nothing costs is a bare start of Python: it becomes the command.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

__all__ = ["DEFECTS", "main"]

_EVERY: Final = 5
"""One call in so many is planted, where a defect does not say otherwise.

Not the distance between a question and its second asking in any campaign of ours."""

_SLOW_S: Final = 0.15
_STRAY_S: Final = 120
_PAD_BYTES: Final = 4 * 1024 * 1024
_OLDER_TIMES: Final = 2


@dataclass(frozen=True)
class Call:
    """One call of the tool.

    Args:
        state: folder of ours, shared by all calls of a run.
        argv: the real command line.
        site: what the run looks like.
        number: of the operation, 0-based.
    """

    state: str
    argv: list[str]
    site: Mapping[str, str]
    number: int

    @property
    def turn(self) -> bool:
        """Whether it is this call's turn."""
        return self.number % _EVERY == 2  # noqa: PLR2004 - any but 0: the first call is left alone

    @property
    def question(self) -> str:
        """A name of what is asked: the same words, the same question."""
        return f"{zlib.crc32(chr(0).join(self.argv).encode()):08x}"

    def plant(self) -> None:
        """Note that this call gets the defect."""
        append(self.place("planted"), f"{self.number}\n".encode())

    def place(self, *parts: str) -> str:
        """Return a path in the state's folder, made when needed."""
        folder = os.path.join(self.state, *parts[:-1])
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, parts[-1])

    def first(self, *parts: str) -> bool:
        """Whether no call came here before: one file, made by one call."""
        return made(self.place(*parts), b"")


# The real tool.


def become(call: Call) -> NoReturn:
    """Run the command in place of this process."""
    os.execv(call.argv[0], call.argv)  # noqa: S606 - the tool, as it was given


def ask(argv: list[str], env: Mapping[str, str]) -> tuple[int, bytes]:
    """Run a command; return its exit code and what it printed."""
    read_fd, write_fd = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, write_fd, 1), (os.POSIX_SPAWN_CLOSE, read_fd)]
    pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as file:
        out = file.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        die(os.WTERMSIG(status))
    return os.WEXITSTATUS(status), out


def answer(call: Call) -> tuple[int, bytes]:
    """Run the real command as it is."""
    return ask(call.argv, os.environ)


def give(code: int, out: bytes) -> NoReturn:
    """Answer and end."""
    while out:
        out = out[os.write(1, out) :]
    os._exit(code)


def die(number: int) -> NoReturn:
    """End by a signal, as the tool did."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


# Files.


def made(path: str, content: bytes) -> bool:
    """Make a file with its content, whole; false: it is there already."""
    part = f"{path}.{os.getpid()}"
    with open(part, "wb") as file:
        file.write(content)
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(part)
    return True


def content(path: str) -> bytes | None:
    """Return what a file holds, or nothing where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def append(path: str, data: bytes) -> None:
    """Append with one write."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, data)
    os.close(fd)


# Defects of the answer.


def older_answer(call: Call) -> NoReturn:
    """Answer with what was true before, when the answer has changed; a few times a question."""
    code, out = answer(call)
    path = call.place("answers", call.question, "first")
    if code == 0 and out and not made(path, out) and out != (old := content(path) or b""):
        for turn in range(_OLDER_TIMES):
            if call.first("answers", call.question, f"told-{turn}"):
                call.plant()
                give(0, old)
    give(code, out)


def sticky_answer(call: Call) -> NoReturn:
    """Answer for ever what was answered first."""
    code, out = answer(call)
    path = call.place("answers", call.question, "first")
    if code == 0 and out and not made(path, out) and out != (old := content(path) or b""):
        call.plant()
        give(0, old)
    give(code, out)


def other_key(call: Call) -> NoReturn:
    """Answer with what is true of something else."""
    code, out = answer(call)
    mine = call.place("answers", call.question, "first")
    if code == 0 and out:
        made(mine, out)
    folder = os.path.join(call.state, "answers")
    if call.turn and os.path.isdir(folder):
        for question in sorted(os.listdir(folder)):
            other = content(os.path.join(folder, question, "first"))
            if question != call.question and other and other != out:
                call.plant()
                give(0, other)
    give(code, out)


def previous_answer(call: Call) -> NoReturn:
    """Answer what the call before was answered, one call in ten."""
    code, out = answer(call)
    path = call.place("last")
    last = content(path)
    if code == 0 and out:
        part = f"{path}.{os.getpid()}"
        with open(part, "wb") as file:
            file.write(out)
        os.replace(part, path)
    tenth, rest = divmod(call.number, 10)
    due = rest > _EVERY and last is not None and last != out
    if due and call.first("previous", str(tenth)):
        call.plant()
        give(0, last or b"")
    give(code, out)


def truncated(call: Call) -> NoReturn:
    """Answer half."""
    if not call.turn:
        become(call)
    _, out = answer(call)
    call.plant()
    give(0, out[: len(out) // 2])


def nothing(call: Call) -> NoReturn:
    """Say nothing, and that all is well."""
    if not call.turn:
        become(call)
    answer(call)
    call.plant()
    give(0, b"")


def fails(call: Call) -> NoReturn:
    """Refuse, as if there were a reason."""
    if not call.turn:
        become(call)
    call.plant()
    os.write(2, b"planted: no answer today\n")
    os._exit(1)


def crashes(call: Call) -> NoReturn:
    """Raise what nobody catches."""
    if not call.turn:
        become(call)
    call.plant()
    raise RuntimeError("planted")


def dies(call: Call) -> NoReturn:
    """End by a signal of its own."""
    if not call.turn:
        become(call)
    call.plant()
    die(signal.SIGSEGV)


def hangs(call: Call) -> NoReturn:
    """Never come back, once."""
    if not (call.turn and call.number > _EVERY and call.first("hang")):
        become(call)
    call.plant()
    while True:
        signal.pause()


def mutters(call: Call) -> NoReturn:
    """Give the right answer beside a traceback."""
    if not call.turn:
        become(call)
    code, out = answer(call)
    call.plant()
    os.write(2, b"Traceback (most recent call last):\nRuntimeError: planted, and swallowed\n")
    give(code, out)


def slow(call: Call) -> NoReturn:
    """Dawdle, and be right: this is no defect."""
    call.plant()
    select.select([], [], [], _SLOW_S)
    become(call)


# Defects of what is left behind.


def leaks(call: Call) -> NoReturn:
    """Leave a file that plays no part in the cache."""
    if not call.turn:
        become(call)
    code, out = answer(call)
    folder = call.site["cache"]
    if os.path.isdir(folder):
        call.plant()
        append(os.path.join(folder, f"soakproof-{call.number}.leaked"), b"planted\n")
    give(code, out)


def grows(call: Call) -> NoReturn:
    """Let a file of the cache grow with every call."""
    code, out = answer(call)
    folder = call.site["cache"]
    if os.path.isdir(folder) and call.site["pad"]:
        call.plant()
        path = os.path.join(folder, call.site["pad"])
        append(path, b"")
        os.truncate(path, (call.number + 1) * _PAD_BYTES)  # a hole: it costs no disk
    give(code, out)


def stray(call: Call) -> NoReturn:
    """Leave a process behind that outlives the call."""
    if not (call.turn and call.first("stray")):
        become(call)
    call.plant()
    if os.fork() == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        argv = [sys.executable, "-I", "-S", __file__, "--stray", call.state, call.site["segment"]]
        os.execv(sys.executable, argv)  # noqa: S606 - itself
    become(call)


def linger(state: str) -> None:
    """Be the process that was left behind, until told or for two minutes."""
    for _ in range(_STRAY_S * 5):
        if os.path.exists(os.path.join(state, "stop")) or not os.path.isdir(state):
            return
        select.select([], [], [], 0.2)


# Defects of telemetry: the tool writes into a folder of ours, and we pass on what we like.

Event = dict[str, Any]


def retold(call: Call, lie: Callable[[Call, list[Event]], Iterator[Event | bytes]]) -> NoReturn:
    """Run the command and tell its events as ``lie`` says."""
    import json

    room = call.place("rooms", str(call.number), "telemetry")
    os.makedirs(room, exist_ok=True)
    argv, env = moved(call, call.site["telemetry"], room)
    code, out = ask(argv, env)
    for name in sorted(os.listdir(room)):
        lines = (content(os.path.join(room, name)) or b"").splitlines()
        events = [json.loads(line) for line in lines if line.strip()]
        told = list(lie(call, events))
        if told != events:
            call.plant()
        raw = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in told]
        for line in raw:
            append(os.path.join(call.site["telemetry"], name), line + b"\n")
    give(code, out)


def moved(call: Call, path: str, other: str) -> tuple[list[str], dict[str, str]]:
    """Return command line and environment with another path in place of one."""
    argv = [part.replace(path, other) for part in call.argv]
    return argv, {name: value.replace(path, other) for name, value in os.environ.items()}


def numbered(events: list[Event]) -> list[Event]:
    """Number events anew, so that nothing seems to be missing."""
    total = len(events)
    for number, event in enumerate(events, 1):
        event["x"]["seq"] = number
        if "events" in event["x"]:
            event["x"]["events"] = total
    return events


def copied(event: Event, **changed: Any) -> Event:  # noqa: ANN401 - any JSON value
    """Return a copy with other values; ``x_…`` are those of ``x``."""
    inner = {name[2:]: value for name, value in changed.items() if name.startswith("x_")}
    outer = {name: value for name, value in changed.items() if not name.startswith("x_")}
    return event | outer | {"x": event["x"] | inner}


def harmless(call: Call, events: list[Event]) -> int | None:
    """Return an event whose loss contradicts nothing else: not the last, and no write."""
    cmds = [event["cmd"] for event in events[:-1]]
    return next((at for at, cmd in enumerate(cmds) if cmd != call.site["write"]), None)


def loses(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Leave out an event."""
    gone = harmless(call, events) if call.turn else None
    yield from (event for at, event in enumerate(events) if at != gone)


def silent(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Say nothing of a call that wrote nothing."""
    if call.number % 2 == 0 or any(event["cmd"] == call.site["write"] for event in events):
        yield from events


def tears(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Write half of a line."""
    import json

    torn = harmless(call, events) if call.turn else None
    for at, event in enumerate(events):
        line = json.dumps(event).encode()
        yield line[: len(line) // 2] if at == torn else event


def doubles(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell the last event twice."""
    yield from events
    yield from events[-1:] if call.turn else ()


def invents(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell an event of an operation that nobody asked for."""
    yield from events
    yield from (copied(event, x_op="op-999999") for event in events[-1:] if call.turn)


def foreign_run(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Name another run."""
    other = harmless(call, events) if call.turn else None
    for at, event in enumerate(events):
        yield copied(event, run_id="another-run") if at == other else event


def false_hits(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell a miss as a hit, and not that it was written."""
    cmds = [event["cmd"] for event in events]
    if call.number % 3 != 1 or not {call.site["miss"], call.site["write"]} <= set(cmds):
        yield from events
        return
    left = [event for event in events if event["cmd"] != call.site["write"]]
    for event in left:
        if event["cmd"] == call.site["miss"]:
            event["cmd"] = call.site["hit"]
    yield from numbered(left)


def hides_writes(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell of no write at all."""
    yield from without(events, [call.site["write"]])


def hides_waits(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell of no wait for a lock at all."""
    yield from without(events, call.site["lock_wait"].split())


def without(events: list[Event], cmds: list[str]) -> list[Event]:
    """Leave out kinds of events, so that nobody sees a gap."""
    left = [event for event in events if event["cmd"] not in cmds]
    return events if len(left) == len(events) else numbered(left)


def gives_up_locks(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell that the lock was not to be had in time."""
    if not call.turn or not events:
        yield from events
        return
    cmd = call.site["lock_timeout"].split()[0]
    yield from numbered([copied(events[0], cmd=cmd, result={}), *events])


# A cache that is never warm.


def never_hits(call: Call) -> NoReturn:
    """Ask about a private copy of the code, whose cache is always empty."""
    segment = call.site["segment"]
    room = call.place("rooms", str(call.number), os.path.basename(segment))
    hidden = os.path.relpath(call.site["cache"], segment).split(os.sep)[0]
    linked(segment, room, hidden)
    argv, env = moved(call, segment, room)
    call.plant()
    code, out = ask(argv, env)
    give(code, out.replace(room.encode(), segment.encode()))


def linked(source: str, goal: str, hidden: str) -> None:
    """Make a copy of a folder out of hard links, without one of its folders."""
    for folder, folders, files in os.walk(source):
        if folder == source and hidden in folders:
            folders.remove(hidden)
        place = goal + folder[len(source) :]
        os.makedirs(place, exist_ok=True)
        for name in files:
            try:
                os.link(os.path.join(folder, name), os.path.join(place, name))
            except FileNotFoundError:  # edited meanwhile: as if we had come a moment later
                continue


_OF_CALLS: Final = (
    older_answer,
    sticky_answer,
    other_key,
    previous_answer,
    truncated,
    nothing,
    fails,
    crashes,
    dies,
    hangs,
    mutters,
    leaks,
    grows,
    stray,
    never_hits,
    slow,
)
_OF_EVENTS: Final = (
    loses,
    silent,
    tears,
    doubles,
    invents,
    foreign_run,
    false_hits,
    hides_writes,
    hides_waits,
    gives_up_locks,
)

DEFECTS: Final = frozenset(defect.__name__ for defect in (*_OF_CALLS, *_OF_EVENTS))
"""Every defect by its name."""


def main(arguments: list[str]) -> None:
    """Plant a defect into one call of a tool."""
    if arguments[0] == "--stray":
        linger(arguments[1])
        return
    name, state, _, *argv = arguments
    site = dict(line.split("\t", 1) for line in lines_of(os.path.join(state, "site")))
    if site["op_variable"] and site["op_variable"] not in os.environ:
        os.execv(argv[0], argv)  # noqa: S606 - it is asked about itself: no operation
    call = Call(state, argv, site, number_of(site, state))
    for of_call in _OF_CALLS:
        if of_call.__name__ == name:
            of_call(call)
    for of_events in _OF_EVENTS:
        if of_events.__name__ == name:
            retold(call, of_events)
    raise SystemExit(f"wrapper.py: expected one of {', '.join(sorted(DEFECTS))}, found {name!r}")


def lines_of(path: str) -> list[str]:
    """Return a file's lines."""
    return (content(path) or b"").decode().splitlines()


def number_of(site: Mapping[str, str], state: str) -> int:
    """Return the operation's number, from the variable that names it, else by counting calls."""
    value = os.environ.get(site["op_variable"], "")
    digits = "".join(char if char.isdigit() else " " for char in value).split()
    if digits:
        return int(digits[-1])
    os.makedirs(os.path.join(state, "calls"), exist_ok=True)
    return next(n for n in itertools.count() if made(os.path.join(state, "calls", str(n)), b""))


if __name__ == "__main__":
    main(sys.argv[1:])
