"""Does a worker keep to the protocol? For authors of workers, before they soak anything.

Every check starts the worker anew, over a cache folder of its own; nothing of it is left.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soakproof.targets.conversation import Conversation, NoAnswer
from soakproof.targets.worker import BadHello, Hello, Reply, request

__all__ = ["CHECKS", "Checked", "Conformance", "conform"]

_MANY: Final = 2_000
_BIG_CHARS: Final = 1 << 20
_HOWEVER: Final = (
    "",
    "plain",
    'quotes " and \\ backslashes',
    "line\nfeed and carriage\r\nreturn",
    "nul \x00 and escape \x1b",
    "umlaut ä, snowman ☃, rocket 🚀, line separator \u2028",
    " leading and trailing ",
)


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of the suite, done.

    Args:
        name: which.
        asks: what the protocol asks for.
        problem: what was found instead; empty: it holds.
    """

    name: str
    asks: str
    problem: str


@dataclass(frozen=True, slots=True)
class Conformance:
    """All checks of one worker."""

    command: tuple[str, ...]
    checks: tuple[Checked, ...]

    @property
    def exit_code(self) -> int:
        """0: all hold; 10: one does not."""
        return 10 if any(one.problem for one in self.checks) else 0

    def lines(self) -> list[str]:
        """Return the report for a person."""
        width = max(len(one.name) for one in self.checks)
        rows = []
        for one in self.checks:
            rows.append(f"{'FAIL' if one.problem else 'ok':4}  {one.name:<{width}}  {one.asks}")
            if one.problem:
                rows.append(f"      {'':<{width}}  found: {one.problem}")
        failed = sum(bool(one.problem) for one in self.checks)
        rows.append(f"{len(self.checks)} checks, {failed} failed")
        return rows

    def document(self) -> dict[str, Any]:
        """Return the report for a machine."""
        return {
            "command": list(self.command),
            "exit_code": self.exit_code,
            "checks": [
                {"name": one.name, "asks": one.asks, "problem": one.problem} for one in self.checks
            ],
        }


