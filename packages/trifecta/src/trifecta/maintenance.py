"""``clear-cache`` and ``cache-stats``: commands about the symbol cache itself."""

import os

from trifecta import set_aside
from trifecta import telemetry as telemetry_module
from trifecta.errors import InvalidInputError
from trifecta.keys import FORMAT, GRAMMAR
from trifecta.sqlite_cache import SQLiteCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trifecta.segment import Segment
    from trifecta.telemetry import Telemetry


def clear_cache(segment: "Segment", telemetry: "Telemetry") -> dict[str, object]:
    """Empty the symbol cache and delete databases that were set aside.

    Raises InvalidInputError when the cache cannot be had.
    """
    reasons: list[str] = []

    def on_event(name: str, result: dict[str, object]) -> None:
        reasons.append(str(result.get("reason", name)))
        telemetry.emit(f"ast.cache.{name}", {"path": segment.ast_db_path}, result)

    if not os.path.exists(segment.ast_db_path):
        return {"status": "ok", "segment_id": segment.id, "cleared": 0, "set_aside_removed": 0}
    with SQLiteCache(segment.ast_db_path, on_event=on_event, keep_open=False) as cache:
        cleared = cache.clear()
    if cleared is None:
        raise InvalidInputError(
            "cache_unavailable",
            "the cache was not cleared",
            expected="a cache that can be written",
            found=reasons[-1] if reasons else "none",
            where=repr(segment.ast_db_path),
            hint="see who holds its lock, or whether the folder can be written",
        )
    removed = set_aside.prune(segment.ast_db_path, 0)
    return {
        "status": "ok",
        "segment_id": segment.id,
        "cleared": cleared,
        "set_aside_removed": removed,
    }


def cache_stats(segment: "Segment") -> dict[str, object]:
    """Count what the cache holds, and the hits and misses that telemetry tells of."""
    with SQLiteCache(segment.ast_db_path) as cache:
        stats = cache.stats()
        bounds = cache.bounds.as_dict()
    folder = os.environ.get("TRIFECTA_TELEMETRY_DIR") or f"{segment.root}/_ctx/telemetry"
    return {
        "status": "ok",
        "segment_id": segment.id,
        "database": segment.ast_db_path,
        "state": stats["state"],
        "format": FORMAT,
        "grammar": GRAMMAR,
        "entries": stats["entries"],
        "evicted": stats["evicted"],
        "db_bytes": stats["db_bytes"],
        "wal_bytes": stats["wal_bytes"],
        "set_aside": len(set_aside.kept(segment.ast_db_path)),
        "bounds": bounds,
        **_counted(f"{folder}/{telemetry_module.FILE_NAME}", segment.id),
    }


def _counted(path: str, segment_id: str) -> dict[str, object]:
    """Count the events of this segment in the log: a read writes nothing, so nobody else knows.

    Costs time in proportion to the log, here and nowhere else.
    """
    from json import loads

    counts = {"ast.cache.hit": 0, "ast.cache.miss": 0, "ast.cache.write": 0}
    unreadable = lines = 0
    try:
        handle = open(path, "rb")  # noqa: SIM115 - closed by the with below
    except OSError:
        return {"hits": None, "misses": None, "writes": None, "counted_from": None}
    with handle:
        for line in handle:
            if line == b"\n":
                continue
            lines += 1
            try:
                event = loads(line)
                if event["segment_id"] == segment_id and event["cmd"] in counts:
                    counts[event["cmd"]] += 1
            except (ValueError, KeyError, TypeError, RecursionError):
                unreadable += 1
    hits, misses = counts["ast.cache.hit"], counts["ast.cache.miss"]
    return {
        "hits": hits,
        "misses": misses,
        "writes": counts["ast.cache.write"],
        "hit_rate": hits / (hits + misses) if hits + misses else None,
        "counted_from": {"telemetry": path, "lines": lines, "unreadable": unreadable},
    }
