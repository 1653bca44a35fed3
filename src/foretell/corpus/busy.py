"""What follows the busiest contexts, counted once when an index is built.

    context    rows               follows         busy: 1024 rows, 256 different tokens
    (nothing)  0 ... 9,999,999    60,000 tokens   `
    the        81,000 ... 92,000   2,900 tokens    > their continuations side by side, by row
    of the     ...                 1,200 tokens   '

A search leaps over rows that go on alike, so it costs as the different continuations do; for most
contexts that is next to nothing, and for these it would be milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.corpus.suffix_search import list_continuations

ROWS, DIFFERENT = 1 << 10, 1 << 8
DEEPEST = 16
"""Tokens in the longest context that is looked at: repeats without end have busy ones of any."""


class Continuations(NamedTuple):
    """The different tokens (n,) that follow a context, ascending, and how often each does."""

    tokens: NDArray[np.integer]
    counts: NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Busy:
    """The continuations of H contexts, E altogether."""

    rows: NDArray[np.int32]
    """(H, 3) low, high and depth of each context, by low and, from the widest, by high."""
    begins: NDArray[np.int64]
    """(H + 1,) where the continuations of each begin, and where the last one's end."""
    tokens: NDArray[np.int32]
    """(E,) ascending in each context."""
    counts: NDArray[np.int32]
    """(E,)"""

    def find(self, low: int, high: int, depth: int) -> Continuations | None:
        """What follows the `depth` tokens that rows low to high share, if it was kept."""
        lows = self.rows[:, 0]
        first, last = np.searchsorted(lows, (low, low + 1))
        here = self.rows[first:last]
        for number in np.flatnonzero((here[:, 1] == high) & (here[:, 2] == depth)):
            begin, end = self.begins[first + number : first + number + 2]
            return Continuations(self.tokens[begin:end], self.counts[begin:end])
        return None


def find_busy(
    stream: NDArray[np.integer],
    places: NDArray[np.int32],
    *,
    vocabulary_size: int,
    boundary: int,
) -> Busy:
    """The busy contexts of a stream (S,) with sorted places (S,)."""
    rows: list[tuple[int, int, int]] = []
    kept: list[Continuations] = []
    room = min(vocabulary_size, len(stream))
    tokens, counts = np.empty(room, np.int32), np.empty(room, np.int32)
    waiting = [(0, len(places), 0)] if len(places) >= ROWS else []
    while waiting:
        low, high, depth = waiting.pop()
        found = list_continuations(stream, places, low, high, depth, tokens, counts)
        if found >= DIFFERENT:
            rows.append((low, high, depth))
            kept.append(Continuations(tokens[:found].copy(), counts[:found].copy()))
        if depth == DEEPEST:
            continue
        # What ends the stream has no continuation and stands first.
        edges = high - int(counts[:found].sum()) + np.cumsum(counts[:found])
        go_on = counts[:found] >= ROWS
        if depth:
            go_on &= tokens[:found] != boundary
        for child in np.flatnonzero(go_on)[::-1].tolist():
            edge = int(edges[child])
            waiting.append((edge - int(counts[child]), edge, depth + 1))
    nothing = np.zeros(0, np.int32)
    return Busy(
        rows=np.array(rows, np.int32).reshape(-1, 3),
        begins=np.cumsum([0, *(len(each.tokens) for each in kept)], dtype=np.int64),
        tokens=np.concatenate([nothing, *(each.tokens for each in kept)]),
        counts=np.concatenate([nothing, *(each.counts for each in kept)]),
    )
