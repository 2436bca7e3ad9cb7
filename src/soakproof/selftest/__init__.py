"""Planted defects: does the gate catch what it must? A panel of tools that are known to be wrong.

Two families: a wrapper around any target's command, and a small cache with defects of its own.
Its programs are data here: they are run as processes and import nothing of soakproof.
"""

from __future__ import annotations
