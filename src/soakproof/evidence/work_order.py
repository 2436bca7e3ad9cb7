"""Close a work order, in the words of the person who wrote it.

Pure: text in, text out; the schema is asked before and after.
"""

from __future__ import annotations

from typing import Final

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

from soakproof.errors import ConfigError
from soakproof.evidence.closing import Closing
from soakproof.evidence.yaml_text import put, read_mapping, rewrite
from soakproof.schema import check

__all__ = ["close_work_order"]

_SCHEMA: Final = "work-order"


def close_work_order(where: str, text: str, closing: Closing) -> str:
    """Return the work order's text, closed by a run.

    The last of ``run_ids`` is the run whose evidence lies in the record; closing again with that
    run gives the same text back.
    SHAs and ids are quoted: to a YAML reader some of them are numbers.

    Args:
        where: the file, for messages.
        text: its text.
        closing: what to write.

    Raises:
        ConfigError: it is no YAML mapping, or the work order of something else.
        InvalidDocument: it is not what ``schemas/work-order.schema.json`` asks for.
    """
    document = read_mapping(where, text)
    check(document, _SCHEMA, where)
    _insist(where, "id", closing.work_order, document["id"])
    _insist(where, "campaign", closing.campaign, document.get("campaign", closing.campaign))
    closed = rewrite(where, text, lambda order: _close(order, closing))
    check(read_mapping(where, closed), _SCHEMA, where)
    return closed


def _insist(where: str, key: str, wanted: str, found: object) -> None:
    if found != wanted:
        raise ConfigError(where, f"expected {wanted!r}, found {found!r}", key=key)


def _close(order: CommentedMap, closing: Closing) -> None:
    evidence = _sequence(order, "evidence_logs")
    run_ids = _sequence(order, "run_ids")
    missing = [name for name in closing.evidence if name not in evidence]
    said: dict[str, object] = {"status": "done", "verified_at_sha": closing.commit}
    if closing.manifest_sha256 is not None:
        said["manifest_sha256"] = closing.manifest_sha256
    if closing.dirty or "dirty" in order:
        said["dirty"] = closing.dirty
    unchanged = {key: order.get(key) for key in said} == said
    if unchanged and not missing and run_ids[-1:] == [closing.run_id]:
        return
    put(order, "status", "done")
    put(order, "verified_at_sha", Quoted(closing.commit))
    if closing.manifest_sha256 is not None:
        put(order, "manifest_sha256", Quoted(closing.manifest_sha256))
    put(order, "closed_at", Quoted(closing.closed_at))
    if "dirty" in said:
        put(order, "dirty", closing.dirty)
    if closing.run_id in run_ids:
        run_ids.remove(closing.run_id)
    run_ids.append(Quoted(closing.run_id))
    evidence.extend(missing)
    put(order, "run_ids", run_ids)
    put(order, "evidence_logs", evidence)


def _sequence(order: CommentedMap, key: str) -> CommentedSeq:
    """Return the list under ``key``, or a new one that is not yet in the work order."""
    found = order.get(key)
    # An empty list stands as `[]`; what is put into it is easier to read one a line.
    return found if isinstance(found, CommentedSeq) and found else CommentedSeq()
