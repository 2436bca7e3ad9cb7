"""The deep tier: faults at single system calls, and every state that a crash can leave.

Stands on ``strace``, which needs no change of the tool; where it is not to be had, nothing here
runs and what it would have shown is UNKNOWN.
"""

from __future__ import annotations
