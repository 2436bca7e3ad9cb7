"""The command line: ``soakproof <stage> [flags]``.

Results go to standard output, talk to standard error.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from soakproof import __version__
from soakproof.commands import COMMANDS
from soakproof.guarded import guarded

__all__ = ["ARGUMENTS", "FLAGS", "Argument", "Flag", "entry", "main", "parser"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag.

    Args:
        commands: which commands have it.
        metavar: what follows it; ``None``: nothing.
        help: what it says.
        bare: where it needs no name.
        repeats: it may be given several times; the texts are joined by spaces.
    """

    commands: frozenset[str]
    metavar: str | None
    help: str
    bare: frozenset[str] = frozenset()
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    """What stands after a command without a dash.

    Args:
        commands: which commands have it; they take theirs in the order of the table.
        metavar: how help calls it.
        help: what it says.
        choices: all that it may be; empty: anything.
        optional: it may be left out.
        many: there may be several, or none; a command gets them as a shell would write them.
    """

    commands: frozenset[str]
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    many: bool = False


_PLANNING: Final = frozenset({"all", "clean"})
_PANEL: Final = frozenset({"selftest", "matrix"})
_MANY: Final = frozenset({"selftest", "repeat", "campaign"})
_SEEDED: Final = frozenset({"repeat", "campaign"})
_CAMPAIGN: Final = frozenset({"campaign"})
_SHRINK: Final = frozenset({"shrink"})
_DEEP: Final = frozenset({"deep"})
_WORKING: Final = frozenset(
    {"anchors", "run", "expect", "extract", "gate", "report", "record", "history", "tally"}
)
_READING: Final = frozenset({"history"})

FLAGS: Final = {
    "campaign": Flag(
        _PLANNING | _MANY | _DEEP, "FILE", "campaign file, or a name in eval/campaigns/"
    ),
    "ops": Flag(_PLANNING | _MANY, "N", "operations of a soak by count (environment: OPS)"),
    "duration": Flag(
        _PLANNING | _SEEDED, "TIME", "a soak by time: 90s, 5m, 1.5h (environment: DURATION)"
    ),
    "workers": Flag(_PLANNING | _SEEDED, "N", "processes at once (environment: WORKERS)"),
    "seed": Flag(_PLANNING | _DEEP | {"matrix"}, "N", "seed of all choices (environment: SEED)"),
    "target_command": Flag(
        _PLANNING | _MANY | _DEEP | {"replay"},
        "CMD",
        "soak this command in place of the target's own",
    ),
    "part_bytes": Flag(
        _PLANNING,
        "N",
        "cut history and samples into parts of this size (environment: PART_BYTES)",
    ),
    "run_id": Flag(
        _PLANNING | _WORKING | {"open", "follow", "replay"},
        "ID",
        "name of the run (environment: RUN_ID; default: new, or latest)",
        bare=frozenset({"open", "follow"}),
    ),
    "gate": Flag(_PLANNING | _MANY | {"gate"}, "FILE", "gate file in place of the campaign's"),
    "in": Flag(frozenset({"gate"}), "FILE", "judge this metrics file; writes no verdict.json"),
    "out": Flag(
        frozenset({"extract", "point", "shrink", "tally"}),
        "FILE",
        "publish the metrics here, not in _ctx/metrics/; of point: its result; of shrink: the "
        "case; of tally: the counts",
    ),
    "faults": Flag(_PLANNING, "KINDS", "only these of the campaign's faults: kill+lock_hold"),
    "key": Flag(_READING, "KEY", "only lines about this module or query"),
    "op": Flag(_READING, "OP", "only lines of this operation, such as op-000012"),
    "around": Flag(_READING, "SECONDS", "only lines within a second of this time of the run"),
    "fault": Flag(_READING, "ID", "only lines around this fault, such as kill-0"),
    "public_key": Flag(
        frozenset({"verify", "workorder"}), "PUB.pem", "it must be signed by this public key"
    ),
    "allow_dirty": Flag(
        frozenset({"all", "record", "replay"}),
        None,
        "close the work order from a dirty tree, and say so",
    ),
    "no_record": Flag(
        frozenset({"all", "replay"}), None, "end with the verdict: nothing outside the run's folder"
    ),
    "seeds": Flag(_SEEDED, "SEEDS", "the seeds: 1..50, 7, or 1..3,9"),
    "grid": Flag(
        _CAMPAIGN,
        "NAME=VALUES",
        "soak each seed with each value: workers=2,4 or ops=… or faults=kill,lock_hold+pause",
        repeats=True,
    ),
    "criterion": Flag(_SHRINK, "ID", "which failure (default: the first, about answers if any)"),
    "repeats": Flag(_SHRINK, "K/N", "a case fails if K of N soaks do (default: 2/3)"),
    "budget": Flag(_SHRINK, "N", "soaks that may be spent (default: 600)"),
    "name": Flag(
        _CAMPAIGN, "NAME", "name of the campaign's folder (default: from all that is asked)"
    ),
    "sample": Flag(_CAMPAIGN, "N", "keep the run of one in N points that passed (default: 200)"),
    "engine": Flag(_CAMPAIGN, "ENGINE", "who soaks: local (default), or dask"),
    "scheduler": Flag(_CAMPAIGN, "ADDRESS", "Dask scheduler (default: a cluster on this machine)"),
    "wheels": Flag(_CAMPAIGN, "DIR", "wheels that travel to Dask's workers (default: built)"),
    "shrink": Flag(_CAMPAIGN, None, "make a small case of each sort of failure"),
    "keep": Flag(_CAMPAIGN, "N", "keep at most so many runs (default: 50)"),
    "only": Flag(_PANEL, "NAMES", "these of the panel, with commas between"),
    "promises": Flag(frozenset({"matrix"}), "NAMES", "these promises, with commas between"),
    "jobs": Flag(
        _MANY | _SHRINK | _DEEP | {"matrix", "tally"},
        "N",
        "soaks, points or processes at once (default: one a processor; of repeat, "
        "shrink, matrix: 1)",
    ),
    "scan": Flag(_DEEP, "NAME", "only this: calibration, kill, error, short, stop or crash"),
    "point": Flag(_DEEP, "N", "only this point of the scan, to see it again"),
    "max_points": Flag(
        _DEEP, "N", "at most so many points of a scan; what is cut off makes it UNKNOWN"
    ),
    "to": Flag(
        frozenset({"export"}), "FILE", "where the tables go: a name in .parquet, .csv or .duckdb"
    ),
    "json": Flag(frozenset(COMMANDS), None, "print the results as JSON, for machines"),
}
"""Every flag, once, for the parser and for the documentation's test."""

