"""An answer, printed or in a file: take it from the tool, keep it, and give this one or another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from soakproof.selftest.wrapper.call import Call
from soakproof.selftest.wrapper.files import content, put
from soakproof.selftest.wrapper.tool import ask, write_all

__all__ = ["Answer", "differ", "give", "kept", "known", "take", "usable"]

_STREAMS: Final = {"stdout": 1, "stderr": 2, "file": None}


@dataclass(frozen=True)
class Answer:
    """What the tool gave.

    Args:
        code: its exit code.
        body: what it printed, or the file's content; ``None``: there is no such file.
    """

    code: int
    body: bytes | None


def take(
    call: Call,
    argv: list[str] | None = None,
    env: Mapping[str, str] | None = None,
    path: str | None = None,
) -> Answer:
    """Run the real command to its end, as it is or with another command line.

    Args:
        call: what is asked.
        argv: in place of its command line.
        env: in place of its environment.
        path: in place of its answer's file.
    """
    stream = _STREAMS[call.kind.form]
    code, out = ask(argv or call.argv, env or call.env, stream)
    return Answer(code, out if stream is not None else content(path or call.answer_file))


def give(call: Call, answer: Answer) -> NoReturn:
    """Answer and end."""
    stream = _STREAMS[call.kind.form]
    if stream is not None:
        write_all(stream, answer.body or b"")
    elif answer.body is None:
        with suppress(FileNotFoundError):
            os.unlink(call.answer_file)
    elif answer.body != content(call.answer_file):
        put(call.answer_file, answer.body)
    os._exit(answer.code)


def usable(call: Call, answer: Answer) -> bool:
    """Whether it is an answer at all, as the target's file says."""
    if answer.code not in call.kind.codes or answer.body is None:
        return False
    if not call.kind.pattern:
        return bool(answer.body)
    import re

    return re.search(call.kind.pattern, _text(answer.body), re.MULTILINE) is not None


def kept(call: Call, answer: Answer) -> bytes:
    """Return the bytes by which an answer is kept for another operation."""
    body = answer.body or b""
    if call.kind.names_op:
        body = body.replace(call.words["{op}"].encode(), b"{op}")
    return f"{answer.code}\n".encode() + body


def known(call: Call, path: str) -> Answer | None:
    """Return an answer that was kept, as this operation would give it; ``None``: there is none."""
    raw = content(path)
    if raw is None:
        return None
    code, _, body = raw.partition(b"\n")
    if call.kind.names_op:
        body = body.replace(b"{op}", call.words["{op}"].encode())
    return Answer(int(code), body)


def differ(call: Call, one: Answer, other: Answer) -> bool:
    """Whether two answers differ in more than what the target's rules take out."""
    if one == other:
        return False
    return one.code != other.code or _normal(call, one) != _normal(call, other)


def _normal(call: Call, answer: Answer) -> bytes | list[str]:
    body, rules = answer.body or b"", call.site["rules"]
    if not rules and not call.site["sort_lines"]:
        return body
    import re

    text = _text(body)
    for pattern, replace in rules:
        text = re.sub(pattern, replace, text, flags=re.MULTILINE)
    return sorted(text.splitlines()) if call.site["sort_lines"] else [text]


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")
