"""Parse with a grammar whose parser Lark keeps in a file (`cache=`)."""

import sys
from pathlib import Path

from lark import Lark

grammar, folder = map(Path, sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
kept = folder / f"{grammar.stem}.lark-cache"
parser = Lark.open(str(grammar), parser="lalr", cache=str(kept))
print(sorted(f"{one.name} {one.pattern.value}" for one in parser.terminals))
