"""A segment: the folder whose modules are asked about, and where its caches lie."""

import os

from trifecta.errors import InvalidInputError

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_MAX_ID = 100  # leaves room for prefixes and suffixes within a 255-byte file name


class Segment:
    """One folder and the names derived from it."""

    __slots__ = ("id", "root")

    def __init__(self, root: str) -> None:
        """Take an existing folder's real path; ``locate`` checks one that a user gave."""
        self.root = root
        self.id = segment_id(root)

    @property
    def cache_dir(self) -> str:
        """The folder of the databases."""
        return self.root.rstrip("/") + "/.trifecta/cache"

    @property
    def ast_db_path(self) -> str:
        """The symbol cache's database."""
        return f"{self.cache_dir}/ast_cache_{self.id}.db"

    @property
    def ctx_db_path(self) -> str:
        """The search index's database."""
        return f"{self.cache_dir}/ctx_index_{self.id}.db"


def segment_id(root: str) -> str:
    """Give the folder's name, made safe for a file name; with a short hash where that changed it.

    The hash keeps two folders whose names differ only in what was replaced apart in telemetry.
    """
    name = os.path.basename(root.rstrip("/"))
    safe = "".join(char if char in _PLAIN else "_" for char in name)[:_MAX_ID]
    if safe and safe == name:
        return safe
    from _blake2 import blake2b

    digest = blake2b(os.fsencode(name), digest_size=4).hexdigest()
    return f"{safe or 'root'}-{digest}"


def locate(folder: str) -> Segment:
    """Find the segment at *folder*; raise InvalidInputError when there is no such folder."""
    if not folder or "\0" in folder:
        raise _no_segment(folder, "a path without NUL")
    try:
        root = os.path.realpath(folder, strict=True)
        is_folder = os.path.isdir(root)
    except OSError as problem:
        raise _no_segment(folder, problem.strerror or "nothing there") from None
    if not is_folder:
        raise _no_segment(folder, "a file")
    return Segment(root)


def _no_segment(folder: str, found: str) -> InvalidInputError:
    return InvalidInputError(
        "no_segment",
        "no such segment",
        expected="a folder",
        found=found,
        where=repr(folder),
        hint="give an existing folder with --segment",
    )
