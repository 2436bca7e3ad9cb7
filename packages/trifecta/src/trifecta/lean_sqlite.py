"""``_sqlite3`` without what its import drags in.

The C module imports ``functools`` (and so ``collections``, ``re``'s friends …) for one name,
``lru_cache``, around its statement cache: 0.23 of a bare interpreter start, more than the whole
look-up.  ``functools.lru_cache`` is a thin wrapper around a C class that is always there, so
for the duration of this one import a stand-in with the same behaviour takes its place.
Wherever something is unlike what we expect, the ordinary import happens.
"""

import sys

__all__ = ["sqlite"]

TYPE_CHECKING = False


def load() -> "object":
    """Give the ``_sqlite3`` module."""
    if "_sqlite3" not in sys.modules and "functools" not in sys.modules:
        try:
            from _functools import _lru_cache_wrapper
        except ImportError:
            _lru_cache_wrapper = None
        if _lru_cache_wrapper is not None:
            return _load_lean(_lru_cache_wrapper)
    import _sqlite3

    return _sqlite3


def _load_lean(wrapper: "object") -> "object":
    def lru_cache(maxsize: int) -> object:
        return lambda function: wrapper(function, maxsize, False, tuple)  # type: ignore[operator]  # noqa: FBT003

    stand_in = type(sys)("functools")
    stand_in.lru_cache = lru_cache  # type: ignore[attr-defined]
    sys.modules["functools"] = stand_in
    try:
        import _sqlite3
    except (ImportError, AttributeError):  # an interpreter that wants more of functools
        del sys.modules["functools"]
        import _sqlite3
    else:
        del sys.modules["functools"]
    return _sqlite3


if TYPE_CHECKING:
    import sqlite3 as sqlite
else:
    sqlite = load()
