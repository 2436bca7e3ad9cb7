#!/usr/bin/env bash
# Soak the AST cache: TRIFECTA_AST_PERSIST=1 OPS=200 WORKERS=4 bash eval/scripts/run_ast_cache_soak.sh
# The source documents' name for `soakproof all`, which reads OPS, WORKERS, SEED, DURATION and RUN_ID itself.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$scripts/../.." # the run, the log and the metrics belong to the checkout
exec "${PYTHON:-python3}" "$scripts/stage.py" all "$@"
