"""Load every Python file of a folder with griffe, and print how many there were."""

import sys
from pathlib import Path

import griffe


def main() -> None:
    root = Path(sys.argv[1])
    loaded = refused = 0
    for path in sorted(root.rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        try:
            griffe.visit(module, path, path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
            refused += 1
        else:
            loaded += 1
    print(loaded, refused)


if __name__ == "__main__":
    main()
