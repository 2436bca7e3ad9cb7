"""Measure ``soakproof tally`` beside what one would use instead, on events with planted damage.

``python eval/scripts/tally_speed.py [--events N] [--rounds N] [--folder DIR] [--page FILE]
[--json FILE]`` writes a file of events with 15 damaged lines, lets each contestant count it in
turns, prints one table and, with ``--page``, puts it into that page between its marks; with
``--json`` it leaves what it measured there. Nothing is asserted.

Each contestant counts events by command and status and tells quantiles of their time by command,
as one would write it; it is a process of its own, and CPU is that of all processes it starts.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from soakproof.dice import stream

BEGIN: Final = "<!-- begin: written by nox -s counting; change the text around it, not this -->"
END: Final = "<!-- end: written by nox -s counting -->"
LOOK_S: Final = 0.02
MB: Final = 1e6
PER_CENT: Final = 100

JSON_LOOP: Final = """
import collections, json, sys
counts, times, bad = collections.Counter(), collections.defaultdict(list), []
with open(sys.argv[1], "rb") as file:
    for number, line in enumerate(file, 1):
        if line == b"\\n":
            continue
        try:
            event = json.loads(line)
            cmd, took, result = event["cmd"], event["timing_ms"], event["result"]
            if not isinstance(cmd, str) or not isinstance(took, (int, float)):
                raise ValueError
            status = result.get("status")
        except (ValueError, KeyError, TypeError, AttributeError):
            bad.append(number)
            continue
        counts[cmd, status] += 1
        times[cmd].append(took)
for took in times.values():
    took.sort()
    [took[int(share * len(took))] for share in (0.5, 0.9, 0.95, 0.99, 0.999)]
print(json.dumps({"events": counts.total(), "bad": len(bad)}))
"""

DUCKDB: Final = """
import duckdb, json, sys
database = duckdb.connect()
database.execute("set threads = " + sys.argv[2])
rows = database.execute('''
    select cmd, result.status, count(*), quantile_cont(timing_ms, [0.5, 0.9, 0.95, 0.99, 0.999])
    from read_json(?, format = 'newline_delimited', ignore_errors = true, columns = {
        cmd: 'VARCHAR', timing_ms: 'DOUBLE', result: 'STRUCT(status VARCHAR, waited_ms DOUBLE)',
        ts: 'VARCHAR', run_id: 'VARCHAR', segment_id: 'VARCHAR', warnings: 'VARCHAR[]'})
    group by all''', [sys.argv[1]]).fetchall()
bad = sum(row[2] for row in rows if row[0] is None)
print(json.dumps({"events": sum(row[2] for row in rows) - bad, "bad": bad}))
"""

BUSY: Final = "sum(range(40_000_000))"

POLARS: Final = """
import json, sys
import polars as pl
schema = {"cmd": pl.String, "timing_ms": pl.Float64, "ts": pl.String, "run_id": pl.String,
          "result": pl.Struct({"status": pl.String, "waited_ms": pl.Float64})}
rows = (pl.scan_ndjson(sys.argv[1], schema=schema, ignore_errors=True)
    .group_by("cmd", pl.col("result").struct.field("status"))
    .agg(pl.len(), *(pl.col("timing_ms").quantile(q).alias(str(q)) for q in (0.5, 0.95, 0.99)))
    .collect(engine="streaming"))
bad = int(rows.filter(pl.col("cmd").is_null())["len"].sum())
print(json.dumps({"events": int(rows["len"].sum()) - bad, "bad": bad}))
"""

JQ: Final = """
reduce (inputs | select(. != "")) as $line ({events: 0, bad: 0};
  (try ($line | fromjson | [.cmd, .result.status, .timing_ms]) catch null) as $event
  | if $event == null then .bad += 1
    else .events += 1 | .counts[$event[0] + "/" + $event[1]] += 1 end)
