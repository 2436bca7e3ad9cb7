"""One of several processes that use a store together.

Says on standard output when it is ready, reads seconds from standard input, a line a round, and
answers each with one line of JSON.  Usage: python -m speed.worker STORE FOLDER KEYS SEED
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count, cycle
from pathlib import Path
from random import Random
from typing import Any

from speed.stores import STORES, Store
from speed.values import value

GETS_OF_TEN = 8
FIRST_NEW = 10_000_000  # beyond all keys that were filled in
_PLAN = 16_384  # operations that are thought of before anything is timed
Step = tuple[bool, Any, bytes]


def new_number(seed: int, place: int) -> int:
    """Give the number that the worker with *seed* sets as its *place*-th."""
    return FIRST_NEW * (seed + 1) + place


def plan(store: Store, keys: int, seed: int) -> Iterator[Step]:
    """Give operations without end: whether to set, the key, and its value.

    What is set is always new, as after a miss in a cache whose keys are digests of contents:
    were the same keys set again, a fast store would soon overwrite where a slow one inserts.
    """
    dice = Random(seed)  # noqa: S311 - a reproducible order
    known = [dice.randrange(keys) for _ in range(_PLAN)]
    reads = [(False, store.key(number), value(number)) for number in known]
    writes = [dice.randrange(10) >= GETS_OF_TEN for _ in range(_PLAN)]
    fresh = map(partial(new_number, seed), count())
    for is_write, read in cycle(list(zip(writes, reads, strict=True))):
        if is_write:
            number = next(fresh)
            yield True, store.key(number), value(number)
        else:
            yield read


def one_round(store: Store, seconds: float, steps: Iterator[Step]) -> dict[str, object]:
    """Use the store for *seconds*; time and check every operation."""
    gets: list[int] = []
    sets: list[int] = []
    trouble: Counter[str] = Counter()
    clock, get, put = time.perf_counter_ns, store.get, store.put
    cpu = time.process_time_ns()
    started = before = clock()
    end = started + int(seconds * 1e9)
    while before < end:
        writes, key, content = next(steps)
        before = clock()
        try:
            if writes:
                put(key, content)
                sets.append(clock() - before)
            else:
                found = get(key)
                gets.append(clock() - before)
                if found != content:
                    trouble["lost" if found is None else "wrong"] += 1
        except Exception as problem:  # noqa: BLE001 - whatever goes wrong is the finding
            trouble[type(problem).__name__] += 1
    elapsed = (clock() - started) / 1e9
    cpu_s = (time.process_time_ns() - cpu) / 1e9
    report = {"elapsed_s": elapsed, "cpu_s": cpu_s, "gets_ns": gets, "sets_ns": sets}
    return {**report, "trouble": trouble}


def main() -> None:
    name, folder, keys, seed = sys.argv[1:]
    try:
        store = STORES[name](Path(folder))
    except Exception as problem:  # noqa: BLE001 - the parent counts it
        print(json.dumps({"refused": type(problem).__name__}), flush=True)
        return
    steps = plan(store, int(keys), int(seed))
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(one_round(store, float(line), steps)), flush=True)
    store.close()


if __name__ == "__main__":
    main()
