"""The command line's front door: the everyday question by hand, all else through ``cli``.

``argparse`` alone costs three quarters of an interpreter start, so the one command that is asked
thousands of times a day is read by a few comparisons; whatever they do not know goes to ``cli``.
"""

import gc
import os
import sys

from trifecta.ask import ask, persist_wanted
from trifecta.errors import OutputError
from trifecta.output import say


def main(argv: "list[str] | None" = None) -> int:
    """Run one command; give the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:2] == ["ast", "symbols"]:
        plain = _plain(arguments[2:])
        if plain is not None:
            uri, folder, level, persist = plain
            return ask(uri, folder, persist=persist or persist_wanted(), level=level)
    gc.enable()
    from trifecta.cli import run

    return run(arguments)


def _plain(arguments: "list[str]") -> "tuple[str, str, str, bool] | None":
    """Read the arguments of a question about one URI; None for all that is not so plain."""
    uri, folder, level, persist = "", ".", "", False
    rest = iter(arguments)
    for argument in rest:
        if argument == "--persist-cache":
            persist = True
        elif argument == "--segment":
            folder = next(rest, "-")
        elif argument == "--telemetry":
            level = next(rest, "-")
        elif argument.startswith("-") or uri:
            return None
        else:
            uri = argument
    if not uri or folder.startswith("-") or level not in {"", "off", "lite", "full"}:
        return None
    return uri, folder, level, persist


def entry() -> int:
    """Run as a program.

    Leaves without tearing the interpreter down, which is a sixth of a bare start: every file and
    database has been closed by then, and output is never buffered.
    """
    gc.disable()  # what is asked once and ends leaves no garbage worth looking for
    try:
        code = main()
    except KeyboardInterrupt:
        say("interrupted")
        code = 130
    except OutputError as error:
        say(f"error: {error.sentence()}")
        code = error.exit_code
    except SystemExit as leave:  # argparse
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except OSError as problem:
        code = _starved(problem)
    except BaseException:  # noqa: BLE001 - it is shown as ever; only the way out is ours
        sys.excepthook(*sys.exc_info())
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)


def _starved(problem: OSError) -> int:
    """Say in a line that our own code could not be loaded; anything else is shown as ever.

    Modules are loaded as they are needed, and there may be no descriptor left for the next.
    """
    import errno

    if problem.errno in {errno.EMFILE, errno.ENFILE, errno.EIO}:
        say(f"error: the program itself cannot be read: {problem}")
    else:
        sys.excepthook(type(problem), problem, problem.__traceback__)
    return 1


if __name__ == "__main__":
    entry()
