"""Extracting symbols from the bytes of one Python file; loaded on a miss only.

The tree comes from ``compile`` (flag ``PyCF_ONLY_AST``), which takes bytes: a byte order mark, a
declared encoding and the locale are its business and come out right.  ``import ast`` is avoided,
it costs a whole interpreter start.  Signatures are cut out of the source text.
"""

import _ast

from trifecta.errors import InvalidInputError, SourceError
from trifecta.jsontext import quote
from trifecta.source_text import SourceText, explain

_ONLY_AST = 0x400

_FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)
# The statements that hold statements.  Definitions occur nowhere else, so expressions are not
# visited: 1.6 instead of 1.0 times ast.walk's speed (measured over the standard library).
# A definition has no fields here: it is more than what it holds.
_NESTED: "dict[type, tuple[str, ...]]" = {
    _ast.FunctionDef: (),
    _ast.AsyncFunctionDef: (),
    _ast.ClassDef: (),
    _ast.If: ("body", "orelse"),
    _ast.For: ("body", "orelse"),
    _ast.AsyncFor: ("body", "orelse"),
    _ast.While: ("body", "orelse"),
    _ast.With: ("body",),
    _ast.AsyncWith: ("body",),
    _ast.Try: ("body", "handlers", "orelse", "finalbody"),
    _ast.TryStar: ("body", "handlers", "orelse", "finalbody"),
    _ast.ExceptHandler: ("body",),
    _ast.Match: ("cases",),
    _ast.match_case: ("body",),
}


def extract(data: bytes, path: str, member: str = "", keep: "list[object] | None" = None) -> str:
    """Give the JSON array of the symbols in *data*, ordered by line and column.

    With *member* only the definitions of that name and what they contain.
    With *keep* the syntax tree is put there and not taken apart.  Raises SourceError when the
    bytes do not parse, InvalidInputError when there is no such member.
    """
    tree = _parse(data, path)
    if keep is not None:
        keep.append(tree)
    text = SourceText(data)
    found: list[tuple[int, int, str]] = []
    # statement lists still to be visited, with the names around them and what a function there is
    pending: list[tuple[list[_ast.stmt], str, str]] = [(tree.body, "", "function")]
    while pending:
        statements, prefix, called = pending.pop()
        for node in statements:
            fields = _NESTED.get(type(node))
            if fields is None:
                continue  # most statements hold no others
            if fields:
                pending.extend((getattr(node, field), prefix, called) for field in fields)
            elif isinstance(node, _ast.ClassDef):
                found.append((node.lineno, node.col_offset, _class(node, prefix, text)))
                pending.append((node.body, f"{prefix}{node.name}.", "method"))
            elif isinstance(node, _FUNCTIONS):
                kind = called if isinstance(node, _ast.FunctionDef) else f"async_{called}"
                found.append((node.lineno, node.col_offset, _function(node, kind, prefix, text)))
                pending.append((node.body, f"{prefix}{node.name}.<locals>.", "function"))
    if member:
        found = _of_member(found, member, path)
    found.sort(key=lambda entry: entry[:2])
    return "[" + ",".join(entry[2] for entry in found) + "]"


def _of_member(
    found: "list[tuple[int, int, str]]", member: str, path: str
) -> "list[tuple[int, int, str]]":
    """Keep what is called *member* (``<locals>`` may be left out) and what is within."""
    wanted = member.replace(".<locals>", "")
    kept = []
    for entry in found:
        text = entry[2].partition(',"qualname":')[2].partition(',"line":')[0]
        qualname = text.replace(".<locals>", "")
        if qualname == quote(wanted) or qualname.startswith(quote(wanted + ".")[:-1]):
            kept.append(entry)
    if not kept:
        raise InvalidInputError(
            "unknown_symbol",
            f"no definition is called {member!r}",
            expected="the qualified name of a class, function or method",
            found=f"{len(found)} others",
            where=repr(path),
            hint="ask for the module to see its names",
        )
    return kept


def _parse(data: bytes, path: str) -> _ast.Module:
    """Parse without a word: what the file's author should be warned of is not the asker's affair.

    A warning would also turn into a syntax error under ``-W error``.
    """
    with _Quiet():
        try:
            tree = compile(data, path, "exec", _ONLY_AST, dont_inherit=True)
        except (SyntaxError, ValueError) as problem:
            raise explain(data, problem) from None
        except (RecursionError, MemoryError):
            message = "nested too deeply for the parser"
            raise SourceError("too_deep", message, line=None, col=None) from None
    assert isinstance(tree, _ast.Module)  # noqa: S101 - what "exec" gives; for the type checker
    return tree


