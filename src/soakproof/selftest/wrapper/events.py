"""Defects of telemetry: the tool writes into a folder of ours, and we pass on what we like."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from soakproof.selftest.wrapper.answer import give, take
from soakproof.selftest.wrapper.call import Call
from soakproof.selftest.wrapper.files import append, content
from soakproof.selftest.wrapper.moving import moved

__all__ = [
    "Event",
    "doubles",
    "false_hits",
    "foreign_run",
    "gives_up_locks",
    "hides_waits",
    "hides_writes",
    "invents",
    "loses",
    "retold",
    "silent",
    "tears",
]

Event = dict[str, Any]


def retold(call: Call, lie: Callable[[Call, list[Event]], Iterator[Event | bytes]]) -> NoReturn:
    """Run the command and tell its events as ``lie`` says."""
    room = call.place("rooms", str(call.number), "telemetry")
    os.makedirs(room, exist_ok=True)
    argv, env = moved(call, call.site["telemetry"], room)
    answer = take(call, argv, env)
    for name in sorted(os.listdir(room)):
        lines = (content(os.path.join(room, name)) or b"").splitlines()
        events = [json.loads(line) for line in lines if line.strip()]
        told = list(lie(call, events))
        if told != events:
            call.plant()
        raw = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in told]
        for line in raw:
            append(os.path.join(call.site["telemetry"], name), line + b"\n")
    give(call, answer)


def _numbered(events: list[Event]) -> list[Event]:
    """Number events anew, so that nothing seems to be missing."""
    total = len(events)
    for number, event in enumerate(events, 1):
        event["x"]["seq"] = number
        if "events" in event["x"]:
            event["x"]["events"] = total
    return events


def _copied(event: Event, **changed: Any) -> Event:  # noqa: ANN401 - any JSON value
    """Return a copy with other values; ``x_…`` are those of ``x``."""
    inner = {name[2:]: value for name, value in changed.items() if name.startswith("x_")}
    outer = {name: value for name, value in changed.items() if not name.startswith("x_")}
    return event | outer | {"x": event["x"] | inner}


def _harmless(call: Call, events: list[Event]) -> int | None:
    """Return an event whose loss contradicts nothing else: not the last, and no write."""
    cmds = [event["cmd"] for event in events[:-1]]
    return next((at for at, cmd in enumerate(cmds) if cmd != call.site["events"]["write"]), None)


def loses(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Leave out an event."""
    gone = _harmless(call, events) if call.turn else None
    yield from (event for at, event in enumerate(events) if at != gone)


def silent(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Say nothing of a call that wrote nothing."""
    write = call.site["events"]["write"]
    if call.number % 2 == 0 or any(event["cmd"] == write for event in events):
        yield from events


def tears(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Write half of a line."""
    torn = _harmless(call, events) if call.turn else None
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
    yield from (_copied(event, x_op="op-999999") for event in events[-1:] if call.turn)


def foreign_run(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Name another run."""
    other = _harmless(call, events) if call.turn else None
    for at, event in enumerate(events):
        yield _copied(event, run_id="another-run") if at == other else event


def false_hits(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell a miss as a hit, and not that it was written."""
    cmds, names = [event["cmd"] for event in events], call.site["events"]
    if call.number % 3 != 1 or not {names["miss"], names["write"]} <= set(cmds):
        yield from events
        return
    left = [event for event in events if event["cmd"] != names["write"]]
    for event in left:
        if event["cmd"] == names["miss"]:
            event["cmd"] = names["hit"]
    yield from _numbered(left)


def hides_writes(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell of no write at all."""
    yield from _without(events, [call.site["events"]["write"]])


def hides_waits(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell of no wait for a lock at all."""
    yield from _without(events, call.site["events"]["lock_wait"])


def _without(events: list[Event], cmds: list[str]) -> list[Event]:
    """Leave out kinds of events, so that nobody sees a gap."""
    left = [event for event in events if event["cmd"] not in cmds]
    return events if len(left) == len(events) else _numbered(left)


def gives_up_locks(call: Call, events: list[Event]) -> Iterator[Event | bytes]:
    """Tell that the lock was not to be had in time."""
    if not call.turn or not events:
        yield from events
        return
    cmd = call.site["events"]["lock_timeout"][0]
    yield from _numbered([_copied(events[0], cmd=cmd, result={}), *events])
