"""Tell a history to a person: one short line for each of its lines, and a choice of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from soakproof.model import HistoryLine

__all__ = ["Choice", "choose", "tell"]

_NS_PER_S: Final = 1e9

_SHOWN_OPS: Final = 4
"""Of a line that holds many operations."""

_AROUND_S: Final = 1.0
"""``--around``: lines so many seconds before and after."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are wanted; each that is set narrows it.

    Args:
        key: lines of operations and edits on this key.
        op: lines of this operation.
        around_s: lines within a second of this time, in seconds since the run began.
        fault: lines from a second before this fault fired until a second after it was healed.
    """

    key: str | None = None
    op: str | None = None
    around_s: float | None = None
    fault: str | None = None


def choose(lines: Iterable[HistoryLine], choice: Choice) -> list[HistoryLine]:
    """Return the wanted lines of a history, in its order."""
    known = list(_narrowed(lines, choice))
    if not known:
        return []
    keys = {line.op: line.key for line in known if line.type == "invoke"}
    begin_ns = known[0].mono_ns
    stretch = _stretch(known, choice, begin_ns)
    return [
        line
        for line in known
        if (line.ops or choice.key is None or choice.key in {line.key, keys.get(line.op)})
        and (line.ops or choice.op is None or line.op == choice.op)
        and (stretch is None or stretch[0] <= line.mono_ns <= stretch[1])
    ]


def tell(lines: Iterable[HistoryLine], begin_ns: int) -> Iterator[str]:
    """Yield a line of text for each line of a history; times are seconds since ``begin_ns``."""
    for line in lines:
        at_s = (line.mono_ns - begin_ns) / _NS_PER_S
        yield f"{at_s:10.4f} s  {line.seq:>6}  {line.type:<6} {_words(line)}".rstrip()


def _narrowed(lines: Iterable[HistoryLine], choice: Choice) -> Iterator[HistoryLine]:
    """Yield lines; of those that hold many operations only the wanted ones are left in them."""
    wanted: set[int] = set()
    for line in lines:
        if line.ops is None or (choice.key is None and choice.op is None):
            yield line
            continue
        if line.type == "invoke":
            wanted |= {op[0] for op in line.ops if _wants(choice, op)}
        ops = [op for op in line.ops if op[0] in wanted]
        yield dataclasses.replace(line, ops=ops)


def _wants(choice: Choice, op: list[Any]) -> bool:
    number = None if choice.op is None else choice.op.removeprefix("op-").lstrip("0") or "0"
    return (choice.key is None or choice.key == op[2]) and (number is None or number == str(op[0]))


def _many(line: HistoryLine) -> str:
    """Return a line with many operations, the first few of them."""
    ops = line.ops or []
    shown = ", ".join(" ".join(map(str, op)) for op in ops[:_SHOWN_OPS])
    more = f" … {len(ops)} operations" if len(ops) > _SHOWN_OPS else ""
    told = [f"w{line.worker}", *(text for text in (line.phase, line.reason, line.error) if text)]
    return f"{' '.join(told)}: {shown}{more}"


def _stretch(known: list[HistoryLine], choice: Choice, begin_ns: int) -> tuple[float, float] | None:
    around_ns = _AROUND_S * _NS_PER_S
    if choice.around_s is not None:
        at_ns = begin_ns + choice.around_s * _NS_PER_S
        return at_ns - around_ns, at_ns + around_ns
    if choice.fault is not None:
        times = [line.mono_ns for line in known if line.fault == choice.fault]
        if not times:
            return 1, 0  # nothing is in it
        return min(times) - around_ns, max(times) + around_ns
    return None


def _words(line: HistoryLine) -> str:
    if line.ops is not None:
        return _many(line)
    match line.type:
        case "invoke":
            again = f" again {line.again}" if line.again else ""
            return f"{line.op} w{line.worker} {line.phase}{again} {line.kind} {line.key}"
        case "ok" | "fail" | "info":
            told = [f"{line.op} w{line.worker} {line.kind}", f"{line.wall_ms or 0:.1f} ms"]
            told.append(
                f"exit {line.exit_code}" if line.signal is None else f"signal {line.signal}"
            )
            told.append(f"{line.answer_bytes or 0} bytes {(line.answer_sha256 or '')[:12]}".strip())
            told += [text for text in (line.reason, line.error) if text]
            return ", ".join(told)
        case "fault":
            return f"{line.fault} {line.event} {_detail(line)}"
        case "edit":
            version = (line.version or "")[:12]
            return f"{line.edit} {line.kind} {line.event} {line.path} {version} {_detail(line)}"
        case "phase":
            episode = f" episode {line.episode}" if line.episode is not None else ""
            return (
                f"{line.phase}{episode}{f' again {line.again}' if line.again else ''} {line.event}"
            )
        case "probe":
            return f"{line.kind} {_detail(line)}"
    return " ".join(text for text in (line.event, line.run_id, line.reason) if text)


def _detail(line: HistoryLine) -> str:
    return " ".join(f"{name}={value}" for name, value in (line.detail or {}).items())
