"""Lines of telemetry for tests: good ones, and every way in which a line can be bad."""

from __future__ import annotations

import json
from typing import Any

from soakproof.dice import stream

__all__ = ["BAD_LINES", "events", "line"]


def line(cmd: str = "ast.cache.hit", **changed: Any) -> bytes:
    """Return an event as a line, without its end."""
    event = {
        "ts": "2026-11-21T05:39:22.847250Z",
        "run_id": "r",
        "segment_id": "segment",
        "cmd": cmd,
        "args": {"path": "uuid.py"},
        "result": {"status": "hit"},
        "timing_ms": 0.5,
        "warnings": [],
        "x": {"op": "op-000001", "seq": 1, "pid": 7},
    }
    return json.dumps(event | changed, ensure_ascii=False, separators=(",", ":")).encode()


def events(number: int, seed: int = 1) -> list[bytes]:
    """Return good lines, the same for the same seed."""
    dice = stream(seed, "events")
    made = []
    for _ in range(number):
        cmd = dice.choice(["ast.cache.hit", "ast.cache.miss", "ast.cache.lock_wait", "ctx.search"])
        result: dict[str, Any] = {"status": dice.choice(["ok", "bad", 3, None, ["list"], {"a": 1}])}
        if cmd.endswith("lock_wait"):
            result = {"waited_ms": round(dice.lognormvariate(2, 1), 3), "for": "file_lock"}
        made.append(
            line(
                cmd,
                result=result,
                timing_ms=dice.choice([0, 0.0, 7, round(dice.lognormvariate(2, 2), 3)]),
                args={"path": dice.choice(["uuid.py", "é.py", "名.py"])},
                warnings=dice.choice([[], ["slow"]]),
            )
        )
    return made


BAD_LINES = {
    "torn": line()[:-9],
    "torn and glued to the next": line()[:40] + line(),
    "two on a line": line() + line(),
    "no JSON": b"Traceback (most recent call last):",
    "no object": b"[1, 2]",
    "invalid UTF-8": line().replace(b"hit", b"h\xfft"),
    "invalid UTF-8 where nobody looks": line().replace(b"uuid", b"\xc3\x28uu"),
    "cmd is a number": line().replace(b'"ast.cache.hit"', b"7"),
    "timing is text": line(timing_ms="0.5"),
    "args is a list": line(args=[]),
    "result is text": line(result="hit"),
    "a warning is a number": line(warnings=[1]),
    "an unknown field": line(more=1),
    "a field is missing": line().replace(b'"ts":"2026-11-21T05:39:22.847250Z",', b""),
    "a control character": line().replace(b"uuid", b"uu\x00d"),
    "blanks": b"   ",
    "not a number": line().replace(b"0.5", b"NaN"),
    "nested too deep": line().replace(b'"uuid.py"', b"[" * 100_000 + b"]" * 100_000),
    "a byte order mark": b"\xef\xbb\xbf" + line(),
    "a time that no float holds": line().replace(b"0.5", b"1e400"),
}
"""Name → line."""
