"""Count what a run left: ``extract_ast_soak_metrics.py --run-id ID --out METRICS.json``.

The source documents' name for ``soakproof extract``.
"""

from __future__ import annotations

import sys

from stage import start

if __name__ == "__main__":
    start("extract", *sys.argv[1:])
