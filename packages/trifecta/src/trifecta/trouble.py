"""What an error of the operating system or of SQLite means for a cache.

A busy database is not a broken one: only what SQLite itself calls corrupt or no database counts
as damaged, and even that only under the lock (see ``guarded``).
"""

import errno
import os

from trifecta.lean_sqlite import sqlite

BUSY = "busy"
DAMAGED = "damaged"
OTHER_SCHEMA = "other_schema"

_BY_ERRNO = {
    errno.EROFS: "read_only",
    errno.EACCES: "no_permission",
    errno.EPERM: "no_permission",
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.ENOLCK: "no_locks",
    errno.ENOSYS: "no_locks",
    errno.EOPNOTSUPP: "no_locks",
    errno.EMFILE: "too_many_open_files",
    errno.ENFILE: "too_many_open_files",
    errno.ENOTDIR: "not_a_folder",
    errno.EEXIST: "not_a_folder",
    errno.EISDIR: "not_a_file",
}

_STARVED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR})

# https://www.sqlite.org/rescode.html; the lower byte is the primary code
_PERM, _BUSY, _LOCKED, _READONLY, _IOERR = 3, 5, 6, 8, 10
_CORRUPT, _FULL, _CANTOPEN, _PROTOCOL, _NOTADB = 11, 13, 14, 15, 26
_IOERR_SHORT_READ = 522


def starved(problem: OSError) -> bool:
    """Whether the system had no room for us, which says nothing about the file.

    A file that is gone or not ours to read is no part of an answer; one that could not be read
    for want of descriptors or memory, or because the disk failed, must not be left out in silence.
    """
    return problem.errno in _STARVED


def of_os(problem: OSError) -> str:
    """Name the reason of an OSError."""
    return _BY_ERRNO.get(problem.errno or 0, "io_error")


def of_sqlite(problem: sqlite.Error, db_path: str) -> str:
    """Name the reason of an SQLite error."""
    code = getattr(problem, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    if primary in {_BUSY, _LOCKED, _PROTOCOL}:
        return BUSY
    if primary in {_CORRUPT, _NOTADB} or code == _IOERR_SHORT_READ:
        return DAMAGED
    if primary == _FULL:
        return "disk_full"
    if str(problem).startswith("no such"):  # a table or column that ours has
        return OTHER_SCHEMA
    if primary in {_PERM, _READONLY, _IOERR, _CANTOPEN}:
        return _of_folder(os.path.dirname(db_path))
    return "sqlite_error"


def _of_folder(folder: str) -> str:
    """Find out why SQLite cannot open or write in *folder*, which it does not tell."""
    try:
        state = os.statvfs(folder)
    except OSError as problem:
        return of_os(problem)
    if state.f_flag & os.ST_RDONLY:
        return "read_only"
    if state.f_bavail == 0:
        return "disk_full"
    if not os.access(folder, os.W_OK):
        return "no_permission"
    return "io_error"
