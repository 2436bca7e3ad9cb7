"""Say what metrics mean: ``gate_ast_soak.py --in METRICS.json``; exits 0, 10 or 11.

The source documents' name for ``soakproof gate``.
"""

from __future__ import annotations

import sys

from stage import start

if __name__ == "__main__":
    start("gate", *sys.argv[1:])
