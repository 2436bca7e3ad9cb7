"""``ctx sync`` and ``ctx search``: the index behind its lock, and the answer in any case.

A search answers from the present content.  Where the index is in step with the files it is only
read; where not, it is brought in step under the lock.  While somebody else holds the lock, the
answer comes from a copy in memory that is brought in step, and it is the same answer.
"""

import time

from trifecta import trouble
from trifecta.guarded import GuardedDatabase, UnavailableError
from trifecta.lean_sqlite import sqlite
from trifecta.output import SHOWN, put, put_line
from trifecta.peek import database_uri
from trifecta.search import index, query
from trifecta.search.scan import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

    from trifecta.segment import Segment
    from trifecta.telemetry import Telemetry

    Hits = list[dict[str, object]]

_READ_TIMEOUT_S = 0.25
_FEW = 64  # files that are quicker read twice (for memory, then for the index) than waited for
# what a damaged database may contain, beside what SQLite itself notices
_ODD = (TypeError, ValueError, OverflowError)


def sync(segment: "Segment", telemetry: "Telemetry") -> dict[str, object]:
    """Bring the index in step; give what was done.  A degraded index is no error."""
    return _Search(segment, telemetry, "", 0).sync()


def search(
    segment: "Segment", telemetry: "Telemetry", text: str, limit: int, *, human: bool
) -> dict[str, object]:
    """Print the hits; give what the event says of them."""

    def show(hits: "Hits") -> None:
        if not human:
            put({"status": "ok", "query": text, "hits": hits})
            return
        for hit in hits:
            put_line(_for_reading(hit))

    asked = _Search(segment, telemetry, text, limit)
    hits, source = asked.now()
    show(hits)
    asked.afterwards()
    return {"hits": len(hits), "source": source}


class _Search:
    """One search, or one sync."""

    def __init__(self, segment: "Segment", telemetry: "Telemetry", text: str, limit: int) -> None:
        self.segment = segment
        self.telemetry = telemetry
        self.text = text
        self.limit = limit
        self.args: dict[str, object] = {"query": text[:SHOWN]} if limit else {}
        self.started_ns = time.time_ns()
        telemetry.reserve()
        self.files = scan(segment.root)
        self.settled: index.Difference | None = None
        self.still_to_sync = False

    def now(self) -> "tuple[Hits, str]":
        """Give the hits, and where they came from."""
        suspect, few = False, False
        try:
            hits, few = self._from_index()
        except sqlite.Error as problem:
            hits = None
            suspect = trouble.of_sqlite(problem, self.segment.ctx_db_path) == trouble.DAMAGED
        except _ODD:
            hits, suspect = None, True
        except OSError:  # too few descriptors for database and sources at once
            hits = None
        if hits is not None:
            return hits, "index"
        try:
            return self._guarded(wait=not few).write(self._synced, suspect=suspect), "synced"
        except UnavailableError as problem:
            self.still_to_sync = few and problem.reason == "lock_timeout"
            return self._from_memory(), "memory"

    def afterwards(self) -> None:
        """Do what need not delay the answer."""
        if self.still_to_sync:
            self.sync()
        elif self.settled is not None:
            settled = self.settled
            quiet = GuardedDatabase(
                self.segment.ctx_db_path, index.SCHEMA, lock_timeout_ms=0, keep_open=False
            )
            try:
                quiet.write(lambda at: index.renew_stamps(at, settled, self.started_ns))
            except UnavailableError:
                return  # the next search reads these files once more, that is all

    def sync(self) -> dict[str, object]:
        """Bring the index in step, waiting for the lock."""
        state = "stored"
        try:
            done = self._guarded(wait=True).write(
                lambda at: index.bring_up_to_date(at, self.segment.root, self.files)
            )
        except UnavailableError as problem:
            state = problem.reason
            done = {"files": len(self.files), "read": 0, "removed": 0}
        return {"status": "ok", "segment_id": self.segment.id, "index": state, **done}

    def _guarded(self, *, wait: bool) -> GuardedDatabase:
        def on_event(name: str, result: dict[str, object]) -> None:
            if name == "lock_timeout" and not wait:
                return  # nobody waited; `afterwards` does
            waited = result.get("waited_ms")
            timing = waited if isinstance(waited, float) else 0.0
            self.telemetry.emit(f"ctx.index.{name}", self.args, result, timing)

        return GuardedDatabase(
            self.segment.ctx_db_path,
            index.SCHEMA,
            lock_timeout_ms=None if wait else 0,
            on_event=on_event,
            keep_open=False,
        )

    def _synced(self, connection: "sqlite3.Connection") -> "Hits":
        index.bring_up_to_date(connection, self.segment.root, self.files)
        return query.search(connection, self.text, self.limit)

    def _from_index(self) -> "tuple[Hits | None, bool]":
        """Give the hits if the index is in step, else None and whether only little has changed."""
        connection = sqlite.connect(
            database_uri(self.segment.ctx_db_path, "mode=ro"),
            timeout=_READ_TIMEOUT_S,
            isolation_level=None,
            uri=True,
        )
        try:
            if not _is_ours(connection):
                return None, False
            connection.execute("BEGIN")
            difference = index.compare(connection, self.segment.root, self.files)
            if difference:
                return None, len(difference.read) <= _FEW
            hits = query.search(connection, self.text, self.limit)
        finally:
            connection.close()
        self.settled = difference if difference.settled else None
        return hits, False

    def _from_memory(self) -> "Hits":
        """Answer from a copy of the index in memory (or from an empty one), brought in step."""
        connection = sqlite.connect(":memory:", isolation_level=None)
        try:
            _copy_into(connection, self.segment.ctx_db_path)
            return self._synced(connection)
        except (sqlite.Error, *_ODD):
            connection.close()
            connection = sqlite.connect(":memory:", isolation_level=None)
            for statement in index.SCHEMA.statements:
                connection.execute(statement)
            return self._synced(connection)
        finally:
            connection.close()


def _is_ours(connection: "sqlite3.Connection") -> bool:
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return bool(identity == index.SCHEMA.application_id and version == index.SCHEMA.version)


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
    return f"{hit['path']}:{hit['line']}: {first}".encode("utf-8", "backslashreplace")
