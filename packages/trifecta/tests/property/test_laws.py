import ast
import json
import string
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trifecta.errors import InvalidInputError, SourceError
from trifecta.jsontext import dumps
from trifecta.memory_cache import InMemoryLRUCache
from trifecta.protocol import Cache
from trifecta.python_symbols import extract
from trifecta.search.chunks import camel_parts, split, words
from trifecta.segment import segment_id
from trifecta.sqlite_cache import SQLiteCache
from trifecta.uri import parse

STANDARD_LIBRARY = sorted(Path(ast.__file__).parent.glob("*.py"))

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain)
def test_json_text_means_what_it_was_made_from(value: object) -> None:
    assert json.loads(dumps(value)) == value
    assert dumps(value).isascii()


@given(st.text())
def test_no_uri_gets_past_as_a_crash(text: str) -> None:
    for uri in (text, f"sym://python/mod/{text}", f"sym://{text}/mod/x"):
        try:
            target = parse(uri)
        except InvalidInputError as error:
            refused = error
        else:
            assert all(part not in {"", ".", ".."} for part in target.parts)
            continue
        assert refused.exit_code == 2
        assert "\n" not in refused.sentence()


@given(st.text(alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"])))
def test_a_segment_id_is_a_file_name(name: str) -> None:
    safe = segment_id(f"/x/{name}")

    assert set(safe) <= set(string.ascii_letters + string.digits + "._-")
    assert 0 < len(safe) <= 110


@given(st.text(), st.booleans())
def test_chunks_are_the_whole_text_in_order(text: str, prose: bool) -> None:
    lines = text.split("\n")
    covered: set[int] = set()
    for chunk in split(text, prose=prose):
        body = chunk.body.split("\n")
        assert lines[chunk.line - 1 : chunk.line - 1 + len(body)] == body
        covered.update(range(chunk.line - 1, chunk.line - 1 + len(body)))
    assert all(not lines[index].strip() for index in set(range(len(lines))) - covered)


@given(st.text())
def test_words_are_safe_in_a_query(text: str) -> None:
    assert all('"' not in word and word.strip() for word in words(text))
    camel_parts(text)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("gsc"), st.integers(0, 8), st.binary(max_size=40))),
    st.booleans(),
)
def test_a_cache_never_gives_what_was_not_put_there(
    steps: list[tuple[str, int, bytes]], small: bool
) -> None:
    with TemporaryDirectory() as folder:
        path = f"{folder}/c.db"
        caches: list[Cache] = [
            InMemoryLRUCache(max_entries=3 if small else 99),
            SQLiteCache(path, max_entries=3 if small else 99),
        ]
        for cache in caches:
            model: dict[bytes, bytes] = {}
            for step, number, value in steps:
                key = bytes([number]) * 16
                if step == "s":
                    assert cache.set(key, value)
                    model[key] = value
                elif step == "c":
                    assert cache.clear() is not None
                    model.clear()
                found = cache.get(key)
                assert found == model.get(key) or (small and found is None)
            cache.close()


def reference(source: bytes) -> list[tuple[str, str, int, int, int]]:
    """Extract with the ast module and its plain recursion."""
    out = []

    def visit(node: ast.AST, prefix: str, *, in_class: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                kind = "class"
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                kind = "method" if in_class else "function"
                kind = f"async_{kind}" if isinstance(child, ast.AsyncFunctionDef) else kind
            else:
                visit(child, prefix, in_class=in_class)
                continue
            end = child.end_lineno or 0
            out.append((kind, prefix + child.name, child.lineno, end, child.col_offset))
            inner = "." if kind == "class" else ".<locals>."
            visit(child, prefix + child.name + inner, in_class=kind == "class")

    visit(ast.parse(source), "", in_class=False)
    return sorted(out, key=lambda entry: (entry[2], entry[4]))


@pytest.mark.parametrize("path", STANDARD_LIBRARY, ids=lambda path: path.stem)
def test_symbols_agree_with_the_ast_module(path: Path) -> None:
    source = path.read_bytes()
    found = json.loads(extract(source, path.name))

    assert [
        (s["kind"], s["qualname"], s["line"], s["end_line"], s["col"]) for s in found
    ] == reference(source)


def header(node: ast.stmt) -> str:
    """Give the first line of a function, normalised: all but its name, body and decorators."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    bare = ast.FunctionDef("f", node.args, [ast.Pass()], [], node.returns)
    for name, value in (("type_params", getattr(node, "type_params", [])), ("lineno", 1)):
        setattr(bare, name, value)
    return ast.unparse(bare)


def same_signature(node: ast.stmt, signature: str) -> bool:
    return header(node) == header(ast.parse(f"def f{signature}: pass").body[0])


@pytest.mark.parametrize("path", STANDARD_LIBRARY[::4], ids=lambda path: path.stem)
def test_signatures_parse_back_to_the_same(path: Path) -> None:
    source = path.read_bytes()
    nodes = {
        (node.lineno, node.col_offset): node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for symbol in json.loads(extract(source, path.name)):
        if symbol["kind"] != "class":
            node = nodes[symbol["line"], symbol["col"]]
            assert same_signature(node, symbol["signature"]), symbol


@settings(max_examples=200)
@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_are_a_crash(data: bytes) -> None:
    try:
        json.loads(extract(data, "x.py"))
    except SourceError as error:
        refused = error
    else:
        return
    assert refused.exit_code == 3
    assert refused.message


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax came with 3.12")
def test_type_parameters_are_part_of_a_signature() -> None:
    found = json.loads(extract(b"def f[T: int](x: T) -> T: ...\nclass C[T](B): ...\n", "x.py"))

    assert [s["signature"] for s in found] == ["[T: int](x: T) -> T", "[T](B)"]


@pytest.mark.parametrize(
    ("source", "signature"),
    [
        ("def f(a, b=(1,\n  2), *, c: 'x'\n='y'): ...", "(a, b=(1, 2), *, c: 'x' = 'y')"),
        ("def f(a={\n 1: 2,  # two\n }): ...", "(a={1: 2})"),
        ("def f(a=(b := 1)): ...", "(a=(b := 1))"),
        ("def f(a: int = 1, /, **k: str) -> dict[\n str,\n int]: ...", None),
        ("def f(a='''x\ny'''): ...", "(a='x\\ny')"),
    ],
)
def test_signatures_over_several_lines_are_one_line(source: str, signature: str | None) -> None:
    found = json.loads(extract(source.encode(), "x.py"))[0]["signature"]

    assert "\n" not in found
    assert signature is None or found == signature
    assert same_signature(ast.parse(source).body[0], found)