| {events, bad}
"""


@dataclass
class Contestant:
    """A program that counts.

    Args:
        name: as it is shown.
        argv: how it is started.
        most_rounds: it is asked no more often than that: it is slow.
    """

    name: str
    argv: list[str]
    most_rounds: int = 99
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    resident_mb: float = 0.0
    told: str = ""
    named: set[tuple[str, int]] = field(default_factory=set)
    """Files and lines that it said cannot be read; nothing where it only counts them."""


def events(number: int, dice: Random) -> Iterator[bytes]:
    """Yield events such as trifecta tells them: mostly hits of a third of a millisecond."""
    sorts = [
        ("ast.cache.hit", "hit", 0.33, 0.25, 0.46),
        ("ast.symbols", "ok", 4.6, 1.0, 0.40),
        ("ast.cache.miss", "miss", 37.0, 0.5, 0.06),
        ("ast.cache.write", "written", 17.0, 0.9, 0.05),
        ("ast.cache.lock_wait", "waited", 25.0, 1.0, 0.03),
    ]
    chosen = dice.choices(sorts, [sort[-1] for sort in sorts], k=number)
    for at, (cmd, status, middle, spread, _) in enumerate(chosen):
        took_ms = round(middle * dice.lognormvariate(0, spread), 3)
        result: dict[str, Any] = {"status": status}
        if status == "waited":
            result |= {"for": "file_lock", "waited_ms": took_ms}
        if status == "miss":
            result |= {"parse_ms": took_ms / 2, "source_bytes": at % 50_000}
        event = {
            "ts": f"2026-11-21T05:39:22.{at % 1_000_000:06}Z",
            "run_id": "20261121T053922Z-ast_cache",
            "segment_id": "segment",
            "cmd": cmd,
            "args": {"uri": "sym://python/mod/_pyrepl.curses", "path": "_pyrepl/curses.py"},
            "result": result,
            "timing_ms": took_ms,
            "warnings": [],
            "x": {"op": f"op-{at // 3:06}", "seq": at % 3 + 1, "pid": at // 3, "mono_ns": at * 977},
        }
        yield json.dumps(event, separators=(",", ":")).encode()


def damaged(line: bytes, sort: int) -> bytes:
    """Return a line as a kill, a full disk, a bad byte or another program leaves it."""
    return [
        line[:-40],
        line[:60] + line,
        line.replace(b"_pyrepl/", b"_py\xffepl/"),
        line.replace(b'"cmd":"', b'"cmd":"\xc3\x28'),
        line.replace(b'"timing_ms":', b'"timing_ms":"soon","was":'),
    ][sort]


def write_events(path: Path, number: int, planted: int) -> set[tuple[str, int]]:
    """Write the file: each event between line feeds, as trifecta does; return the damaged lines."""
    dice = stream(1, "tally-speed")
    at_lines = set(range(number // planted // 2, number, number // planted))
    sorts, lines = iter(range(planted)), set()
    with path.open("wb") as file:
        for at, line in enumerate(events(number, dice)):
            bad = at in at_lines and (sort := next(sorts, None)) is not None
            file.write(b"\n%b\n" % (damaged(line, sort % 5) if bad else line))
            if bad:
                lines.add((str(path), 2 * at + 2))  # an empty line stands before each event
    return lines


def measure(one: Contestant) -> None:
    """Let a contestant count once."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with subprocess.Popen(one.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        never = threading.Event()
        while process.poll() is None:
            one.resident_mb = max(one.resident_mb, resident_mb(process.pid))
            never.wait(LOOK_S)
        one.wall_s.append(time.monotonic() - began_s)
        out, err = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    one.cpu_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    one.told, one.named = told(out, err), named(out)


def told(out: bytes, err: bytes) -> str:
    """Return how many lines a contestant could not read, or how it ended."""
    try:
        document = json.loads(out)
    except ValueError:
        return "stopped: " + err.decode("utf-8", "replace").strip().rpartition("\n")[2][:60]
    if "bad" in document:
        return str(document["bad"])
    return f"{document['unreadable_lines']}, with numbers"


def named(out: bytes) -> set[tuple[str, int]]:
    """Return the files and lines that a contestant named as unreadable."""
    try:
        document = json.loads(out)
    except ValueError:
        return set()
    return {(one["file"], one["line"]) for one in document.get("unreadable", ())}


def resident_mb(pid: int) -> float:
    """Return what a process and its children have in memory now."""
    total = 0
    for one in family(pid):
        try:
            total += int(Path(f"/proc/{one}/statm").read_text("ascii").split()[1])
        except (OSError, IndexError):
            continue  # it has ended
    return total * os.sysconf("SC_PAGE_SIZE") / MB


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return [pid]
    return [pid, *map(int, children)]


