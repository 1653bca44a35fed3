"""Words, marks and Chinese characters with their places, among which answers are looked for.

[unit.said for unit in units_of("It cost 1,200 元.")]    ["it", "cost", "1,200", "元", "."]
"""

from __future__ import annotations

import re
from typing import NamedTuple

from foretell.tasks.examples.words import HAN

_HAN = HAN.pattern
_UNIT = re.compile(rf"{_HAN}|\d+(?:[.,:]\d+)*|(?:(?!{_HAN})[^\W\d_])+|[^\w\s]|_|\n")


class Unit(NamedTuple):
    """A word, a mark, or a Chinese character."""

    said: str
    """In small letters."""
    start: int
    end: int

    @property
    def han(self) -> bool:
        return HAN.match(self.said) is not None


def units_of(text: str) -> list[Unit]:
    return [Unit(m.group().lower(), m.start(), m.end()) for m in _UNIT.finditer(text)]


def words_of(text: str) -> list[Unit]:
    """As networks read them: with capitals, and with a blank before if one stands there."""
    found, behind = [], 0
    for _, start, end in units_of(text):
        blank = " " if start > behind else ""
        found.append(Unit(blank + text[start:end], start, end))
        behind = end
    return found
