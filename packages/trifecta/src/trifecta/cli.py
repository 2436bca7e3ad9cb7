"""The command line as a whole, with argparse: every command, help and odd spelling."""

import argparse
import time

from trifecta import __version__, batch
from trifecta import telemetry as telemetry_module
from trifecta.ask import ask, locate_or_fail, persist_wanted, say_trouble
from trifecta.errors import InvalidInputError, TrifectaError
from trifecta.output import SHOWN, fail, put
from trifecta.segment import Segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from trifecta.telemetry import Telemetry

    # what a command does: prints its answer and gives what its event says of it
    Work = Callable[[argparse.Namespace, Segment, Telemetry], dict[str, object]]

EPILOG = (
    "Answers are JSON lines on standard output. Exit: 0 answered, 2 the question is wrong,"
    " 3 the source does not parse, 1 crash, 130 interrupted."
)


class _Parser(argparse.ArgumentParser):
    """Complains as the rest does: an object on standard output, one line on standard error."""

    def error(self, message: str) -> "NoReturn":
        hint = f"see {self.prog} --help"
        raise InvalidInputError("usage", message, hint=hint)


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    top = _Parser(prog="trifecta", epilog=EPILOG, allow_abbrev=False)
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
    symbols.add_argument("uris", metavar="URI", nargs="*", help="sym://python/mod/<dotted.module>")
    symbols.add_argument("--stdin", action="store_true", help="read URIs, one a line")
    symbols.add_argument("--all", action="store_true", help="every module of the segment")
    symbols.add_argument("--persist-cache", action="store_true", help="use the cache on disk")
    warm = commands.add_parser("warm", help="fill the cache with every module of the segment")
    clear = commands.add_parser("clear-cache", help="empty the cache", allow_abbrev=False)
    stats = commands.add_parser("cache-stats", help="print what the cache holds and has done")
    for command in (symbols, warm):
        command.add_argument("--jobs", type=_positive, metavar="N", help="processes that parse")
    for command in (symbols, warm, clear, stats):
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


def _check_asked(options: argparse.Namespace) -> None:
    given = bool(options.uris) + options.stdin + options.all
    if given != 1:
        raise InvalidInputError(
            "usage",
            "what is asked about?",
            expected="URIs, or --stdin, or --all",
            found="several of them" if given else "none of them",
            hint="see trifecta ast symbols --help",
        )


def run(arguments: "Sequence[str]") -> int:
    """Parse *arguments*, run the command, give the exit code."""
    try:
        options = parser().parse_args(arguments)
        command = f"{options.area}.{options.command}"
        if command == "ast.symbols":
            _check_asked(options)
    except InvalidInputError as error:
        fail(error, {})
        return error.exit_code
    if command == "about.about":
        from trifecta.about import about

        put(about())
        return 0
    if command == "ast.symbols" and len(options.uris) == 1:
        persist = options.persist_cache or persist_wanted()
        return ask(options.uris[0], options.segment, persist=persist, level=options.telemetry)
    return _run_on_segment(command.replace("-", "_"), options, _WORK[command])


def _run_on_segment(command: str, options: argparse.Namespace, work: "Work") -> int:
    started = time.monotonic_ns()
    args: dict[str, object] = {"segment": options.segment[:SHOWN]}
    if "query" in options:
        args.update(query=options.query[:SHOWN], limit=options.limit)
    segment = locate_or_fail(command, args, options.segment, options.telemetry)
    if segment is None:
        return 2
    telemetry = telemetry_module.for_segment(segment.root, segment.id, options.telemetry)
    try:
        result = {"status": "ok", "exit_code": 0, **work(options, segment, telemetry)}
    except TrifectaError as error:
        result = {"status": "error", "kind": error.kind, "exit_code": error.exit_code}
        fail(error, args)
    telemetry.emit(command, args, result, (time.monotonic_ns() - started) / 1e6, last=True)
    say_trouble(telemetry)
    code = result["exit_code"]
    return code if isinstance(code, int) else 1


def _symbols(
    options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    if options.all:
        uris = batch.every_module(segment)
    else:
        uris = batch.lines_of_stdin() if options.stdin else iter(options.uris)
    persist = options.persist_cache or persist_wanted()
    jobs = batch.jobs_wanted(options.jobs) if options.all else 1
    return batch.answer_all(segment, telemetry, uris, persist=persist, jobs=jobs)


def _warm(
    options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    jobs = batch.jobs_wanted(options.jobs)
    done = batch.warm(segment, telemetry, jobs)
    put({"status": "ok", "segment_id": segment.id, **done})
    return done


def _clear_cache(
    _options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.maintenance import clear_cache

    answer = clear_cache(segment, telemetry)
    put(answer)
    return {"cleared": answer["cleared"]}


def _cache_stats(
    _options: argparse.Namespace, segment: Segment, _telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.maintenance import cache_stats

    answer = cache_stats(segment)
    put(answer)
    return {"entries": answer["entries"]}


def _sync(
    _options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.search.command import sync

    answer = sync(segment, telemetry)
    put(answer)
    return {name: answer[name] for name in ("index", "files", "read", "removed")}


def _search(
    options: argparse.Namespace, segment: Segment, telemetry: "Telemetry"
) -> dict[str, object]:
    from trifecta.search.command import search

    return search(segment, telemetry, options.query, options.limit, human=options.human)


_WORK: "dict[str, Work]" = {
    "ast.symbols": _symbols,
    "ast.warm": _warm,
    "ast.clear-cache": _clear_cache,
    "ast.cache-stats": _cache_stats,
    "ctx.sync": _sync,
    "ctx.search": _search,
}