class _Quiet:
    """Ignore warnings for a while, without importing ``warnings`` where nobody else has."""

    def __enter__(self) -> None:
        import sys

        module = sys.modules.get("warnings")
        if module is None:
            from _warnings import filters

            filters.insert(0, ("ignore", None, Warning, None, 0))
            self.catcher = None
            return
        self.catcher = module.catch_warnings()
        self.catcher.__enter__()
        module.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        if self.catcher is None:
            from _warnings import filters

            del filters[0]
        else:
            self.catcher.__exit__(None, None, None)


def _function(
    node: "_ast.FunctionDef | _ast.AsyncFunctionDef", kind: str, prefix: str, text: SourceText
) -> str:
    signature = _type_params(node, text) + "(" + ", ".join(_parameters(node.args, text)) + ")"
    if node.returns is not None:
        signature += " -> " + text.of(node.returns)
    return _symbol(node, kind, prefix + node.name, signature, text)


def _class(node: _ast.ClassDef, prefix: str, text: SourceText) -> str:
    bases = [text.of(base) for base in node.bases]
    for keyword in node.keywords:
        value = text.of(keyword.value)
        bases.append(f"{keyword.arg}={value}" if keyword.arg else f"**{value}")
    signature = _type_params(node, text) + (f"({', '.join(bases)})" if bases else "")
    return _symbol(node, "class", prefix + node.name, signature, text)


def _symbol(
    node: "_ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef",
    kind: str,
    qualname: str,
    signature: str,
    text: SourceText,
) -> str:
    name = node.name
    doc = _doc(node.body)
    is_async = "true" if kind.startswith("async") else "false"
    decorators = ""
    if node.decorator_list:
        decorators = ",".join([quote(text.of(item)) for item in node.decorator_list])
    return (
        f'{{"kind":"{kind}","name":{quote(name)},"qualname":{quote(qualname)},'
        f'"line":{node.lineno},"end_line":{node.end_lineno},"col":{node.col_offset},'
        f'"signature":{quote(signature)},"decorators":[{decorators}],'
        f'"doc":{quote(doc) if doc else "null"},"async":{is_async},'
        f'"visibility":"{_visibility(name)}"}}'
    )


def _visibility(name: str) -> str:
    if not name.startswith("_"):
        return "public"
    if len(name) > 4 and name.startswith("__") and name.endswith("__"):
        return "dunder"
    return "private"


def _doc(body: "list[_ast.stmt]") -> str:
    """Give the first line of the docstring that says something."""
    first = body[0] if body else None
    if isinstance(first, _ast.Expr) and isinstance(first.value, _ast.Constant):
        value = first.value.value
        if isinstance(value, str):
            lines = value.strip().partition("\n")[0].splitlines()
            return lines[0].strip() if lines else ""
    return ""


def _parameters(args: _ast.arguments, text: SourceText) -> list[str]:
    positional = args.posonlyargs + args.args
    without_default = len(positional) - len(args.defaults)
    out: list[str] = []
    for index, arg in enumerate(positional):
        rank = index - without_default
        out.append(_parameter(arg, args.defaults[rank] if rank >= 0 else None, text))
        if index + 1 == len(args.posonlyargs):
            out.append("/")
    if args.vararg is not None:
        out.append("*" + _parameter(args.vararg, None, text))
    elif args.kwonlyargs:
        out.append("*")
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        out.append(_parameter(arg, default, text))
    if args.kwarg is not None:
        out.append("**" + _parameter(args.kwarg, None, text))
    return out


def _parameter(arg: _ast.arg, default: "_ast.expr | None", text: SourceText) -> str:
    if arg.annotation is None:
        return arg.arg if default is None else f"{arg.arg}={text.of(default)}"
    annotated = f"{arg.arg}: {text.of(arg.annotation)}"
    return annotated if default is None else f"{annotated} = {text.of(default)}"


def _type_params(node: _ast.AST, text: SourceText) -> str:
    params = getattr(node, "type_params", None)  # from 3.12 on
    return f"[{', '.join(map(text.of, params))}]" if params else ""
