"""The chain of hashes through a history, as :class:`soakproof.rundir.ChainedLineWriter` wrote it.

Reads line by line, all parts of a history as one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soakproof.errors import EvidenceBroken
from soakproof.rotation.reading import lines_by_part

__all__ = ["ChainEnd", "chain_end"]

_LINK: Final = re.compile(rb'(?s)(?P<body>\{.*),"chain":"(?P<head>[0-9a-f]{16})"\}')


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Where a chain ends.

    Args:
        lines: lines in the chain.
        head: SHA-256 over them, 64 hex digits.
    """

    lines: int
    head: str


def chain_end(history: Path, run_id: str) -> ChainEnd:
    """Walk the chain to its end.

    A torn last line (the harness was killed while it wrote) is no part of it.

    Raises:
        EvidenceBroken: a line does not continue the chain; names the part and the line of the
            whole history.
    """
    head, lines = hashlib.sha256(run_id.encode()).digest(), 0
    for part, read in lines_by_part(history):
        for number, line, whole in read:
            link = _LINK.fullmatch(line)
            head = hashlib.sha256(head + link["body"]).digest() if link else head
            if link is None and not whole and part == history:
                break  # only the file that is written last can end in the middle of a line
            if link is None or link["head"] != head.hex()[:16].encode():
                message = (
                    f"{part}:{number}: expected a line that continues the chain of hashes, found "
                    "another: this line or the one before it was changed, dropped or moved since "
                    "the run wrote it; run it again"
                )
                raise EvidenceBroken(message)
            lines += 1
    if not lines:
        message = f"{history}: expected lines in a chain of hashes, found none; run it again"
        raise EvidenceBroken(message)
    return ChainEnd(lines, head.hex())
