"""A database that several processes share: opened, locked, checked, made anew when it is broken.

Both caches stand on this.  Every way in which sharing can fail ends as one ``UnavailableError``
with a reason, after an event that says so; whoever calls goes on without the database.
"""

import errno
import os
import time

from trifecta import set_aside, trouble
from trifecta.lean_sqlite import sqlite
from trifecta.lock import LockTimeoutError, WriteLock, timeout_from_environment
from trifecta.peek import database_uri

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from typing import TypeVar

    Event = Callable[[str, dict[str, object]], None]
    T = TypeVar("T")

PAGE_BYTES = 8192  # values of about 2 kB waste half of a 4 kB page
WAL_PAGES = 1000  # as SQLite has it; fewer means more waiting for the disk
WAL_LIMIT_BYTES = 16 * 1024 * 1024
WAL_STUCK_BYTES = 64 * 1024 * 1024  # some reader never lets go: stop writing
_LONGEST_PAUSE_S = 0.025


class UnavailableError(Exception):
    """The database cannot be used now."""

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


class Schema:
    """What makes a file one of ours."""

    __slots__ = ("application_id", "statements", "version")

    def __init__(self, application_id: int, version: int, statements: "tuple[str, ...]") -> None:
        """Keep the identity (in the file's header) and the statements that make the tables."""
        self.application_id = application_id
        self.version = version
        self.statements = statements


def _ignore(_name: str, _result: "dict[str, object]") -> None:
    """Take an event that nobody wants."""


