"""What a bundle carries of answers as they were given, where the target's rules changed them.

So that a stranger can put them through the rules again. Like a counter-example they are carried as
they are or not at all; the first ones, because a bundle is committed beside the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from soakproof.lines import BadLine, decode_expected, decode_history
from soakproof.places import Places
from soakproof.rundir import RunDir

__all__ = ["MOST_ANSWERS", "MOST_BYTES", "given_answers"]

MOST_ANSWERS: Final = 100
MOST_BYTES: Final = 16 * 1024
"""A larger answer is not carried."""


def given_answers(run: RunDir, places: Places) -> Iterator[tuple[str, bytes]]:
    """Yield path in the bundle and content, each once, in the order in which they were given."""
    carried = 0
    for name in dict.fromkeys(_names(run)):
        path = run.answers / name
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            continue
        data = path.read_bytes()
        if places.hide_bytes(data) == data:
            yield f"answers/{name}", data
            carried += 1
        if carried == MOST_ANSWERS:
            return


def _names(run: RunDir) -> Iterator[str]:
    for line in decode_history(run.history):
        if not isinstance(line, BadLine) and line.raw_sha256 is not None:
            yield line.raw_sha256
    for answer in decode_expected(run.expected) if run.expected.exists() else ():
        if not isinstance(answer, BadLine) and answer.raw_sha256 is not None:
            yield answer.raw_sha256
