"""Whether the arrays of an index fit each other; searches trust them with memory.

Sizes, bounds and document ends are looked at whole, the sorted order and the kept continuations at
some thousands of places: in an index of more, a few wrong numbers may go unseen. The folder's seal
is what finds those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from foretell.corpus.suffix_search import find_range

if TYPE_CHECKING:
    from foretell.corpus.busy import Busy
    from foretell.corpus.index import Index, Names

CHECKED = 1 << 12
"""Neighbours, and kept continuations, that are compared with the stream."""
DEEP = 64
"""Tokens of each that are compared."""


def find_misfit(index: Index, names: Names) -> str | None:
    """The array that does not fit the others, or None; names are those of the index."""
    stream, places, size = index.stream, index.places, len(index.stream)
    ends = index.documents - 1
    if size < 1 or stream[0] != index.boundary or stream[-1] != index.boundary:
        return "stream"
    if not len(ends) or ends[0] != 0 or ends[-1] != size - 1 or (ends[1:] <= ends[:-1]).any():
        return "documents"
    if stream.max() >= index.vocabulary_size:
        return "stream"
    if (stream[ends] != index.boundary).any():
        return "documents"
    last = names.ends[-1] if len(names) else 0
    if (names.ends < np.append(0, names.ends[:-1])).any() or last != len(names.letters):
        return "names.ends"
    if places.min() < 0 or places.max() >= size or not _in_order(stream, places):
        return "places"
    low, high = find_range(stream, places, np.array([index.boundary], np.int32), 0, size, 0)
    if high - low != len(ends):
        return "stream"
    return _check_busy(index.busy, index)


def _sample(size: int) -> NDArray[np.int64]:
    """At most CHECKED of the numbers below `size`, spread evenly."""
    return np.linspace(0, size - 1, min(CHECKED, size)).astype(np.int64)


def _in_order(stream: NDArray[np.integer], places: NDArray[np.int32]) -> bool:
    """Whether neighbours are different places, and the smaller suffix stands first."""
    rows = _sample(len(places) - 1)
    firsts, seconds = places[rows].astype(np.int64), places[rows + 1].astype(np.int64)
    if (firsts == seconds).any():
        return False
    for _ in range(DEEP):
        if (seconds >= len(stream)).any():
            return False
        going = firsts < len(stream)
        firsts, seconds = firsts[going], seconds[going]
        mine, theirs = stream[firsts], stream[seconds]
        if (mine > theirs).any():
            return False
        alike = mine == theirs
        firsts, seconds = firsts[alike] + 1, seconds[alike] + 1
    return True


def _check_busy(busy: Busy, index: Index) -> str | None:
    """Rows of a context are divided among its continuations, and begin and end with each."""
    lows, highs, depths = busy.rows.T.astype(np.int64)
    begins, sizes = busy.begins, np.diff(busy.begins)
    if begins[0] != 0 or begins[-1] != len(busy.tokens) or (sizes <= 0).any():
        return "busy.begins"
    if (lows < 0).any() or (highs > len(index.places)).any() or (depths < 0).any():
        return "busy.rows"
    if len(busy.counts) != len(busy.tokens) or (busy.counts <= 0).any():
        return "busy.counts"
    if not len(sizes):
        return None
    summed = np.cumsum(busy.counts, dtype=np.int64)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    edges = highs[owners] - summed[begins[1:] - 1][owners] + summed
    # What ends the stream has no continuation and stands first.
    if not np.isin(edges[begins[:-1]] - busy.counts[begins[:-1]] - lows, (0, 1)).all():
        return "busy.counts"
    picked = _sample(len(edges))
    for rows in (edges[picked] - busy.counts[picked], edges[picked] - 1):
        where = index.places[rows] + depths[owners[picked]]
        if (where >= len(index.stream)).any():
            return "busy.rows"
        if (index.stream[where] != busy.tokens[picked]).any():
            return "busy.tokens"
    return None
