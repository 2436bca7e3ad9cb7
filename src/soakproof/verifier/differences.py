"""Where two JSON values differ, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["differences"]

_SHOWN_CHARS: Final = 60


def differences(expected: Any, found: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted field, what was expected and found); a number's kind counts, too."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({*expected, *found}):
            here = f"{at}.{key}" if at else key
            if key not in found:
                yield here, f"expected {_short(expected[key])}, found nothing"
            elif key not in expected:
                yield here, f"expected nothing, found {_short(found[key])}"
            else:
                yield from differences(expected[key], found[key], here)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield at, f"expected {len(expected)} items, found {len(found)}"
        for number, (mine, theirs) in enumerate(zip(expected, found, strict=False)):
            yield from differences(mine, theirs, f"{at}[{number}]")
    elif type(expected) is not type(found) or expected != found:
        yield at, f"expected {_short(expected)}, found {_short(found)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
