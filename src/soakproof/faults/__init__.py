"""Faults, each a package of its own: schedule, apply, heal, effect probe.

The ledger of a run says of each: planned → fired → took effect → healed.
Every run ends healed, also when it is interrupted.
"""

from __future__ import annotations
