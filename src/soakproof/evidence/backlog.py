"""Mark the backlog's item of a work order as done.

Pure: text in, text out.
"""

from __future__ import annotations

from typing import Final

from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

from soakproof.evidence.closing import Closing
from soakproof.evidence.yaml_text import put, read_mapping, rewrite
from soakproof.schema import check

__all__ = ["close_item"]

_SCHEMA: Final = "backlog"


def close_item(where: str, text: str, closing: Closing) -> str:
    """Return the backlog's text with the item of the work order done; unchanged without such one.

    Args:
        where: the file, for messages.
        text: its text.
        closing: what to write.

    Raises:
        ConfigError: it is no YAML mapping.
        InvalidDocument: it is not what ``schemas/backlog.schema.json`` asks for.
    """
    check(read_mapping(where, text), _SCHEMA, where)
    closed = rewrite(where, text, lambda backlog: _close(backlog, closing))
    check(read_mapping(where, closed), _SCHEMA, where)
    return closed


def _close(backlog: CommentedMap, closing: Closing) -> None:
    for item in backlog["items"]:
        if item["id"] != closing.work_order:
            continue
        said = {
            "status": "done",
            "verified_at_sha": closing.commit,
            "verified_by_run": closing.run_id,
        }
        for key, value in said.items():
            if item.get(key) != value:
                put(item, key, value if key == "status" else Quoted(value))
