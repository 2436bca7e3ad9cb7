"""Which files of a segment are searched, and what their stat says.  Reads no content."""

import os

from trifecta.trouble import starved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".py", ".md")
MAX_BYTES = 8 * 1024 * 1024
_IGNORED = frozenset({"_ctx", "__pycache__", "node_modules"})


class Stamp:
    """What is known of a file without reading it.

    Size and modification time can be kept by an edit; the change time and the inode cannot, except
    within one tick of the clock (see ``index``).
    """

    __slots__ = ("ctime_ns", "inode", "mtime_ns", "size")

    def __init__(self, size: int, mtime_ns: int, ctime_ns: int, inode: int) -> None:
        """Keep the four numbers."""
        self.size = size
        self.mtime_ns = mtime_ns
        self.ctime_ns = ctime_ns
        self.inode = inode

    def as_tuple(self) -> tuple[int, int, int, int]:
        """Give the numbers in the order of the index's columns."""
        return self.size, self.mtime_ns, self.ctime_ns, self.inode


def stamp_of(state: os.stat_result) -> Stamp:
    """Give the stamp in a stat result."""
    inode = state.st_ino & 0x7FFF_FFFF_FFFF_FFFF
    return Stamp(state.st_size, state.st_mtime_ns, state.st_ctime_ns, inode)


def scan(root: str, suffixes: tuple[str, ...] = SUFFIXES) -> dict[str, Stamp]:
    """Give the searched files by relative path.

    Folders that begin with a dot or hold a virtual environment are left out, and so are links to
    folders, and links to files outside the segment.
    """
    inside = root.rstrip("/") + "/"
    return dict(_walk(inside, "", suffixes))


def _entries(folder: str) -> "list[os.DirEntry[str]]":
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as problem:  # removed meanwhile, or not ours to read
        if starved(problem):
            raise
        return []


def _walk(root: str, prefix: str, suffixes: tuple[str, ...]) -> "Iterator[tuple[str, Stamp]]":
    entries = _entries(root + prefix)
    if prefix and any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        path = prefix + entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _IGNORED:
                    yield from _walk(root, path + "/", suffixes)
            elif entry.name.endswith(suffixes) and entry.is_file():
                if entry.is_symlink() and not os.path.realpath(entry.path).startswith(root):
                    continue
                stamp = stamp_of(entry.stat())
                if stamp.size <= MAX_BYTES:
                    yield path, stamp
        except OSError as problem:  # removed meanwhile
            if starved(problem):
                raise
            continue
