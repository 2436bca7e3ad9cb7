"""One question as one process: a hit and a miss beside a bare interpreter and other tools."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from speed.effort import Effort
from speed.figure import Figure, Ratio, Table, ratio, spread
from speed.process import Command, Counter, MeasurementError, peak_kib, run
from speed.scene import Scene, typical_module
from speed.tools import tree_sitter_command, universal_ctags

HIT_LIMIT = 1.3
MISS_LIMIT = 2.0
BARE, HIT, MISS, CTAGS, TREE_SITTER = (
    "python -c pass",
    "trifecta, hit",
    "trifecta, miss and store",
    "universal-ctags",
    "tree-sitter script",
)


@dataclass(frozen=True, slots=True)
class Series:
    """What the rounds gave, by program."""

    cpu_ms: dict[str, list[float]]
    instructions: dict[str, list[float]]


class Asker:
    """Makes the commands; each miss asks about a module that nobody has asked about."""

    def __init__(self, scene: Scene, modules: int) -> None:
        self.scene = scene
        self.source = typical_module()
        self.segment = scene.segment("one")
        text = self.source.read_bytes()
        (self.segment / "warm.py").write_bytes(text)
        # made in advance: a file that was touched just now is read twice
        for number in range(modules):
            (self.segment / f"m{number}.py").write_bytes(text + b"# %d\n" % number)
        self._fresh: Iterator[int] = count()
        run(self.ask("warm"))

    def ask(self, module: str) -> Command:
        uri = f"sym://python/mod/{module}"
        # through the interpreter, as the kernel would from the script's first line: callgrind
        # and perf count a shell's or the kernel's detour differently
        program = [self.scene.python, self.scene.trifecta, "ast", "symbols", uri]
        return [*program, "--segment", str(self.segment), "--persist-cache"]

    def commands(self) -> dict[str, Command]:
        """Give what is run in one turn, by name."""
        made: dict[str, Command] = {
            BARE: [self.scene.python, "-c", "pass"],
            HIT: self.ask("warm"),
            MISS: self.ask(f"m{next(self._fresh)}"),
        }
        source = str(self.segment / "warm.py")
        ctags = universal_ctags()
        if ctags:
            made[CTAGS] = [ctags, "--languages=python", "-f", "-", source]
        script = tree_sitter_command()
        if script:
            made[TREE_SITTER] = [*script, source]
        return made


def measure(
    scene: Scene, effort: Effort, counter: Counter | None
) -> tuple[list[Figure], list[Table]]:
    """Measure in turns; CPU over several processes a round, instructions over few."""
    turns = effort.rounds * effort.starts + effort.counted + 1
    asker = Asker(scene, turns)
    series = Series({}, {})
    for _ in range(effort.rounds):
        sums: dict[str, float] = {}
        for _ in range(effort.starts):
            for name, command in asker.commands().items():
                sums[name] = sums.get(name, 0.0) + run(command).cpu_s
        for name, seconds in sums.items():
            series.cpu_ms.setdefault(name, []).append(seconds / effort.starts * 1000)
    if counter is not None:
        for _ in range(effort.counted):
            for name, command in asker.commands().items():
                series.instructions.setdefault(name, []).append(float(counter(command)))
    peaks = {name: peak_kib(command) for name, command in asker.commands().items()}
    return figures(series), [table(series, peaks, asker.source)]


def figures(series: Series) -> list[Figure]:
    """Compare with the bare interpreter, and with the other programs."""
    lines: list[Figure] = []
    for name, limit in ((HIT, HIT_LIMIT), (MISS, MISS_LIMIT)):
        for what, values in (("instructions", series.instructions), ("CPU", series.cpu_ms)):
            title = f"{name}, {what} / {BARE}"
            if values:
                lines.append(Figure(title, ratio(values[name], values[BARE]), limit))
            else:
                lines.append(Figure(title, None, limit, note="no counter on this machine"))
    for name in (CTAGS, TREE_SITTER):
        title = f"{name} on the same file, CPU / {HIT}"
        found: Ratio | None = None
        if name in series.cpu_ms:
            found = ratio(series.cpu_ms[name], series.cpu_ms[HIT])
        lines.append(Figure(title, found, note="" if found else "not installed"))
    return lines


def table(series: Series, peaks: dict[str, int], source: Path) -> Table:
    """Show what stands behind the figures."""
    if series.cpu_ms.keys() != peaks.keys():
        raise MeasurementError("expected every program in every round")
    rows = [
        (
            name,
            spread(series.cpu_ms[name]),
            spread([value / 1e6 for value in series.instructions.get(name, [0.0])], 2),
            f"{peaks[name] / 1024:.1f}",
        )
        for name in series.cpu_ms
    ]
    title = f"One process, one file of {source.stat().st_size:,} bytes (`{source.name}`)"
    head = ("program", "CPU, ms", "user instructions, millions", "largest resident set, MiB")
    return Table(title, head, tuple(rows))
