"""``ctx sync`` and ``ctx search``: the index behind its lock, and the answer in any case.

A search answers from the present content.  Where the index is in step with the files it is only
read; where not, it is brought in step under the lock; where that cannot be had, a copy in memory
is, and the answer is the same.
"""

import time

from trifecta.guarded import GuardedDatabase, UnavailableError
from trifecta.lean_sqlite import sqlite
from trifecta.output import put, put_line
from trifecta.peek import database_uri
from trifecta.search import index, query
from trifecta.search.scan import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from trifecta.search.scan import Stamp
    from trifecta.segment import Segment
    from trifecta.telemetry import Telemetry

    Work = Callable[[sqlite3.Connection], list[dict[str, object]]]

_READ_TIMEOUT_S = 0.25


def _guarded(
    segment: "Segment", telemetry: "Telemetry", args: dict[str, object]
) -> GuardedDatabase:
    def on_event(name: str, result: dict[str, object]) -> None:
        waited = result.get("waited_ms")
        timing = waited if isinstance(waited, float) else 0.0
        telemetry.emit(f"ctx.index.{name}", args, result, timing)

    return GuardedDatabase(segment.ctx_db_path, index.SCHEMA, on_event=on_event, keep_open=False)


def sync(segment: "Segment", telemetry: "Telemetry") -> dict[str, object]:
    """Bring the index in step; give what was done.  A degraded index is no error."""
    files = scan(segment.root)
    guarded = _guarded(segment, telemetry, {"segment": segment.root})
    state = "stored"
    try:
        done = guarded.write(lambda at: index.bring_up_to_date(at, segment.root, files))
    except UnavailableError as problem:
        state = problem.reason
        done = {"files": len(files), "read": 0, "removed": 0}
    return {"status": "ok", "segment_id": segment.id, "index": state, **done}


def search(
    segment: "Segment", telemetry: "Telemetry", text: str, limit: int, *, human: bool
) -> dict[str, object]:
    """Print the hits; give what the event says of them."""
    files = scan(segment.root)
    hits, source = _hits(segment, telemetry, text, limit, files)
    if human:
        for hit in hits:
            put_line(_for_reading(hit))
    else:
        put({"status": "ok", "query": text, "hits": hits})
    return {"hits": len(hits), "source": source}


def _hits(
    segment: "Segment",
    telemetry: "Telemetry",
    text: str,
    limit: int,
    files: "dict[str, Stamp]",
) -> tuple[list[dict[str, object]], str]:
    def work(connection: "sqlite3.Connection") -> list[dict[str, object]]:
        index.bring_up_to_date(connection, segment.root, files)
        return query.search(connection, text, limit)

    warm, suspect = _from_index(segment, text, limit, files)
    if warm is not None:
        return warm, "index"
    guarded = _guarded(segment, telemetry, {"query": text[:200]})
    try:
        return guarded.write(work, suspect=suspect), "synced"
    except UnavailableError:
        return _from_memory(segment, work), "memory"


def _from_index(
    segment: "Segment", text: str, limit: int, files: "dict[str, Stamp]"
) -> tuple[list[dict[str, object]] | None, bool]:
    """Give the hits if the index is in step (else None), and whether it looks damaged."""
    connection = None
    started_ns = time.time_ns()
    try:
        connection = sqlite.connect(
            database_uri(segment.ctx_db_path, "mode=ro"),
            timeout=_READ_TIMEOUT_S,
            isolation_level=None,
            uri=True,
        )
        if not _is_ours(connection):
            return None, False
        connection.execute("BEGIN")
        difference = index.compare(connection, segment.root, files)
        if difference:
            return None, False
        hits = query.search(connection, text, limit)
    except sqlite.Error as problem:
        from trifecta import trouble

        return None, trouble.of_sqlite(problem, segment.ctx_db_path) == trouble.DAMAGED
    except (TypeError, ValueError, OverflowError):  # values of a kind that was never stored
        return None, True
    finally:
        if connection is not None:
            connection.close()
    if difference.settled:
        _renew(segment, difference, started_ns)
    return hits, False


def _is_ours(connection: "sqlite3.Connection") -> bool:
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return bool(identity == index.SCHEMA.application_id and version == index.SCHEMA.version)


def _renew(segment: "Segment", difference: index.Difference, read_ns: int) -> None:
    """Record fresh stamps if nobody is writing; only the next search's time depends on it."""
    guarded = GuardedDatabase(segment.ctx_db_path, index.SCHEMA, lock_timeout_ms=0, keep_open=False)
    try:
        guarded.write(lambda at: index.renew_stamps(at, difference, read_ns))
    except UnavailableError:
        return


def _from_memory(segment: "Segment", work: "Work") -> list[dict[str, object]]:
    """Answer from a copy of the index in memory (or from an empty one), brought in step."""
    connection = sqlite.connect(":memory:", isolation_level=None)
    try:
        _copy_into(connection, segment.ctx_db_path)
        return work(connection)
    except (sqlite.Error, TypeError, ValueError, OverflowError):
        connection.close()
        connection = sqlite.connect(":memory:", isolation_level=None)
        for statement in index.SCHEMA.statements:
            connection.execute(statement)
        return work(connection)
    finally:
        connection.close()


def _copy_into(connection: "sqlite3.Connection", db_path: str) -> None:
    """Copy what is on disk; raises sqlite.Error when there is nothing of use."""
    stored = sqlite.connect(
        database_uri(db_path, "mode=ro"), timeout=_READ_TIMEOUT_S, isolation_level=None, uri=True
    )
    try:
        if not _is_ours(stored):
            raise sqlite.DatabaseError("not our index")
        stored.backup(connection)
    finally:
        stored.close()


def _for_reading(hit: dict[str, object]) -> bytes:
    """Give one hit as ``path:line: text``."""
    first = str(hit["snippet"]).split("\n", 1)[0].strip()
    line = f"{hit['path']}:{hit['line']}: {first}"
    return line.encode("utf-8", "backslashreplace")
