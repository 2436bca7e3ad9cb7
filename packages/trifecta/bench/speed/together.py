"""Four processes at one store, 80 % get and 20 % set: how much, how long, and what went wrong."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from speed.effort import Effort
from speed.figure import Figure, Table, ratio, spread
from speed.process import ENVIRONMENT
from speed.stores import DEFAULT, FIRST, LRU, ON_DISK, TRIFECTA

PROCESSES = 4
LRU_LIMIT = 4.0
FIRST_LIMIT = 50.0
_HERE = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Result:
    """What the rounds of one store gave."""

    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    gets_us: list[float] = field(default_factory=list)
    sets_us: list[float] = field(default_factory=list)
    trouble: Counter[str] = field(default_factory=Counter)


class Team:
    """The processes at one store; idle between rounds."""

    def __init__(self, folder: Path, name: str, keys: int) -> None:
        place = str(folder / name.replace(" ", "_"))
        command = [sys.executable, "-m", "speed.worker", name, place, str(keys)]
        self.result = Result()
        self.members = [
            subprocess.Popen(
                [*command, str(seed)],
                cwd=_HERE,
                env=ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for seed in range(PROCESSES)
        ]
        for member in [*self.members]:
            refused = self._hear(member).get("refused")
            if refused:
                self.result.trouble[f"not opened: {refused}"] += 1
                self.members.remove(member)
                self._end(member)

    @staticmethod
    def _hear(member: "subprocess.Popen[str]") -> "dict[str, object]":
        line = member.stdout.readline() if member.stdout else ""
        heard: dict[str, object] = json.loads(line) if line else {"refused": "died"}
        return heard

    def play(self, seconds: float) -> None:
        """Let all run at once for a while; add up what they report."""
        for member in self.members:
            if member.stdin:
                member.stdin.write(f"{seconds}\n")
                member.stdin.flush()
        done = cpu = rate = 0.0
        for member in self.members:
            heard = self._hear(member)
            elapsed, cpu_s = heard.get("elapsed_s"), heard.get("cpu_s")
            gets, sets, trouble = heard.get("gets_ns"), heard.get("sets_ns"), heard.get("trouble")
            if (
                isinstance(elapsed, float)
                and isinstance(cpu_s, float)
                and isinstance(gets, list)
                and isinstance(sets, list)
                and isinstance(trouble, dict)
            ):
                self.result.gets_us += [time / 1000 for time in gets]
                self.result.sets_us += [time / 1000 for time in sets]
                self.result.trouble.update(trouble)
                done += len(gets) + len(sets)
                rate += (len(gets) + len(sets)) / elapsed
                cpu += cpu_s
            else:
                self.result.trouble["died"] += 1
        self.result.per_second.append(rate)
        self.result.cpu_us.append(cpu / done * 1e6 if done else 0.0)

    def end(self) -> None:
        """Let all go home."""
        for member in self.members:
            self._end(member)

    @staticmethod
    def _end(member: "subprocess.Popen[str]") -> None:
        if member.stdin:
            member.stdin.close()
        if member.stdout:
            member.stdout.close()
        try:
            member.wait(30)
        except subprocess.TimeoutExpired:
            member.kill()
            member.wait()


def measure(folder: Path, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Let each store's team play in turn; the stores lie filled in *folder*."""
    teams: dict[str, Team] = {}
    try:
        for name in ON_DISK:
            teams[name] = Team(folder, name, effort.keys)
        for turn in range(effort.together_rounds):
            names = list(teams)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                teams[name].play(effort.together_s)
    finally:
        for team in teams.values():
            team.end()
    results = {name: team.result for name, team in teams.items()}
    return figures(results), [table(results, effort)]


def figures(results: dict[str, Result]) -> list[Figure]:
    """Compare throughput."""
    ours = results[TRIFECTA].per_second
    limits = {LRU: LRU_LIMIT, DEFAULT: 1.0, FIRST: FIRST_LIMIT}
    return [
        Figure(
            f"{PROCESSES} processes at 80/20, operations a second: trifecta / {name}",
            ratio(ours, results[name].per_second),
            limit,
            at_most=False,
        )
        for name, limit in limits.items()
    ]


def table(results: dict[str, Result], effort: Effort) -> Table:
    """Show what stands behind the figures, and what went wrong where."""
    rows = []
    for name, result in results.items():
        wrong = ", ".join(f"{count} × {what}" for what, count in sorted(result.trouble.items()))
        rows.append(
            (
                name,
                spread(result.per_second or [0.0], 0),
                spread(result.cpu_us or [0.0]),
                _latency(result.gets_us),
                _latency(result.sets_us),
                wrong or "nothing",
            )
        )
    head = (
        "store",
        "operations a second",
        "CPU of one, µs",
        "get p50 / p95 / max, µs",
        "set p50 / p95 / max, µs",
        "wrong",
    )
    title = f"{PROCESSES} processes, 80 % get and 20 % set, {effort.keys:,} keys"
    return Table(title, head, tuple(rows))


def _latency(times: list[float]) -> str:
    if len(times) < 2:
        return "–"
    cuts = quantiles(times, n=20)
    return f"{cuts[9]:,.0f} / {cuts[18]:,.0f} / {max(times):,.0f}"
