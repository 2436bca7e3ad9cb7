"""The command line as a whole, with argparse: every command, help and odd spelling."""

import argparse
import time

from trifecta import __version__
from trifecta import telemetry as telemetry_module
from trifecta.ask import ask, fail, persist_wanted, put_line
from trifecta.errors import InvalidInputError, TrifectaError
from trifecta.jsontext import dumps
from trifecta.segment import Segment, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from trifecta.telemetry import Telemetry

    # what a command does: prints its answer and gives what its event says of it
    Work = Callable[[argparse.Namespace, Segment, Telemetry], dict[str, object]]

EPILOG = (
    "Answers are one JSON line on standard output. Exit: 0 answered, 2 the question is wrong,"
    " 3 the source does not parse, 1 crash, 130 interrupted."
)


class _Parser(argparse.ArgumentParser):
    """Complains as the rest does: an object on standard output, one line on standard error."""

    def error(self, message: str) -> "NoReturn":
        hint = f"see {self.prog} --help"
        raise InvalidInputError("usage", message, hint=hint)


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    top = _Parser(prog="trifecta", description=__doc__, epilog=EPILOG, allow_abbrev=False)
    top.description = "Which symbols are in this module? Where in this project is …?"
    top.add_argument("--version", action="version", version=f"trifecta {__version__}")
    areas = top.add_subparsers(dest="area", required=True, metavar="COMMAND")
    ast = areas.add_parser("ast", help="symbols of modules", allow_abbrev=False)
    _add_ast(ast.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    ctx = areas.add_parser("ctx", help="search in the segment's code", allow_abbrev=False)
    _add_ctx(ctx.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    about = areas.add_parser("about", help="print versions and where trifecta is installed")
    about.set_defaults(command="about")
    return top


def _add_ast(commands: "argparse._SubParsersAction[_Parser]") -> None:
    symbols = commands.add_parser(
        "symbols", help="print the symbols of modules", epilog=EPILOG, allow_abbrev=False
    )
    symbols.add_argument("uris", metavar="URI", nargs="+", help="sym://python/mod/<dotted.module>")
    symbols.add_argument("--persist-cache", action="store_true", help="use the cache on disk")
    clear = commands.add_parser("clear-cache", help="empty the cache", allow_abbrev=False)
    stats = commands.add_parser("cache-stats", help="print what the cache holds and has done")
    for command in (symbols, clear, stats):
        _add_common(command)


def _add_ctx(commands: "argparse._SubParsersAction[_Parser]") -> None:
    sync = commands.add_parser("sync", help="bring the search index up to date")
    search = commands.add_parser("search", help="search the segment", allow_abbrev=False)
    search.add_argument("--query", required=True, metavar="TEXT", help="words or identifiers")
    search.add_argument("--limit", type=_positive, default=10, metavar="N", help="hits at most")
    form = search.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON (the default)")
    form.add_argument("--human", action="store_true", help="print for reading")
    for command in (sync, search):
        _add_common(command)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--segment", default=".", metavar="DIR", help="the folder (default: .)")
    command.add_argument("--telemetry", default="", choices=telemetry_module.LEVELS)


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, found {text!r}")
    return int(text)


def run(arguments: "Sequence[str]") -> int:
    """Parse *arguments*, run the command, give the exit code."""
    try:
        options = parser().parse_args(arguments)
    except InvalidInputError as error:
        fail(error, {})
        return error.exit_code
    command = f"{options.area}.{options.command}"
    if command == "about.about":
        from trifecta.about import about

        put_line(dumps(about()))
        return 0
    if command == "ast.symbols":
        persist = options.persist_cache or persist_wanted()
        return ask(options.uris, options.segment, persist=persist, level=options.telemetry)
    return _run_on_segment(command.replace("-", "_"), options, _WORK[command])


def _run_on_segment(command: str, options: argparse.Namespace, work: "Work") -> int:
    started = time.monotonic_ns()
    args: dict[str, object] = {"segment": options.segment[:200]}
    if "query" in options:
        args.update(query=options.query[:200], limit=options.limit)
    telemetry: Telemetry | None = None
    code = 0
    try:
        segment = locate(options.segment)
        telemetry = telemetry_module.for_segment(segment.root, segment.id, options.telemetry)
        result = work(options, segment, telemetry)
    except TrifectaError as error:
        fail(error, args)
        result, code = {"status": "error", "kind": error.kind}, error.exit_code
    else:
        result = {"status": "ok", **result}
    result["exit_code"] = code
    if telemetry is None:
        telemetry = telemetry_module.for_segment("", "", options.telemetry)
    telemetry.emit(command, args, result, (time.monotonic_ns() - started) / 1e6, last=True)
    return code


def _clear_cache(
    _options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.maintenance import clear_cache

    answer = clear_cache(segment, telemetry)
    put_line(dumps(answer))
    return {"cleared": answer["cleared"]}


def _cache_stats(
    _options: argparse.Namespace, segment: Segment, _telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.maintenance import cache_stats

    answer = cache_stats(segment)
    put_line(dumps(answer))
    return {"entries": answer["entries"]}


def _sync(
    _options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.search.command import sync

    answer = sync(segment, telemetry)
    put_line(dumps(answer))
    return {name: answer[name] for name in ("files", "read", "removed")}


def _search(
    options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.search.command import search

    return search(segment, telemetry, options.query, options.limit, human=options.human)


_WORK: "dict[str, Work]" = {
    "ast.clear-cache": _clear_cache,
    "ast.cache-stats": _cache_stats,
    "ctx.sync": _sync,
    "ctx.search": _search,
}
