import json
from typing import Any

import pytest

pytest.importorskip("tree_sitter", reason="the extra trifecta[languages] is not installed")

from trifecta.errors import SourceError
from trifecta.languages import extract, grammar_of, installed

TYPESCRIPT = """\
/** Greets. */
export class Greeter<T> extends Base<T> {
  private name: string;
  /** Says it. */
  @log()
  async greet(who: string): Promise<void> { }
  handler = (e: Event) => { };
}
// adds
export const add = async (a: number, b = 2): number => a + b;
interface Shape { area(): number }
const notAFunction = 1;
"""
RUST = """\
/// A point.
#[derive(Debug)]
pub struct Point<T> { x: T }
impl<T: Copy> Point<T> {
    /// Makes one.
    pub fn new(x: T) -> Self { Point { x } }
    async fn hidden(&self) where T: Send {}
}
mod inner { fn free() {} }
"""
GO = """\
package main

// Server serves.
type Server struct { addr string }

// Run runs.
func (s *Server) Run(ctx context.Context) (err error) { return nil }
func helper[T any](x T) T { return x }
"""


def symbols(source: str, path: str, language: str) -> list[dict[str, Any]]:
    text, more = extract(source.encode(), path, language)
    assert more == ""
    found: list[dict[str, Any]] = json.loads(text)
    return found


def brief(found: list[dict[str, Any]]) -> list[tuple[str, str, str, str | None, str]]:
    keys = ("kind", "qualname", "signature", "doc", "visibility")
    return [tuple(symbol[key] for key in keys) for symbol in found]


def test_typescript() -> None:
    found = symbols(TYPESCRIPT, "a.ts", "typescript")

    assert brief(found) == [
        ("class", "Greeter", "<T> extends Base<T>", "Greets.", "public"),
        ("async_method", "Greeter.greet", "(who: string): Promise<void>", "Says it.", "public"),
        ("method", "Greeter.handler", "= (e: Event) =>", None, "public"),
        ("async_function", "add", "= async (a: number, b = 2): number =>", "adds", "public"),
        ("interface", "Shape", "", None, "public"),
        ("method", "Shape.area", "(): number", None, "public"),
    ]
    assert found[1]["decorators"] == ["log()"]
    assert (found[0]["line"], found[0]["end_line"], found[0]["col"]) == (2, 8, 7)


def test_rust() -> None:
    found = symbols(RUST, "a.rs", "rust")

    assert brief(found) == [
        ("struct", "Point", "<T>", "A point.", "public"),
        ("method", "Point.new", "(x: T) -> Self", "Makes one.", "public"),
        ("async_method", "Point.hidden", "(&self) where T: Send", None, "private"),
        ("module", "inner", "", None, "private"),
        ("function", "inner.free", "()", None, "private"),
    ]
    assert found[0]["decorators"] == ["derive(Debug)"]


def test_go() -> None:
    assert brief(symbols(GO, "a.go", "go")) == [
        ("struct", "Server", "", "Server serves.", "public"),
        ("method", "Server.Run", "(ctx context.Context) (err error)", "Run runs.", "public"),
        ("function", "helper", "[T any](x T) T", None, "private"),
    ]


def test_tsx_has_its_own_grammar() -> None:
    source = "export function App() { return <div>{1}</div>; }\n"

    assert [s["name"] for s in symbols(source, "a.tsx", "typescript")] == ["App"]


def test_what_the_grammar_does_not_know_is_said_beside_the_answer() -> None:
    text, more = extract(b"function good() {}\nfunction (((\n", "a.ts", "typescript")

    assert json.loads(text)[0]["name"] == "good"
    assert '"line":2' in more


def test_invalid_utf8_is_an_error_with_its_line() -> None:
    with pytest.raises(SourceError) as error:
        extract(b"//\n\xff\n", "a.go", "go")
    assert (error.value.kind, error.value.fields["line"]) == ("encoding_error", 2)


def test_grammars_name_their_versions() -> None:
    assert installed() == ["python", "typescript", "go", "rust"]
    assert grammar_of("go").startswith("go-0.")