ARGUMENTS: Final = {
    "spec": Argument(frozenset({"point"}), "SPEC.json", "what to soak, as a campaign wrote it"),
    "bundle": Argument(
        frozenset({"verify"}), "DIR", "folder of an evidence bundle, or the id of a recorded run"
    ),
    "worker": Argument(
        frozenset({"conform"}), "CMD", "command line of a worker, in one pair of quotes"
    ),
    "run": Argument(
        frozenset({"replay", "shrink", "export"}),
        "RUN",
        "id or folder of an earlier run; of replay: or a case",
    ),
    "first": Argument(frozenset({"compare"}), "A", "a run's id, or the folder of a run or bundle"),
    "second": Argument(frozenset({"compare"}), "B", "another"),
    "action": Argument(frozenset({"workorder"}), "ACTION", "status", choices=("status",)),
    "folder": Argument(
        frozenset({"init"}), "DIR", "the project's folder (default: this one)", optional=True
    ),
    "files": Argument(
        frozenset({"tally"}),
        "FILES",
        "files of lines, also gzip and zstd, or patterns of them (default: those of a run)",
        many=True,
    ),
    "order": Argument(frozenset({"workorder"}), "ID", "a work order (default: all)", optional=True),
}
"""What commands take without a dash, once, for the parser and for the documentation's test."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="soakproof",
        description="Soak a persistent cache until a verdict means something.",
        epilog="exit codes: 0 PASS, 10 FAIL, 11 UNKNOWN, 12 evidence broken, 2 usage or invalid "
        "input, 1 crash, 130 interrupted",
    )
    top.add_argument("--version", action="version", version=f"soakproof {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        about = (command.__doc__ or "").partition("\n")[0]
        sub = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        for dest, argument in ARGUMENTS.items():
            if name in argument.commands:
                sub.add_argument(
                    dest,
                    metavar=argument.metavar,
                    help=argument.help,
                    choices=argument.choices or None,
                    nargs="*" if argument.many else "?" if argument.optional else None,
                )
        for flag, spec in FLAGS.items():
            if name not in spec.commands:
                continue
            option = f"--{flag.replace('_', '-')}"
            if name in spec.bare:
                sub.add_argument(flag, nargs="?", metavar=spec.metavar, help=spec.help)
            elif spec.metavar is None:
                sub.add_argument(option, dest=flag, action="store_const", const="1", help=spec.help)
            elif spec.repeats:
                sub.add_argument(
                    option, dest=flag, metavar=spec.metavar, action="append", help=spec.help
                )
            else:
                sub.add_argument(option, dest=flag, metavar=spec.metavar, help=spec.help)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    given = vars(parser().parse_args(argv))
    command = COMMANDS[given.pop("command")]
    given = {name: _one_text(name, x) for name, x in given.items()}
    return guarded(lambda: command(given))


def _one_text(name: str, value: str | list[str] | None) -> str | None:
    if not isinstance(value, list):
        return value
    return shlex.join(value) if name in ARGUMENTS else " ".join(value)


def entry() -> None:
    """Console script."""
    sys.exit(main())
