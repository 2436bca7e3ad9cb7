"""Leave out of the recorded metrics what is a text that nobody can compute again."""

from __future__ import annotations

from typing import Any

__all__ = ["comparable"]


def comparable(said: dict[str, Any], again: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return what can be compared, and whether the counter-example's texts are among it.

    Args:
        said: the recorded metrics.
        again: what was computed again.

    Why a line of telemetry cannot be read is told in a parser's words, which another has not. The
    counter-example's two texts are cut from answers that a bundle may not carry.
    """
    telemetry, answers = said.get("telemetry"), said.get("answers")
    if isinstance(telemetry, dict) and isinstance(telemetry.get("unreadable"), list):
        plain = [_without(one, "reason") for one in telemetry["unreadable"]]
        said = {**said, "telemetry": {**telemetry, "unreadable": plain}}
    first = again["answers"].get("first")
    if first is None or "got" in first or not isinstance(answers, dict):
        return said, True
    shown = _without(answers.get("first"), "got", "expected")
    return {**said, "answers": {**answers, "first": shown}}, False


def _without(value: Any, *keys: str) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: inner for key, inner in value.items() if key not in keys}
