"""How a file is changed so that its answer changes with it. Pure.

The change is another for each edit and always of the same size, so that it can be made under a
time stamp and a size that stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

__all__ = ["HIGHEST_MARK", "LOWEST_MARK", "MARK", "Language"]

MARK: Final = "{mark}"
"""Stands for the number that tells two changes apart."""

_PYTHON: Final = "\n\n# soakproof\ndef soakproof_mark_{mark}():\n    return {mark}\n"
HIGHEST_MARK: Final = 9999
LOWEST_MARK: Final = 1000


@dataclass(frozen=True, slots=True)
class Language:
    """How a line is changed.

    Args:
        append: text that is added at the end, in place of that of an earlier edit; or nothing.
        pattern: whose first match is replaced; or nothing.
        replace: by what; of several texts, by the one after that which is there.
        new_text: what a new file holds before the change.
    """

    append: str = _PYTHON
    pattern: re.Pattern[str] | None = None
    replace: tuple[str, ...] = ()
    new_text: str = '"""A new module."""\n'

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> Self:
        """Return the language of a validated target document; without ``edits``: Python."""
        table = target.get("edits")
        if table is None:
            return cls()
        new_text = str(table.get("new_text", ""))
        if "pattern" in table:
            pattern = re.compile(table["pattern"], re.MULTILINE)
            given = table["replace"]
            replace = (given,) if isinstance(given, str) else tuple(given)
            return cls("", pattern, replace, new_text)
        append = table.get("append", f"\n{table.get('comment', '')} soakproof {MARK}\n")
        return cls(append, None, (), new_text)

    def fits(self, content: bytes) -> bool:
        """Whether a file can be changed at all."""
        return self.pattern is None or self.pattern.search(_text(content)) is not None

    def changed(self, content: bytes, mark: int, *, same_form: bool = False) -> bytes:
        """Return a file with the change in it, another than it has.

        Args:
            content: the file as it is; a new one: nothing.
            mark: a number of four digits; the next one is taken where the file has it already.
            same_form: of several replacements take the one that is there, with another mark.
        """
        text = _text(content)
        for number in (mark, mark + 1 if mark < HIGHEST_MARK else LOWEST_MARK):
            new = self._with(text, f"{number:04d}", int(not same_form))
            if new != text:
                return new.encode("utf-8", "surrogateescape")
        return content

    def _with(self, text: str, mark: str, step: int) -> str:
        if self.pattern is not None:
            return self.pattern.sub(
                lambda found: self._form(found[0], step).replace(MARK, mark), text, count=1
            )
        earlier = re.escape(self.append).replace(re.escape(MARK), r"\d{4}")
        return re.sub(rf"{earlier}\Z", "", text) + self.append.replace(MARK, mark)

    def _form(self, found: str, step: int) -> str:
        """Return the replacement so many after the one that is there, or the first."""
        forms = [re.escape(one).replace(re.escape(MARK), r"\d{4}") for one in self.replace]
        there = [at for at, form in enumerate(forms) if re.fullmatch(form, found)]
        return self.replace[(there[0] + step) % len(forms)] if there else self.replace[0]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
