"""JSON text without the ``json`` package, whose import costs two thirds of an interpreter start.

Output is ASCII only, so the locale and the encoding of standard output never matter.
"""


def quote(text: str) -> str:
    """Give the JSON string literal of *text*."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return _escape(text)


def _escape(text: str) -> str:
    try:
        from _json import encode_basestring_ascii as escape
    except ImportError:  # an interpreter without the accelerator
        from json.encoder import py_encode_basestring_ascii as escape
    escaped: str = escape(text)
    return escaped


def dumps(value: object) -> str:  # noqa: PLR0911 - one for each kind of value
    """Give the compact JSON text of plain values, lists and dicts with string keys."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(round(value, 6))
    if isinstance(value, dict):
        pairs = (f"{quote(str(name))}:{dumps(item)}" for name, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dumps, value)) + "]"
    raise TypeError(f"no JSON for {type(value).__name__}")
