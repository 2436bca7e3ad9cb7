"""Append a run to the session log, which only ever grows.

Pure: text in, text out.
"""

from __future__ import annotations

from typing import Final

from soakproof.errors import EvidenceBroken

__all__ = ["MAX_LINES", "append_entry"]

MAX_LINES: Final = 12
"""Lines of one entry at most, the blank line before it and its heading included."""

_HEADING: Final = "## Soak run "


def append_entry(log: bytes, run_id: str, facts: tuple[str, ...]) -> bytes:
    """Return the log with an entry for the run at its end; unchanged when it has one already.

    Args:
        log: the log as it is; its bytes come back unchanged at the front.
        run_id: the run.
        facts: one a line of the entry; line ends inside one become spaces.

    Raises:
        EvidenceBroken: more facts than an entry may have lines.
    """
    heading = f"{_HEADING}{run_id}"
    if heading.encode() in log.splitlines():
        return log
    entry = ["", heading, "", *(f"- {' '.join(fact.split())}" for fact in facts)]
    if len(entry) > MAX_LINES:
        message = f"session entry of {run_id}: expected at most {MAX_LINES} lines, got {len(entry)}"
        raise EvidenceBroken(message)
    text = "\n".join([*entry, ""]).encode("utf-8", "replace")
    if log and not log.endswith(b"\n"):
        text = b"\n" + text
    grown = log + text
    if not grown.startswith(log):
        message = f"session entry of {run_id}: the log's old bytes changed"
        raise EvidenceBroken(message)
    return grown
