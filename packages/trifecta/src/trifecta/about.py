"""What runs here: versions, and where the package lies."""

import os
import sys

from trifecta import __version__
from trifecta.keys import EXTRACTOR, FORMAT, GRAMMAR
from trifecta.languages import installed
from trifecta.lean_sqlite import sqlite


def about() -> dict[str, object]:
    """Give what ``trifecta about`` prints."""
    return {
        "status": "ok",
        "version": __version__,
        "package_dir": os.path.dirname(os.path.abspath(__file__)),
        "python": "{}.{}.{}".format(*sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "sqlite": sqlite.sqlite_version,
        "grammar": GRAMMAR,
        "cache_format": FORMAT,
        "extractor": EXTRACTOR,
        "languages": installed(),
    }
