"""Planted defects: does the gate catch what it must? A panel of tools that are known to be wrong.

Two families: a wrapper around any target's command, and a small cache with defects of its own.
Its programs are run by their path, and import nothing of soakproof but their own parts.
"""

from __future__ import annotations
