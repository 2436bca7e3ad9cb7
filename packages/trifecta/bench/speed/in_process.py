"""``get`` and ``set`` in one process: 2 kB values, each store as often as the others, in turn."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from speed.effort import Effort
from speed.figure import Figure, Table, ratio, spread
from speed.process import MeasurementError
from speed.stores import DEFAULT, LRU, MEMORY, RAW, RAW_BY_ID, STORES, TRIFECTA, Store
from speed.values import value

GET_LIMIT = 1.1
REPEATED_LIMIT = 20.0
LRU_LIMIT = 6.0
_HOT = 100  # keys that are asked for again and again


@dataclass(slots=True)
class Series:
    """Microseconds an operation, a number a round."""

    get_us: dict[str, list[float]] = field(default_factory=dict)
    hot_us: dict[str, list[float]] = field(default_factory=dict)
    put_us: dict[str, list[float]] = field(default_factory=dict)


def measure(folder: Path, effort: Effort) -> tuple[list[Figure], list[Table]]:
    """Fill every store, measure in turns, and leave them filled in *folder*."""
    opened = {name: _filled(folder, name, effort.keys) for name in STORES}
    dice = Random(7)  # noqa: S311 - a reproducible order
    fresh = count(effort.keys)
    series = Series()
    for turn in range(effort.rounds):
        names = list(opened)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            store = opened[name]
            numbers = [dice.randrange(effort.keys) for _ in range(effort.gets)]
            hot = [number % _HOT for number in numbers]
            series.get_us.setdefault(name, []).append(_gets(store, numbers))
            series.hot_us.setdefault(name, []).append(_gets(store, hot))
            new = [next(fresh) for _ in range(effort.sets)]
            series.put_us.setdefault(name, []).append(_puts(store, new))
    for store in opened.values():
        store.close()
    return figures(series), [table(series, effort)]


def _filled(folder: Path, name: str, keys: int) -> Store:
    place = folder / name.replace(" ", "_")
    place.mkdir(parents=True)
    store = STORES[name](place)
    for start in range(0, keys, 1000):
        numbers = range(start, min(start + 1000, keys))
        store.fill((store.key(number), value(number)) for number in numbers)
    wrong = [n for n in range(0, keys, 97) if store.get(store.key(n)) != value(n)]
    if wrong:
        raise MeasurementError(f"{name}: expected its own values, found others for {wrong[:5]}")
    return store


def _gets(store: Store, numbers: list[int]) -> float:
    keys, get = list(map(store.key, numbers)), store.get
    return _timed(lambda: [get(key) for key in keys], len(keys), time.process_time_ns)


def _puts(store: Store, numbers: list[int]) -> float:
    """Give the wall time: some stores write in a thread, and all wait for the disk."""
    pairs, put = [(store.key(number), value(number)) for number in numbers], store.put
    return _timed(lambda: [put(*pair) for pair in pairs], len(pairs), time.perf_counter_ns)


def _timed(work: Callable[[], object], times: int, clock: Callable[[], int]) -> float:
    started = clock()
    work()
    return (clock() - started) / times / 1000


def figures(series: Series) -> list[Figure]:
    """Compare what the issue compares."""
    get, hot = series.get_us, series.hot_us
    ours = get[TRIFECTA]
    return [
        Figure("get / raw prepared SELECT", ratio(ours, get[RAW]), GET_LIMIT),
        Figure("get / the same with rows laid out by key", ratio(ours, get[RAW_BY_ID])),
        Figure(
            "repeated key: diskcache / trifecta from memory",
            ratio(hot[DEFAULT], hot[MEMORY]),
            REPEATED_LIMIT,
            at_most=False,
        ),
        Figure("get: diskcache LRU / trifecta", ratio(get[LRU], ours), LRU_LIMIT, at_most=False),
        Figure("get: diskcache default / trifecta", ratio(get[DEFAULT], ours), 1.0, at_most=False),
    ]


def table(series: Series, effort: Effort) -> Table:
    """Show what stands behind the figures."""
    raw = series.get_us[RAW]
    rows = [
        (
            name,
            spread(series.get_us[name], 2),
            f"{ratio(series.get_us[name], raw).middle:.2f}",
            spread(series.hot_us[name], 2),
            spread(series.put_us[name]),
        )
        for name in STORES
    ]
    head = (
        "store",
        "get, CPU µs",
        "get / raw sqlite3",
        f"get of one of {_HOT} keys, CPU µs",
        "set of a new key, wall µs",
    )
    return Table(f"In one process, 2 kB values, {effort.keys:,} keys", head, tuple(rows))
