"""Which symbols are in this module, and where in this project is …?  See ``AstCache``.

Importing this package loads nothing: every public name is fetched on first use, because a warm
answer from the command line is one short process whose cost is mostly imports.
"""

TYPE_CHECKING = False  # `typing` alone would cost half a bare interpreter start
if TYPE_CHECKING:
    from trifecta.api import AstCache, Symbol, symbols
    from trifecta.errors import InvalidInputError, SourceError, TrifectaError
    from trifecta.memory_cache import InMemoryLRUCache, NullCache
    from trifecta.protocol import Cache
    from trifecta.sqlite_cache import SQLiteCache

__version__ = "0.1.0"

__all__ = [
    "AstCache",
    "Cache",
    "InMemoryLRUCache",
    "InvalidInputError",
    "NullCache",
    "SQLiteCache",
    "SourceError",
    "Symbol",
    "TrifectaError",
    "__version__",
    "symbols",
]

_HOME = {
    "AstCache": "api",
    "Cache": "protocol",
    "InMemoryLRUCache": "memory_cache",
    "InvalidInputError": "errors",
    "NullCache": "memory_cache",
    "SQLiteCache": "sqlite_cache",
    "SourceError": "errors",
    "Symbol": "api",
    "TrifectaError": "errors",
    "symbols": "api",
}


def __getattr__(name: str) -> object:
    """Import the module that holds a public name when that name is first asked for."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'trifecta' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"trifecta.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
