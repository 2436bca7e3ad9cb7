"""The matrix: real tools in pinned versions, and the same panel of promises over all of them.

A promise is a small campaign of its own, cut out of the target's; so what breaks it is known.
"""

from __future__ import annotations
