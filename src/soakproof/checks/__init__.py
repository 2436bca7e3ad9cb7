"""What the evidence says. Pure: no process, no file, no database, no clock, no dice.

Each module folds lines into counts, or judges counts; a line that cannot be used is counted, never
dropped in silence.
"""

from __future__ import annotations
