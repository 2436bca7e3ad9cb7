"""Does it cost more when there is more?  1,000, 10,000 and 100,000 entries; a long log."""

import time
from pathlib import Path
from random import Random

from speed.effort import Effort
from speed.figure import Figure, Table, ratio, spread
from speed.process import Command, peak_kib, run
from speed.scene import Scene
from speed.stores import RAW, STORES, TRIFECTA, Store
from speed.values import digest, value
from trifecta import SQLiteCache

LIMIT = 1.3
LOG_LINES = 100_000


def measure(scene: Scene, folder: Path, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Measure ``get`` in stores of all sizes in turn, and a hit as a process beside much."""
    opened = {
        (name, size): _filled(folder / f"{name}-{size}".replace(" ", "_"), name, size)
        for name in (TRIFECTA, RAW)
        for size in effort.sizes
    }
    dice = Random(11)  # noqa: S311 - a reproducible order
    get_us: dict[tuple[str, int], list[float]] = {}
    for _ in range(effort.rounds):
        for place, store in opened.items():
            keys = [store.key(dice.randrange(place[1])) for _ in range(effort.gets)]
            get = store.get
            started = time.process_time_ns()
            for key in keys:
                get(key)
            spent = (time.process_time_ns() - started) / len(keys) / 1000
            get_us.setdefault(place, []).append(spent)
    for store in opened.values():
        store.close()
    low, high = effort.sizes[0], effort.sizes[-1]
    lines = [
        Figure(
            f"get at {high:,} entries / at {low:,}",
            ratio(get_us[TRIFECTA, high], get_us[TRIFECTA, low]),
            LIMIT,
        ),
        Figure(
            f"the same with a raw prepared SELECT: at {high:,} / at {low:,}",
            ratio(get_us[RAW, high], get_us[RAW, low]),
        ),
    ]
    rows = tuple((name, f"{size:,}", spread(values, 2)) for (name, size), values in get_us.items())
    title = "Growth of `get` in process, keys at random"
    tables = [Table(title, ("store", "entries", "CPU, µs"), rows)]
    more, table = _processes(scene, effort)
    return [*lines, *more], [*tables, table]


def _filled(place: Path, name: str, size: int) -> Store:
    place.mkdir(parents=True)
    store = STORES[name](place)
    for start in range(0, size, 1000):
        numbers = range(start, min(start + 1000, size))
        store.fill((store.key(number), value(number)) for number in numbers)
    return store


def _processes(scene: Scene, effort: Effort) -> tuple[list[Figure], Table]:
    """Ask the same warm question beside little, beside many entries and beside a long log."""
    size = effort.sizes[-1]
    alone, entries, log = "beside nothing", f"beside {size:,} entries", f"and {LOG_LINES:,} events"
    commands: dict[str, Command] = {}
    for number, name in enumerate((alone, entries, log)):
        segment = scene.segment(f"growth{number}")
        (segment / "warm.py").write_text("def answer() -> int:\n    return 42\n")
        ask = [scene.trifecta, "ast", "symbols", "sym://python/mod/warm", "--persist-cache"]
        commands[name] = [*ask, "--segment", str(segment)]
        run(commands[name])
        if name != alone:
            database = next((segment / ".trifecta" / "cache").glob("*.db"))
            _crowd(database, size)
        if name == log:
            events = segment / "_ctx" / "telemetry" / "events.jsonl"
            events.write_bytes(events.read_bytes() * (LOG_LINES // 4))
    cpu: dict[str, list[float]] = {}
    for _ in range(effort.rounds):
        for name, command in commands.items():
            spent = [run(command).cpu_s for _ in range(effort.starts)]
            cpu.setdefault(name, []).append(sum(spent) / len(spent) * 1000)
    lines = [
        Figure(f"warm hit as a process, CPU: {name} / {alone}", ratio(cpu[name], cpu[alone]))
        for name in (entries, log)
    ]
    rows = tuple(
        (name, spread(cpu[name]), f"{peak_kib(command) / 1024:.1f}")
        for name, command in commands.items()
    )
    head = ("warm hit as a process", "CPU, ms", "largest resident set, MiB")
    return lines, Table("Growth of a warm hit", head, rows)


def _crowd(database: Path, size: int) -> None:
    """Put many other entries beside the one that is asked for."""
    with SQLiteCache(str(database), max_bytes=1 << 30) as cache:
        for start in range(0, size, 1000):
            numbers = range(start, min(start + 1000, size))
            cache.set_many((digest(number), value(number), 0) for number in numbers)
