"""Which parts of a text that was written stand in the text that it answers, word by word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from foretell.tasks.examples.units import Unit, units_of

LEAST = 4
"""Words, marks or Chinese characters of a quotation, unless all that was written is one."""


class Quote(NamedTuple):
    """Characters, the ends exclusive."""

    start: int
    end: int
    source: int
    """Where it begins in the text that is quoted."""


def quotes(said: str, source: str) -> list[Quote]:
    """From left to right, each as long as it can be; capitals and blanks make no difference."""
    units, others = units_of(said), units_of(source)
    places: dict[str, list[int]] = defaultdict(list)
    for place, other in enumerate(others):
        places[other.said].append(place)
    found, at = [], 0
    while at < len(units):
        lengths = [_alike(units, at, others, place) for place in places[units[at].said]]
        longest = max(lengths, default=0)
        if longest >= min(LEAST, len(units)):
            place = places[units[at].said][lengths.index(longest)]
            last = units[at + longest - 1]
            found.append(Quote(units[at].start, last.end, others[place].start))
        at += max(1, longest) if longest >= LEAST else 1
    return found


def _alike(first: Sequence[Unit], at: int, second: Sequence[Unit], place: int) -> int:
    """Units that are the same in both from these places on."""
    most, count = min(len(first) - at, len(second) - place), 0
    while count < most and first[at + count].said == second[place + count].said:
        count += 1
    return count
