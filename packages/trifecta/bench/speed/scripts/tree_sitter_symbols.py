"""Print the definitions of Python files, as a short script on tree-sitter would."""

import sys
from pathlib import Path

import tree_sitter_python
from tree_sitter import Language, Parser, Query, QueryCursor

WANTED = """
(class_definition name: (identifier) @class)
(function_definition name: (identifier) @function)
"""


def main() -> None:
    language = Language(tree_sitter_python.language())
    parser = Parser(language)
    query = Query(language, WANTED)
    for path in sys.argv[1:]:
        tree = parser.parse(Path(path).read_bytes())
        for kind, nodes in QueryCursor(query).captures(tree.root_node).items():
            for node in nodes:
                name = (node.text or b"").decode("utf-8", "replace")
                print(f"{path}:{node.start_point.row + 1}:{kind}:{name}")


if __name__ == "__main__":
    main()