def contestants(path: Path) -> list[Contestant]:
    """Return who counts; what is not installed is left out, and said."""
    python = [sys.executable, "-c"]
    tally = [sys.executable, "-m", "soakproof", "tally", "--json", str(path), "--jobs"]
    found = [
        Contestant("soakproof tally, one process", [*tally, "1"]),
        Contestant("soakproof tally, two processes", [*tally, "2"]),
        Contestant("a loop around `json`", [*python, JSON_LOOP, str(path)]),
    ]
    if installed("duckdb"):
        found += [
            Contestant(f"DuckDB, {count} threads", [*python, DUCKDB, str(path), count])
            for count in ("1", "2")
        ]
    if installed("polars"):
        found.append(Contestant("Polars", [*python, POLARS, str(path)]))
    if jq := shutil.which("jq"):
        found.append(Contestant("jq", [jq, "-n", "-R", "-c", JQ, str(path)], most_rounds=1))
    return found


def installed(name: str) -> str | None:
    """Return the version of a package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        print(f"{name} is not installed: left out", file=sys.stderr)
        return None


def spread(values: list[float], digits: int) -> str:
    """Return median and, where there is one, spread."""
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})"  # noqa: RUF001 - a range


def table(found: list[Contestant], size_bytes: int) -> list[str]:
    """Return the table as Markdown."""
    loop = next(one for one in found if "json" in one.name and "loop" in one.name)
    rows = [
        "| program | time, s | CPU, s | MB a CPU second | CPU of the loop / its CPU "
        "| resident, MB | bad lines told |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in found:
        ratios = [mine / his for mine, his in zip(loop.cpu_s, one.cpu_s, strict=False)]
        rate = size_bytes / MB / statistics.median(one.cpu_s)
        rows.append(
            f"| {one.name} | {spread(one.wall_s, 2)} | {spread(one.cpu_s, 2)} | {rate:.0f} "
            f"| {spread(ratios, 2)} | {one.resident_mb:.0f} | {one.told} |"
        )
    return rows


def side_by_side() -> float:
    """Return how much longer two busy processes take side by side than one: 1 on two free cores."""
    took_s = []
    for together in (1, 2):
        began_s = time.monotonic()
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(together)]
        for process in busy:
            process.wait()
        took_s.append(time.monotonic() - began_s)
    return took_s[1] / took_s[0]


def heading(number: int, planted: int, size_bytes: int, rounds: int) -> list[str]:
    """Return what was measured, and on what."""
    versions = ", ".join(
        f"{name} {version}"
        for name in ("soakproof", "msgspec", "duckdb", "polars")
        if (version := installed(name))
    )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return [
        f"- Taken on {datetime.now(UTC):%Y-%m-%d} with CPython {platform.python_version()}, "
        f"{versions}.",
        f"- {number:,} events in {size_bytes / MB:.0f} MB, {planted} of them damaged; "
        f"{rounds} rounds in turns.",
        f"- {os.cpu_count()} cores, Linux {platform.release()}, load average at the end {load}.",
        f"- Two busy processes side by side took {side_by_side():.1f} times as long as one: 1.0 is "
        "two free cores, 2.0 is one, and then two processes cannot be faster.",
    ]


def publish(page: Path, lines: list[str]) -> None:
    """Put lines between the marks of a page."""
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{page}: expected the marks {BEGIN!r} and {END!r}, found none")
    page.write_text("\n".join([before + begin, "", *lines, "", end + after]), "utf-8")


def document(found: list[Contestant], damaged_lines: set[tuple[str, int]]) -> dict[str, Any]:
    """Return what was measured as plain data; ``named``: how many damaged lines it named rightly.

    A line that is named and is not damaged counts against it.
    """
    return {
        "planted": len(damaged_lines),
        "contestants": [
            {
                "name": one.name,
                "wall_s": one.wall_s,
                "cpu_s": one.cpu_s,
                "resident_mb": one.resident_mb,
                "told": one.told,
                "named": len(one.named & damaged_lines) - len(one.named - damaged_lines),
            }
            for one in found
        ],
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--planted", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tally-speed-", dir=asked.folder) as folder:
        path = Path(folder) / "events.jsonl"
        lines_damaged = write_events(path, asked.events, asked.planted)
        found, size_bytes = contestants(path), path.stat().st_size
        for number in range(asked.rounds):
            turn = number % len(found)
            for one in found[turn:] + found[:turn]:
                if len(one.wall_s) < one.most_rounds:
                    measure(one)
                    print(f"{one.name}: {one.wall_s[-1]:.2f} s", file=sys.stderr)
    lines = heading(asked.events, asked.planted, size_bytes, asked.rounds)
    lines += ["", *table(found, size_bytes)]
    print("\n".join(lines))
    if asked.page is not None:
        publish(asked.page, lines)
    if asked.json is not None:
        asked.json.write_text(json.dumps(document(found, lines_damaged)), "utf-8")


if __name__ == "__main__":
    main()
