"""The stages, one a file: clean → anchors → run → extract → gate → record.

They share nothing but the run directory; no stage imports another.
"""

from __future__ import annotations
