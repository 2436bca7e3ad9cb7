"""What the wrapper is told of a run: where things lie, how answers and events look. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from soakproof.selftest.needs import LEAK, pad

__all__ = ["site_of"]

_REFUSALS: Final = (*range(99, 0, -1), *range(255, 99, -1))
"""Exit codes, first those that no tool refuses with: its own would be right for a file that was
there no more, and so be taken for an answer of that time."""


def site_of(
    target: Mapping[str, Any], *, run_id: str, segment: Path, telemetry: Path, scratch: Path
) -> dict[str, Any]:
    """Return the document ``site.json``.

    Args:
        target: a validated target document.
        run_id: the run's name.
        segment: what is asked about.
        telemetry: takes the target's own events.
        scratch: takes what operations write beside their answers.
    """
    places = {
        "{segment}": str(segment),
        "{telemetry}": str(telemetry),
        "{scratch}": str(scratch),
        "{run_id}": run_id,
    }
    cache = _filled(target["cache"]["directory"], places).rstrip("/")
    places = {"{cache}": cache, **places}
    rules = target.get("normalise", {}).get("rules", ())
    return {
        "segment": str(segment),
        "telemetry": str(telemetry),
        "cache": cache,
        "cache_base": str(segment if Path(cache).is_relative_to(segment) else scratch),
        "leak": LEAK,
        "pad": pad(target["cache"]),
        "events": target.get("telemetry"),
        "kinds": {
            name: _kind(operation, places) for name, operation in target["operations"].items()
        },
        "rules": [[rule["pattern"], rule["replace"]] for rule in rules],
        "sort_lines": target.get("normalise", {}).get("sort_lines", False),
    }


def _kind(operation: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    is_file = operation.get("answer") == "file"
    codes = operation.get("answer_exit_codes", [0])
    words = (*operation["argv"], operation.get("answer_file", ""))
    return {
        "form": "file" if is_file else operation.get("answer_stream", "stdout"),
        "file": _filled(operation["answer_file"], places) if is_file else "",
        "codes": codes,
        "refusal": next(code for code in _REFUSALS if code not in codes),
        "pattern": operation.get("answer_pattern", ""),
        "names_op": any("{op}" in word for word in words),
    }


def _filled(template: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        template = template.replace(name, place)
    return template
