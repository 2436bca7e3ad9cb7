"""Follow a file of lines that is cut into parts while it grows: to its reader one stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from soakproof.bulk.tail import Line, Moved, Tail
from soakproof.rotation.reading import naming_damage, open_next, opened_part

__all__ = ["StreamTail"]


class StreamTail(Tail):
    """The end of a file that grows, and before it all that its parts hold.

    Lines are numbered through all parts. A file that was given a part's name is no file that has
    moved; any other that takes its place is.

    Args:
        path: the file; neither it nor a part need be there yet.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._number = 1
        self._part = path

    def new(self) -> Iterator[Line | Moved]:
        """Yield the whole lines that came since the last call, from whichever part.

        Raises:
            EvidenceBroken: a part is missing or damaged; names it.
        """
        while self._file is not None or self._open():
            if self._part == self.path:
                yield from super().new()
                return
            with naming_damage(self._part):
                yield from self._read()
            self._go_on()

    def _open(self) -> bool:
        try:
            found = open_next(self.path, self._number)
        except FileNotFoundError:
            return False
        if found is None:
            return False
        self._part, self._file = found
        return True

    def _again(self, how: Literal["truncated", "replaced", "removed"]) -> Iterator[Line | Moved]:
        found = None if how == "truncated" else opened_part(self.path, self._number)
        if found is None:
            yield from super()._again(how)
            return
        found[1].close()
        self._go_on()

    def _go_on(self) -> None:
        self.close()
        self._number += 1
