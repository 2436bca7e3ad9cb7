"""Settings: one value each, with where it came from (flag > environment > campaign > default)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from soakproof.errors import UsageError
from soakproof.model import Setting, Source

__all__ = [
    "DEFAULT_PART_BYTES",
    "ENVIRONMENT",
    "FAULTS_CAMPAIGN",
    "Bound",
    "parse_duration_s",
    "resolve",
    "resolve_bound",
]

ENVIRONMENT: Final[Mapping[str, str]] = {
    "ops": "OPS",
    "workers": "WORKERS",
    "seed": "SEED",
    "duration": "DURATION",
    "run_id": "RUN_ID",
    "part_bytes": "PART_BYTES",
}
"""Setting → environment variable (the names of the source documents)."""

FAULTS_CAMPAIGN: Final = "eval/campaigns/ast_cache_faults.toml"
"""The campaign with an oracle and with all faults: the default where less would prove little."""

DEFAULT_PART_BYTES: Final = 64 * 1024 * 1024
"""A longer history is cut: a part is packed within seconds, and of days there are hundreds."""

_MIN_PART_BYTES: Final = 1024
"""Smaller parts would hold a few lines each, and a folder of millions of files helps nobody."""

_MAX_SEED: Final = 2**63 - 1
_MAX_WORKERS: Final = 1024
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
_UNIT_S: Final = {None: 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Bound:
    """How long a soak is: by count or by time; exactly one of the two is set."""

    ops: Setting
    duration_s: Setting


def parse_duration_s(text: str) -> float:
    """Return seconds of ``90``, ``90s``, ``5m``, ``1.5h``.

    Raises:
        ValueError: it is none of these, or not more than zero.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _UNIT_S[match[2]] if match else 0.0
    if not seconds > 0 or not math.isfinite(seconds):
        message = "a duration such as 90, 90s, 5m or 1.5h"
        raise ValueError(message)
    return seconds


def resolve(
    name: str,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    *,
    campaign: tuple[Any, str] | None = None,
    default: tuple[Any, str] | None = None,
) -> Setting:
    """Return the strongest value given for a setting.

    Args:
        name: the setting, such as ``ops``.
        flags: setting → text given as a flag (``None`` or empty: not given).
        environ: the process's environment.
        campaign: value and file from the campaign, already validated.
        default: value and a word on where it comes from.

    Raises:
        UsageError: the text cannot be used; says what was expected and which flag or variable.
    """
    flag = f"--{name.replace('_', '-')}"
    variable = ENVIRONMENT.get(name)
    if text := flags.get(name):
        return Setting(_parse(name, text, flag), Source.FLAG, flag)
    if variable and (text := environ.get(variable)):
        return Setting(_parse(name, text, variable), Source.ENVIRONMENT, variable)
    if campaign is not None:
        return Setting(campaign[0], Source.CAMPAIGN, campaign[1])
    value, origin = default if default is not None else (None, "")
    return Setting(value, Source.DEFAULT, origin)


_STRENGTH: Final = {source: rank for rank, source in enumerate(reversed(Source))}


def resolve_bound(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    *,
    campaign_ops: tuple[int, str],
) -> Bound:
    """Decide between a soak by count and one by time: the stronger source wins.

    Raises:
        UsageError: both are given by flags, or both by the environment.
    """
    ops = resolve("ops", flags, environ, campaign=campaign_ops)
    duration = resolve("duration", flags, environ)
    if duration.value is None:
        return Bound(ops, duration)
    if _STRENGTH[ops.source] > _STRENGTH[duration.source]:
        return Bound(ops, Setting(None, ops.source, f"{ops.origin} is stronger"))
    if ops.source == duration.source:
        message = (
            f"{ops.origin} and {duration.origin}: expected one of the two, found both; "
            "a soak is bounded by count or by time"
        )
        raise UsageError(message)
    return Bound(Setting(None, duration.source, f"{duration.origin} is stronger"), duration)


def _parse(name: str, text: str, origin: str) -> Any:  # noqa: ANN401 - each setting has its type
    try:
        return _PARSERS.get(name, str)(text)
    except ValueError as problem:
        message = f"{origin}: expected {problem}, found {text!r}"
        raise UsageError(message) from None


def _integer(low: int, high: int | None, words: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(words) from None
        if value < low or (high is not None and value > high):
            raise ValueError(words)
        return value

    return parse


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "ops": _integer(1, None, "a whole number of at least 1"),
    "workers": _integer(1, _MAX_WORKERS, f"a whole number from 1 to {_MAX_WORKERS}"),
    "seed": _integer(0, _MAX_SEED, f"a whole number from 0 to {_MAX_SEED}"),
    "duration": parse_duration_s,
    "part_bytes": _integer(_MIN_PART_BYTES, None, f"a whole number from {_MIN_PART_BYTES}"),
}