class _Stand:
    """Starts workers over one folder.

    Args:
        argv: how one is started.
        env: its environment, but for the folder.
        room: a folder of this check.
        deadline_s: a hang guard.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], room: Path, deadline_s: float
    ) -> None:
        self._argv = argv
        self._env = {**env, "SOAKPROOF_CACHE": str(room / "cache")}
        self._room = room
        self._deadline_s = deadline_s
        self._count = 0

    def start(self) -> Conversation:
        """Start one."""
        self._count += 1
        return Conversation(
            self._argv,
            self._env,
            self._room,
            name=f"worker-{self._count}",
            deadline_s=self._deadline_s,
        )


def conform(
    argv: Sequence[str], environ: Mapping[str, str] | None = None, *, deadline_s: float = 60.0
) -> Conformance:
    """Check a worker.

    Args:
        argv: its command, the executable first.
        environ: its environment; the folder is added as ``SOAKPROOF_CACHE``.
        deadline_s: a hang guard for every single wait.
    """
    env = os.environ if environ is None else environ
    checked = []
    for check in CHECKS:
        with tempfile.TemporaryDirectory(prefix="soakproof-conform-") as room:
            problem = _problem(check, _Stand(argv, env, Path(room), deadline_s))
        name = check.__name__.removeprefix("_")
        checked.append(Checked(name, (check.__doc__ or "").partition("\n")[0], problem))
    return Conformance(tuple(argv), tuple(checked))


def _problem(check: Callable[[_Stand], None], stand: _Stand) -> str:
    try:
        check(stand)
    except (NoAnswer, BadHello, OSError) as problem:
        return str(problem) or type(problem).__name__
    return ""


def _expect(expected: object, found: object, what: str) -> None:
    if type(expected) is not type(found) or expected != found:
        raise NoAnswer(f"{what}: expected {_short(expected)}, found {_short(found)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"  # noqa: PLR2004 - a line


def _answer(reply: Reply, number: int) -> Any:  # noqa: ANN401 - any JSON value
    _expect(number, reply.id, "id of the answer")
    if not reply.ok:
        raise NoAnswer(f"op {number}: expected an answer, found the error {reply.error!r}")
    return reply.answer


def _refused(reply: Reply, number: int | None) -> None:
    _expect(number, reply.id, "id of the answer")
    if reply.ok:
        raise NoAnswer("expected ok false with an error, found ok true")
    if not reply.error:
        raise NoAnswer("expected an error in words, found none")


def _greet(worker: Conversation) -> Hello:
    hello = worker.hello()
    missing = {"get", "set"} - set(hello.operations)
    if missing:
        raise NoAnswer(f"expected at least get and set, found {hello.operations}")
    return hello


def _hello(stand: _Stand) -> None:
    """Its first line names protocol, library, version and operations."""
    with stand.start() as worker:
        hello = _greet(worker)
        if not hello.library or not hello.version:
            raise NoAnswer("expected the library's name and version, found an empty text")


def _ids_in_order(stand: _Stand) -> None:
    """Lines that come together are all answered, one after another, each with its own id."""
    with stand.start() as worker:
        _greet(worker)
        numbers = [3 * number + 7 for number in range(_MANY)]
        worker.send(b"".join(request(number, "get", "nothing") for number in numbers))
        for number in numbers:
            _expect(None, _answer(worker.reply(), number), "get of a key that was never set")


def _set_then_get(stand: _Stand) -> None:
    """What was set is got; numbers stay numbers; a second set wins; keys do not mix."""
    with stand.start() as worker:
        _greet(worker)
        asks: tuple[tuple[str, object], ...] = (
            ("a", "one"),
            ("b", "two"),
            ("a", "three"),
            ("c", 4),
        )
        for number, (key, value) in enumerate(asks):
            if _answer(worker.ask(number, "set", key, value), number) not in {True, None}:
                raise NoAnswer("set: expected true (or null)")
        for number, (key, value) in enumerate((("a", "three"), ("b", "two"), ("c", 4)), 10):
            _expect(value, _answer(worker.ask(number, "get", key), number), f"get {key}")


def _other_operations(stand: _Stand) -> None:
    """Of delete, add, incr and expire those that it names do what they are called."""
    with stand.start() as worker:
        offered = set(_greet(worker).operations)
        steps: tuple[tuple[str, str, object, tuple[object, ...]], ...] = (
            ("set", "x", "v", (True, None)),
            ("delete", "x", None, (True, None)),
            ("get", "x", None, (None,)),
            ("delete", "x", None, (False, None)),
            ("add", "y", "first", (True,)),
            ("add", "y", "second", (False,)),
            ("incr", "n", 2, (2,)),
            ("incr", "n", 3, (5,)),
            ("set", "z", "v", (True, None)),
            ("expire", "z", None, (True, None)),
        )
        for number, (op, key, value, allowed) in enumerate(steps):
            if op not in offered:
                continue
            if op == "get" and "delete" not in offered:
                continue
            found = _answer(worker.ask(number, op, key, value), number)
            if not any(type(found) is type(one) and found == one for one in allowed):
                raise NoAnswer(f"{op} {key}: expected {_short(allowed[0])}, found {_short(found)}")
        if "expire" in offered:
            _expect(None, _answer(worker.ask(99, "get", "z"), 99), "get of what has expired")


def _unknown_operation(stand: _Stand) -> None:
    """An operation that it does not know is answered with an error, and it goes on."""
    with stand.start() as worker:
        _greet(worker)
        _refused(worker.ask(5, "no_such_operation", "a"), 5)
        _expect(None, _answer(worker.ask(6, "get", "a"), 6), "get after it")


def _bad_json(stand: _Stand) -> None:
    """A line that is no request is answered with id null and an error, and it goes on."""
    with stand.start() as worker:
        _greet(worker)
        for line in (b"this is no JSON\n", b'{"op": "get"\n', b"[1, 2, 3]\n", b"\xff\xfe\n"):
            worker.send(line)
            _refused(worker.reply(), None)
        _expect(None, _answer(worker.ask(1, "get", "a"), 1), "get after it")


def _awkward_values(stand: _Stand) -> None:
    """Values come back as they were: empty, quotes, line feeds, NUL, beyond the first plane."""
    with stand.start() as worker:
        _greet(worker)
        for number, value in enumerate(_HOWEVER):
            _answer(worker.ask(number, "set", f"v{number}", value), number)
        for number, value in enumerate(_HOWEVER):
            found = _answer(worker.ask(100 + number, "get", f"v{number}"), 100 + number)
            _expect(value, found, f"value {number}")


def _awkward_keys(stand: _Stand) -> None:
    """Keys that differ only in case, space or accents are different keys."""
    keys = ("key", "KEY", "key ", " key", "kéy", "ke\u0301y", "k/e/y", "..", "k\ney")
    with stand.start() as worker:
        _greet(worker)
        for number, key in enumerate(keys):
            _answer(worker.ask(number, "set", key, f"value {number}"), number)
        for number, key in enumerate(keys):
            found = _answer(worker.ask(100 + number, "get", key), 100 + number)
            _expect(f"value {number}", found, f"get {key!r}")


def _big_value(stand: _Stand) -> None:
    """A value of a mebibyte comes back whole."""
    value = "".join(f"{number:07d}\n" for number in range(_BIG_CHARS // 8))
    with stand.start() as worker:
        _greet(worker)
        _answer(worker.ask(1, "set", "big", value), 1)
        _expect(value, _answer(worker.ask(2, "get", "big"), 2), "get big")


def _kept_over_restart(stand: _Stand) -> None:
    """What was set is there for the next worker, after the first ended in order."""
    with stand.start() as worker:
        _greet(worker)
        _answer(worker.ask(1, "set", "kept", "value"), 1)
        worker.leave()
    with stand.start() as worker:
        _greet(worker)
        _expect("value", _answer(worker.ask(2, "get", "kept"), 2), "get by the next worker")


def _kill_and_restart(stand: _Stand) -> None:
    """After SIGKILL the next worker starts, and an acknowledged value is whole, or a miss."""
    with stand.start() as worker:
        _greet(worker)
        for number in range(50):
            _answer(worker.ask(number, "set", f"k{number}", f"value {number}"), number)
        worker.kill()
    with stand.start() as worker:
        _greet(worker)
        for number in range(50):
            found = _answer(worker.ask(number, "get", f"k{number}"), number)
            if found is not None:  # a cache may drop it; a soak says whether a store did
                _expect(f"value {number}", found, f"get k{number}")


def _several_at_once(stand: _Stand) -> None:
    """Two workers over one folder see what the other has set."""
    with stand.start() as one, stand.start() as other:
        _greet(one)
        _greet(other)
        for number in range(50):
            writer, reader = (one, other) if number % 2 else (other, one)
            _answer(writer.ask(number, "set", "shared", f"value {number}"), number)
            found = _answer(reader.ask(number, "get", "shared"), number)
            _expect(f"value {number}", found, "get by the other worker")


def _ends_with_its_input(stand: _Stand) -> None:
    """At the end of its input it answers what it has read, prints nothing else, and exits 0."""
    with stand.start() as worker:
        _greet(worker)
        worker.send(b"".join(request(number, "set", "last", "v") for number in range(20)))
        ended, lines = worker.leave()
        _expect(0, ended.exit_code, "exit code")
        _expect(20, len(lines), "answers after the end of its input")


CHECKS: Final[tuple[Callable[[_Stand], None], ...]] = (
    _hello,
    _ids_in_order,
    _set_then_get,
    _other_operations,
    _unknown_operation,
    _bad_json,
    _awkward_values,
    _awkward_keys,
    _big_value,
    _kept_over_restart,
    _kill_and_restart,
    _several_at_once,
    _ends_with_its_input,
)
"""All checks, in the order of the report."""
