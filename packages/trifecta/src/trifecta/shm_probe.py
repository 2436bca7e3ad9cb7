"""Whether some process is stuck in the middle of setting up a database's shared memory.

SQLite makes every other process wait for it, readers included, for some ten seconds whatever the
busy timeout says (seen with a process stopped at its first write).  One that asks once rather
looks first, and parses.

Only for a process that has no connection to that database: closing the file here would drop its
locks (https://www.sqlite.org/howtocorrupt.html, 2.2).
"""

import os
import time

# byte offsets in the -shm file: https://www.sqlite.org/walformat.html#wal_locks
_RECOVER_BYTE = 122
_SETUP_BYTE = 128
_PATIENCE_S = 0.05


def stuck(db_path: str) -> bool:
    """Tell whether the set-up lock stays taken for longer than any healthy process needs it."""
    try:
        import fcntl
        from struct import pack, unpack_from

        descriptor = os.open(db_path + "-shm", os.O_RDONLY | os.O_CLOEXEC)
    except (ImportError, OSError):
        return False
    try:
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            taken = False
            for byte in (_RECOVER_BYTE, _SETUP_BYTE):
                asked = pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
                kind = unpack_from("h", fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0]
                taken = taken or kind != fcntl.F_UNLCK
            if not taken:
                return False
            if time.monotonic() > give_up:
                return True
            time.sleep(0.001)
    except OSError:  # a file system without such locks
        return False
    finally:
        os.close(descriptor)
