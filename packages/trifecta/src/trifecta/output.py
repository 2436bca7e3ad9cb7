"""Answers on standard output, talk on standard error; nothing is buffered."""

import os
import time

from trifecta.errors import OutputError
from trifecta.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trifecta.errors import TrifectaError

SHOWN = 200  # characters of what the user gave that are repeated in answers and events


def put_line(line: bytes) -> None:
    """Write one line to standard output, at once.  Raises OutputError."""
    rest = memoryview(line + b"\n")
    try:
        while rest:
            try:
                rest = rest[os.write(1, rest) :]
            except BlockingIOError:  # a pipe that its owner made non-blocking and that is full
                time.sleep(0.001)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise OutputError("output", "the answer cannot be written", found=reason) from None


def put(answer: "dict[str, object]") -> None:
    """Write one object as a line of JSON.  Raises OutputError."""
    put_line(dumps(answer).encode("ascii"))


def say(text: str) -> None:
    """Write one line to standard error; nobody listening is no reason to fail."""
    try:
        os.write(2, f"trifecta: {text}\n".encode("ascii", "backslashreplace"))
    except OSError:
        return


def fail(error: "TrifectaError", known: "dict[str, object]") -> None:
    """Print an error: the object on standard output, one line on standard error."""
    line, path = error.fields.get("line"), known.get("path")
    where = f"{path}:{line}: " if path and line else (f"{path}: " if path else "")
    say(f"error: {where}{error.sentence()}")
    if not isinstance(error, OutputError):
        put({"status": "error", **known, "error": error.as_dict()})
