"""soakproof soaks a persistent cache until a verdict means something.

The package is the pipeline: stages that share nothing but a run directory
(:mod:`soakproof.stages`), and the parts they are made of.
``docs/whats-here.md`` has one line per module.
"""

from __future__ import annotations

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
