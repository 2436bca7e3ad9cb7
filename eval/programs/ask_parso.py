"""Parse a module with parso, its tree kept on disk, and print the names of its functions."""

import sys
from pathlib import Path

import parso

source, folder = map(Path, sys.argv[1:])
module = parso.load_grammar().parse(path=source, cache=True, cache_path=folder)
print([node.name.value for node in module.iter_funcdefs()])