class GuardedDatabase:
    """One shared database; not for use by several threads at once."""

    def __init__(
        self,
        db_path: str,
        schema: Schema,
        *,
        lock_timeout_ms: int | None = None,
        on_event: "Event | None" = None,
        keep_open: bool = True,
    ) -> None:
        """Prepare; nothing is opened or made yet.

        Without *keep_open* a write closes its connection before it gives the lock back: closing
        moves the log into the database, and the next writer would find that busy.
        """
        self.keep_open = keep_open
        self.db_path = db_path
        self.lock_path = db_path + ".lock"
        self.schema = schema
        self.timeout_ms = timeout_from_environment() if lock_timeout_ms is None else lock_timeout_ms
        self.on_event: Event = on_event or _ignore
        self._writer: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    # ------------------------------------------------------------------ writing

    def write(self, work: "Callable[[sqlite3.Connection], T]", *, suspect: bool = False) -> "T":
        """Run *work* in one transaction under the lock and give its result once committed.

        With *suspect* the database is checked first.  Raises UnavailableError.
        """
        lock = WriteLock(self.lock_path, self.timeout_ms)
        try:
            self._lock(lock)
            return self._write_locked(work, suspect=suspect)
        finally:
            if not self.keep_open:
                self.close()
            lock.release()

    def _lock(self, lock: WriteLock) -> None:
        try:
            make_folder(os.path.dirname(self.db_path))
            lock.acquire()
        except LockTimeoutError as problem:
            self._waited("lock_timeout", "file_lock", problem.path, problem.waited_ms)
            raise UnavailableError("lock_timeout") from None
        except OSError as problem:
            raise self._degraded(trouble.of_os(problem), str(problem)) from None
        if lock.waited_ms is not None:
            self._waited("lock_wait", "file_lock", lock.path, lock.waited_ms)

    def _write_locked(
        self, work: "Callable[[sqlite3.Connection], T]", *, suspect: bool = False
    ) -> "T":
        for attempt in (1, 2):
            try:
                return self._patiently(work, suspect=suspect and attempt == 1)
            except sqlite.Error as problem:
                self.close()
                reason = trouble.of_sqlite(problem, self.db_path)
                if reason in {trouble.DAMAGED, trouble.OTHER_SCHEMA} and attempt == 1:
                    self._recover(reason, str(problem))
                    continue
                raise self._degraded(reason, str(problem)) from None
            except (TypeError, ValueError, OverflowError) as problem:
                # values of a kind that was never stored; in a fresh database it would be our fault
                self.close()
                if attempt == 2:
                    raise
                self._recover(trouble.DAMAGED, f"unexpected content: {problem}")
            except _NotOursError as problem:
                self.close()
                if problem.reason == "newer_format":
                    raise self._degraded(problem.reason, str(problem)) from None
                self._recover(problem.reason, str(problem))
            except OSError as problem:
                self.close()
                raise self._degraded(trouble.of_os(problem), str(problem)) from None
        raise self._degraded("damaged", "damaged again at once")

    def _patiently(self, work: "Callable[[sqlite3.Connection], T]", *, suspect: bool) -> "T":
        """Try until the database is not busy; somebody without our lock may be using it."""
        started = time.monotonic_ns()
        waited_ms: float | None = None
        pause = 0.001
        while True:
            try:
                result = self._transact(work, suspect=suspect)
            except sqlite.Error as problem:
                if trouble.of_sqlite(problem, self.db_path) != trouble.BUSY:
                    raise
                waited_ms = (time.monotonic_ns() - started) / 1e6
                if waited_ms >= self.timeout_ms:
                    self.close()
                    self._waited("lock_timeout", "database", self.db_path, waited_ms)
                    raise UnavailableError("lock_timeout") from None
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE_S)
            else:
                if waited_ms is not None:
                    waited_ms = (time.monotonic_ns() - started) / 1e6
                    self._waited("lock_wait", "database", self.db_path, waited_ms)
                return result

    def _transact(self, work: "Callable[[sqlite3.Connection], T]", *, suspect: bool) -> "T":
        connection = self._open_writer()
        if _size(self.db_path + "-wal") > WAL_STUCK_BYTES:
            self._bound_log(connection)
            if _size(self.db_path + "-wal") > WAL_STUCK_BYTES:
                raise self._degraded("log_stuck", "a reader keeps the log from being shortened")
        if suspect:
            _check(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._bound_log(connection)
        return result

    def _open_writer(self) -> "sqlite3.Connection":
        """Give the connection to the file that is at the path now; make the file if there is none.

        A file is made under another name and renamed, so nobody ever meets a half-made one.
        """
        identity = self._identify()
        if self._writer is not None and identity == self._identity:
            return self._writer
        self.close()
        if identity is None:
            self._create()
            identity = self._identify()
        elif os.path.getsize(self.db_path) == 0:
            raise _NotOursError("empty_file", "the database file is empty")
        uri = database_uri(self.db_path, "mode=rw")
        connection = sqlite.connect(
            uri, timeout=0, isolation_level=None, check_same_thread=False, uri=True
        )
        self._writer, self._identity = connection, identity
        self._verify(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
        return connection

    def _verify(self, connection: "sqlite3.Connection") -> None:
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application_id != self.schema.application_id:
            found = f"application id {application_id}"
            raise _NotOursError(trouble.OTHER_SCHEMA, found)
        if version > self.schema.version:
            raise _NotOursError("newer_format", f"format {version}, ours is {self.schema.version}")
        if version < self.schema.version:
            raise _NotOursError("older_format", f"format {version}, ours is {self.schema.version}")

    def _create(self) -> None:
        path = set_aside.new_path(self.db_path)
        set_aside.prune(self.db_path, set_aside.KEEP)
        for suffix in ("-wal", "-shm"):  # of a database that was removed without them
            if os.path.exists(self.db_path + suffix):
                os.unlink(self.db_path + suffix)
        connection = sqlite.connect(path, timeout=0, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("BEGIN")
            connection.execute(f"PRAGMA application_id={self.schema.application_id}")
            connection.execute(f"PRAGMA user_version={self.schema.version}")
            for statement in self.schema.statements:
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
        if os.path.exists(path + "-journal"):
            # SQLite does not always say that a change failed; without its journal, under another
            # name, the file would be half changed for ever
            raise OSError(errno.EIO, "the new database still has a journal", path)
        os.rename(path, self.db_path)

    def _bound_log(self, connection: "sqlite3.Connection") -> None:
        """Shorten the write-ahead log when readers kept the automatic checkpoints from doing so."""
        if _size(self.db_path + "-wal") <= WAL_LIMIT_BYTES:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite.Error:
            return  # it is committed all the same, and the next writer tries again

    def _recover(self, reason: str, detail: str) -> None:
        try:
            where = set_aside.set_aside(self.db_path)
        except OSError as problem:
            raise self._degraded(trouble.of_os(problem), str(problem)) from None
        self.on_event("recovered", {"reason": reason, "detail": detail, "set_aside": where})

    # ------------------------------------------------------------------ the rest

    def _identify(self) -> tuple[int, int] | None:
        try:
            state = os.stat(self.db_path)
        except FileNotFoundError:
            return None
        return state.st_ino, state.st_dev

    def _waited(self, name: str, what: str, path: str, waited_ms: float) -> None:
        self.on_event(name, {"for": what, "path": path, "waited_ms": round(waited_ms, 3)})

    def _degraded(self, reason: str, detail: str) -> UnavailableError:
        self.on_event("degraded", {"reason": reason, "detail": detail})
        return UnavailableError(reason)

    def close(self) -> None:
        """Close the connection; the last one to close writes the log into the database."""
        connection, self._writer, self._identity = self._writer, None, None
        if connection is not None:
            try:
                connection.close()
            except sqlite.Error:
                return


class _NotOursError(Exception):
    """The file is a database, and not one to write into."""

    def __init__(self, reason: str, found: str) -> None:
        super().__init__(found)
        self.reason = reason


def _check(connection: "sqlite3.Connection") -> None:
    """Raise for a database that its own check calls damaged (about 1 ms a megabyte)."""
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise _NotOursError(trouble.DAMAGED, str(found))


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def make_folder(folder: str) -> None:
    """Make a cache folder; tell git to leave it alone."""
    if os.path.isdir(folder):
        return
    os.makedirs(folder, exist_ok=True)
    home = os.path.dirname(folder)
    if os.path.basename(home) == ".trifecta" and not os.path.exists(f"{home}/.gitignore"):
        with open(f"{home}/.gitignore", "w", encoding="ascii") as handle:
            handle.write("*\n")
