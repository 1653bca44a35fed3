"""Two ARPA files compared as they stand: every line in its place, and every number.

Reads columns, not models, so that the order of lines counts and no reader of ours stands between.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LOWEST = -99.0
"""log10 of what cannot come: some write -inf, some this."""
TAB, NEWLINE, SPACE = b"\t\n "
SHOWN = 5


@dataclass(frozen=True)
class Columns:
    """The lines (G,) of one order."""

    grams: NDArray[np.uint8]
    """All n-grams as they are spelled, a tab before each."""
    values: NDArray[np.float64]
    """(G, 2) log10 of P and back-off; (G, 1) where the lines have no back-off."""

    def numbers(self) -> dict[bytes, NDArray[np.float64]]:
        spelled = self.grams.tobytes().split(b"\t")[1:]
        return dict(zip(spelled, self.values, strict=True))


@dataclass
class ArpaDifference:
    """How two files differ; the header and every section are compared."""

    ngrams: int = 0
    """Compared, of all orders."""
    same_header: bool = True
    missing: int = 0
    """n-grams of the second file that the first lacks."""
    extra: int = 0
    orders_out_of_order: list[int] = field(default_factory=list)
    """Orders with the same n-grams in other lines."""
    largest_log10: float = 0.0
    largest_backoff_log10: float = 0.0
    examples: list[str] = field(default_factory=list)

    def agrees(self, tolerance: float) -> bool:
        same = self.same_header and not (self.missing or self.extra or self.orders_out_of_order)
        largest = max(self.largest_log10, self.largest_backoff_log10)
        return same and self.ngrams > 0 and largest <= tolerance


def compare_arpa(mine: Path, theirs: Path) -> ArpaDifference:
    """The first file against the second. Raises ValueError for lines that are no ARPA."""
    found = ArpaDifference()
    found.same_header = read_header(mine) == read_header(theirs)
    for n, (my, their) in enumerate(zip_longest(sections_of(mine), sections_of(theirs)), start=1):
        if my is None or their is None:
            found.same_header = False
            break
        _compare_section(found, n, my, their)
    return found


def _compare_section(found: ArpaDifference, n: int, mine: Columns, theirs: Columns) -> None:
    my_values, their_values = mine.values, theirs.values
    if not np.array_equal(mine.grams, theirs.grams):
        my_numbers, their_numbers = mine.numbers(), theirs.numbers()
        missing, extra = their_numbers.keys() - my_numbers, my_numbers.keys() - their_numbers
        found.missing += len(missing)
        found.extra += len(extra)
        if not missing and not extra:
            found.orders_out_of_order.append(n)
        for kind, grams in (("missing", missing), ("extra", extra)):
            found.examples += [f"{kind}: {gram!r}" for gram in sorted(grams)[:SHOWN]]
        shared = [gram for gram in their_numbers if gram in my_numbers]
        if not shared:
            return
        my_values = np.array([my_numbers[gram] for gram in shared])
        their_values = np.array([their_numbers[gram] for gram in shared])
    if my_values.shape != their_values.shape:
        found.same_header = False
        found.examples.append(f"order {n}: one file has back-offs, the other none")
        return
    found.ngrams += len(my_values)
    # NaN is neither larger nor smaller than anything, so it would pass; it counts as infinite.
    off = np.nan_to_num(np.abs(my_values - their_values), nan=np.inf).max(axis=0, initial=0.0)
    found.largest_log10 = max(found.largest_log10, float(off[0]))
    if len(off) == 2:
        found.largest_backoff_log10 = max(found.largest_backoff_log10, float(off[1]))


def read_header(path: Path) -> list[int]:
    """Counts of each order as the file states them."""
    with open(path, "rb") as file:
        counts = []
        for line in file:
            if match := re.fullmatch(rb"ngram (\d+)=(\d+)\n", line):
                counts.append(int(match[2]))
            elif line.startswith(b"\\1-grams:"):
                break
    return counts


def sections_of(path: Path) -> Iterator[Columns]:
    """The columns of order 1, 2, ..., one order in memory at a time."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        n, begin = 1, text.find(b"\n\\1-grams:\n")
        while begin >= 0:
            begin += len(b"\n\\%d-grams:\n" % n)
            end = text.find(b"\n\n\\", begin - 1)
            if end < 0:
                raise ValueError(f"{path} ends within order {n}")
            yield _columns(np.frombuffer(text[begin : end + 1], np.uint8))
            n += 1
            begin = text.find(b"\n\\%d-grams:\n" % n, end)


def _columns(text: NDArray[np.uint8]) -> Columns:
    """Of lines `log10 TAB n-gram` or `log10 TAB n-gram TAB back-off`, all alike."""
    tabs, ends = np.flatnonzero(text == TAB), np.flatnonzero(text == NEWLINE)
    if len(ends) == 0:
        return Columns(text[:0], np.zeros((0, 2)))
    columns = len(tabs) // len(ends)
    if columns not in (1, 2) or columns * len(ends) != len(tabs):
        raise ValueError(f"{len(ends)} lines of n-grams have {len(tabs)} tabs")
    tabs = tabs.reshape(len(ends), columns)
    begins = np.concatenate(([0], ends[:-1] + 1))
    if not ((tabs > begins[:, None]).all() and (tabs < ends[:, None]).all()):
        raise ValueError("some lines of n-grams have more tabs than others")
    steps = np.zeros(len(text) + 1, np.int8)
    steps[tabs[:, 0]] = 1
    steps[tabs[:, 1] if columns == 2 else ends] = -1
    inside = np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
    numbers = np.where(inside, np.uint8(SPACE), text).tobytes()
    values = np.fromstring(numbers, np.float64, sep=" ").reshape(len(ends), columns)
    return Columns(text[inside], np.maximum(values, LOWEST))
