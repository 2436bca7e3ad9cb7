"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Sizes and repetitions; ``quick`` shows that everything works and no more."""

    rounds: int = 11
    starts: int = 4  # processes of each program a round
    counted: int = 3  # processes under the instruction counter: they differ by 0.1 %
    keys: int = 20_000
    # The same for every store: a round begins with a cold page cache, and a store that is read less
    # often a round pays for that in more of its reads (0.86 or 1.50 instead of 1.15 was seen).
    gets: int = 2_000
    sets: int = 100
    together_s: float = 0.5
    together_rounds: int = 15
    library_rounds: int = 7
    cold_rounds: int = 3
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)


FULL = Effort()
QUICK = Effort(
    rounds=3,
    starts=1,
    counted=1,
    keys=500,
    gets=200,
    sets=10,
    together_s=0.1,
    together_rounds=2,
    library_rounds=1,
    cold_rounds=0,
    sizes=(200, 1_000),
)
