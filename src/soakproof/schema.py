"""Load documents and hold them against the published contracts in ``schemas/``.

Nothing that a stage reads is believed before it went through :func:`check`.
jsonschema is imported where it is used: it costs ten times a bare start of Python.
"""

from __future__ import annotations

import functools
import json
import math
import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from soakproof.errors import ConfigError, InvalidDocument, MissingInput
from soakproof.toml_lines import line_of

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["NAMES", "check", "load_json", "load_schema", "load_toml", "located", "validator"]

NAMES: Final = (
    "anchors",
    "backlog",
    "campaign",
    "case",
    "deep",
    "envelope",
    "expected",
    "fleet-plan",
    "fleet-summary",
    "gate",
    "history-line",
    "manifest",
    "matrix",
    "matrix-panel",
    "matrix-row",
    "metrics",
    "places",
    "plan",
    "point-plan",
    "point-result",
    "run",
    "sample",
    "selftest",
    "statement",
    "tally",
    "target",
    "telemetry-event",
    "verdict",
    "work-order",
)
"""Every published schema, by file name without ``.schema.json``."""

_SHOWN_CHARS: Final = 80
"""How much of a wrong value a message shows."""


def load_schema(name: str) -> dict[str, Any]:
    """Return the schema ``schemas/<name>.schema.json``, from the wheel or from the checkout."""
    document: dict[str, Any] = json.loads(_home().joinpath(f"{name}.schema.json").read_bytes())
    return document


@functools.cache
def validator(name: str) -> Validator:
    """Return the compiled validator of a schema; about 1 ms a document after the first."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(load_schema(name))


def check(document: Any, name: str, where: Path | str) -> None:  # noqa: ANN401
    """Hold a document against a schema.

    Args:
        document: what ``json.loads`` or ``tomllib.loads`` gave.
        name: the schema, one of :data:`NAMES`.
        where: the file, for the message.

    Raises:
        InvalidDocument: naming the JSON path, what was expected there, and what was found.
    """
    problem = _not_finite(document, "$") or _worst(validator(name).iter_errors(document))
    if problem is None:
        return
    json_path, expected, found = problem
    raise InvalidDocument(where, json_path=json_path, expected=expected, found=found, schema=name)


def load_json(path: Path, name: str, *, hint: str) -> dict[str, Any]:
    """Read a JSON document and hold it against its schema.

    Args:
        path: the file.
        name: the schema.
        hint: what makes the file, for the message when it is missing.

    Raises:
        MissingInput: there is no such file.
        InvalidDocument: it is not JSON (truncated, say) or not what the schema asks for.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(path, hint) from None
    try:
        document = json.loads(text)
    except ValueError as problem:
        raise InvalidDocument(
            path,
            json_path="$",
            expected="one whole JSON document",
            found=f"{len(text)} bytes that are none ({problem})",
            schema=name,
        ) from None
    check(document, name, path)
    return dict(document)


def load_toml(path: Path, name: str, *, hint: str) -> dict[str, Any]:
    """Read a TOML file that a person wrote and hold it against its schema.

    Raises:
        MissingInput: there is no such file.
        ConfigError: it is not TOML or not what the schema asks for; names the key and the line.
    """
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise MissingInput(path, hint) from None
    except UnicodeDecodeError as problem:
        raise ConfigError(path, f"expected UTF-8, found {problem}") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(path, f"expected TOML: {problem}") from None
    worst = _worst(validator(name).iter_errors(document))
    if worst is not None:
        json_path, expected, found = worst
        key = json_path.removeprefix("$").removeprefix(".")
        problem_text = f"expected {expected}, found {found}; see schemas/{name}.schema.json"
        raise ConfigError(path, problem_text, line=line_of(text, key), key=key)
    return document


def located(path: Path, problem: str, key: str) -> ConfigError:
    """Return the error for a key of a TOML file that its schema alone cannot refuse, with line."""
    try:
        line = line_of(path.read_text("utf-8"), key)
    except (OSError, UnicodeDecodeError):  # planned from a kept plan: the file may be gone
        line = None
    return ConfigError(path, problem, line=line, key=key)


def _home() -> Traversable:
    packaged = resources.files("soakproof") / "schemas"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[2] / "schemas"


def _not_finite(document: object, json_path: str) -> tuple[str, str, str] | None:
    """Find NaN and infinity, which pass any ``minimum`` (NaN compares false with everything)."""
    if isinstance(document, float) and not math.isfinite(document):
        return json_path, "a finite number", repr(document)
    children: Iterable[tuple[str, object]] = ()
    if isinstance(document, dict):
        children = ((f"{json_path}.{key}", value) for key, value in document.items())
    elif isinstance(document, list):
        children = ((f"{json_path}[{at}]", value) for at, value in enumerate(document))
    return next(filter(None, (_not_finite(value, at) for at, value in children)), None)


def _worst(errors: Iterable[Any]) -> tuple[str, str, str] | None:
    """Return (JSON path, expected, found) of the error to show, or nothing.

    The deepest error is the most exact one; an unknown key is reported at the key itself.
    """
    found = sorted(errors, key=lambda error: (-len(error.absolute_path), error.json_path))
    if not found:
        return None
    error = found[0]
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        extra = sorted(set(error.instance) - set(known))
        if extra:
            return f"{error.json_path}.{extra[0]}", f"one of {', '.join(known)}", "an unknown key"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return error.json_path, f"the key {missing[0]!r}", f"only {_short(sorted(error.instance))}"
    return error.json_path, _expectation(error), _short(error.instance)


_BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
}


def _expectation(error: Any) -> str:  # noqa: ANN401 - jsonschema.ValidationError
    value = error.validator_value
    match error.validator:
        case "type":
            kinds: Sequence[str] = [value] if isinstance(value, str) else value
            return f"type {' or '.join(kinds)}"
        case "enum":
            return f"one of {', '.join(map(str, value))}"
        case "const":
            return repr(value)
        case "minimum" | "exclusiveMinimum" | "maximum":
            return f"{_BOUNDS[error.validator]} {value}"
        case "pattern":
            hint = error.schema.get("description", "")
            return f"text that matches {value}" + (f" ({hint})" if hint else "")
        case "not":
            return "no such key here"
        case "oneOf":
            sets = [" and ".join(one["required"]) for one in value if "required" in one]
            return f"exactly one of: {'; '.join(sets)}" if sets else f"oneOf {_short(value)}"
        case "minItems":
            return f"at least {value} items"
        case _:
            return f"{error.validator} {_short(value)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    kind = type(value).__name__
    named = {"str": "the string ", "list": "the list ", "dict": "the object "}.get(kind, "")
    return named + (text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…")
