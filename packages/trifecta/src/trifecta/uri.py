"""Reading a symbol URI.

``sym://python/mod/<dotted.module>`` asks for a module, ``sym://python/type/<module>:<name>`` for
one definition in it and what that contains, ``sym://<language>/mod/<path>`` for a file in another
language.  Pure: no file is looked at here.
"""

from trifecta.errors import InvalidInputError

SCHEME = "sym://"
SUFFIXES = {
    "typescript": (".ts", ".tsx", ".mts", ".cts"),
    "go": (".go",),
    "rust": (".rs",),
}
MAX_LENGTH = 1024  # longer than any path that Linux opens with room for the segment
MAX_PART_BYTES = 240  # a file name has at most 255, and ".py" or a suffix must fit

_FORM = "sym://python/mod/<dotted.module> or sym://python/type/<module>:<name>"


class Target:
    """What a URI asks for: a dotted module, or a path, and perhaps a name in it."""

    __slots__ = ("language", "member", "module", "parts", "uri")

    def __init__(self, uri: str, language: str, module: str, member: str = "") -> None:
        """Keep the parts of a URI that ``parse`` has accepted."""
        self.uri = uri
        self.language = language
        self.module = module
        self.member = member
        self.parts = tuple(module.split("." if language == "python" else "/"))


def parse(uri: str) -> Target:
    """Split *uri* into its parts.

    Raises InvalidInputError (kind ``bad_uri`` or ``unknown_language``) with what was expected and
    what was found.
    """
    if len(uri) > MAX_LENGTH:
        raise _bad(uri, f"at most {MAX_LENGTH} characters", f"{len(uri)}")
    if not uri.startswith(SCHEME):
        raise _bad(uri, _FORM, repr(uri))
    language, _, rest = uri[len(SCHEME) :].partition("/")
    kind, slash, module = rest.partition("/")
    if not slash:
        raise _bad(uri, _FORM, repr(uri))
    if language != "python":
        return _other_language(uri, language, kind, module)
    member = ""
    if kind == "type":
        module, colon, member = module.partition(":")
        if not colon or not member or not member.isprintable():
            raise _bad(uri, "a module, ':' and a name in it", repr(uri))
    elif kind != "mod":
        raise _bad(uri, "'mod' or 'type' after the language", repr(kind))
    for part in module.split("."):
        _check_part(uri, part)
    return Target(uri, language, module, member)


def _other_language(uri: str, language: str, kind: str, path: str) -> Target:
    suffixes = SUFFIXES.get(language)
    if suffixes is None:
        raise InvalidInputError(
            "unknown_language",
            f"no support for the language {language[:40]!r}",
            expected=", ".join(["python", *SUFFIXES]),
            found=repr(language[:40]),
            where=repr(uri),
            hint="ask for a language that is supported",
        )
    if kind != "mod":
        raise _bad(uri, "'mod' after the language", repr(kind))
    if not path.endswith(suffixes):
        raise _bad(uri, f"a path that ends with {' or '.join(suffixes)}", repr(path))
    for part in path.split("/"):
        if part in {".", ".."}:
            raise _bad(uri, "a path within the segment", repr(path))
        _check_part(uri, part)
    return Target(uri, language, path)


def _check_part(uri: str, part: str) -> None:
    """Refuse whatever could not be one name in a folder (or would leave it)."""
    if not part:
        raise _bad(uri, "names separated one by one", repr(uri))
    if not part.isprintable() or "\\" in part or ":" in part or "/" in part:
        raise _bad(uri, "a name without control characters, '/', ':' or '\\'", repr(part))
    if len(part.encode("utf-8", "surrogatepass")) > MAX_PART_BYTES:
        raise _bad(uri, f"names of at most {MAX_PART_BYTES} bytes", f"{len(part)} characters")


def _bad(uri: str, expected: str, found: str) -> InvalidInputError:
    shown = repr(uri if len(uri) <= 80 else uri[:77] + "...")
    return InvalidInputError(
        "bad_uri",
        "not a symbol URI",
        expected=expected,
        found=found,
        where=shown,
        hint=f"write it as {_FORM}",
    )
