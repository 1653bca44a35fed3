"""Search sorted suffixes of a token stream, compiled: ranges, what follows, longest matches.

    stream   B  a  b  a  B  b  B       places sorted by what follows, to the end of the stream;
    sorted   6  4  0  3  1  5  2       where one suffix begins another, the shorter stands first
                        `--'           the range of `a` is low 3, high 5; after it B once, b once

Facts: all suffixes that begin with a phrase are one range of rows; a token that is in no stream
(-1) matches nothing; nothing here knows boundaries, so it is the caller who keeps them out of
what is searched. Places must be a sorted permutation of the stream's, or memory is read that is
not ours: `Index` checks that when it opens a folder.
"""

from __future__ import annotations

import numpy as np
from numba import njit

JUMP = 16
"""A match this long is left by searching for the next one's begin, not by going on a token."""


@njit(nogil=True, cache=True)
def find_range(stream, places, phrase, low, high, depth):  # type: ignore[no-untyped-def]
    """Narrow rows `low` to `high` of places (S,), which share `depth` tokens, to those that go on
    with phrase (n,). Returns (low, high), equal if there are none."""
    size = len(phrase)
    if size == 0:
        return low, high
    first, last = low, high
    below, above = 0, 0
    while first < last:
        middle = (first + last) >> 1
        place = places[middle] + depth
        common = _share(stream, place, phrase, 0, min(below, above))
        if common == size:
            return (
                _find_edge(stream, places, phrase, depth, first, middle, below, size, False),
                _find_edge(stream, places, phrase, depth, middle + 1, last, size, above, True),
            )
        if _stands_before(stream, place + common, phrase[common]):
            first, below = middle + 1, common
        else:
            last, above = middle, common
    return first, first


@njit(nogil=True, cache=True)
def longest_suffix(stream, places, context):  # type: ignore[no-untyped-def]
    """(length, low, high) of the longest suffix of context (n,) that occurs, and its rows.

    Shorter suffixes occur too, so lengths are doubled until one does not, then halved in. Whoever
    reads on token by token may cut the context to the last match and the new token.
    """
    size = len(context)
    length, low, high = 0, 0, len(places)
    absent, trial = size + 1, 1
    while length + 1 < absent:
        found = find_range(stream, places, context[size - trial :], 0, len(places), 0)
        if found[0] < found[1]:
            length, low, high = trial, found[0], found[1]
        else:
            absent = trial
        # Beyond what is known to occur; by halves once something is known not to.
        trial = min(2 * length, size) if absent > size else (length + absent) // 2
        trial = max(trial, 1)
    return length, low, high


@njit(nogil=True, cache=True)
def list_continuations(  # type: ignore[no-untyped-def]
    stream, places, low, high, depth, tokens_out, counts_out
):
    """What follows the `depth` tokens that rows `low` to `high` share, ascending, and how often.

    Fills the beginnings of tokens_out and counts_out, which have room for every different token,
    and returns how many there are. Runs of one token are leapt over, so a frequent context costs
    as its different continuations do. The end of the stream is no token.
    """
    found, row = 0, low
    if row < high and places[row] + depth >= len(stream):
        row += 1
    # No more than there is room for, should places of an altered folder be in no order.
    while row < high and found < len(tokens_out):
        token = stream[places[row] + depth]
        same, step = row, 1
        while row + step < high and stream[places[row + step] + depth] == token:
            same, step = row + step, step * 2
        other = min(row + step, high)
        while same + 1 < other:
            middle = (same + other) >> 1
            if stream[places[middle] + depth] == token:
                same = middle
            else:
                other = middle
        tokens_out[found] = token
        counts_out[found] = other - row
        found += 1
        row = other
    return found


@njit(nogil=True, cache=True)
def match_lengths(stream, places, text):  # type: ignore[no-untyped-def]
    """For each place of text (n,), the length of the longest match that begins there, (n,).

    A match of length m leaves one of at least m - 1 to the next place. After a long one, the next
    place whose match ends later is the begin of the longest suffix, one token further, that
    occurs; all places between end where the long one does. So a copied passage is compared once.
    """
    size = len(text)
    lengths = np.zeros(size, np.int32)
    start = 0
    while start < size:
        length = _match_prefix(stream, places, text, start)
        end = start + length
        following = start + 1
        if end == size:
            following = size
        elif length >= JUMP:
            following = end + 1 - longest_suffix(stream, places, text[start + 1 : end + 1])[0]
        lengths[start] = length
        for place in range(start + 1, following):
            lengths[place] = end - place
        start = following
    return lengths


@njit(nogil=True, cache=True)
def _match_prefix(stream, places, text, start):  # type: ignore[no-untyped-def]
    """Tokens that text[start:] shares with the suffix that shares most: one of the two between
    which it would stand."""
    size = len(text) - start
    first, last = 0, len(places)
    below, above = 0, 0
    while first < last:
        middle = (first + last) >> 1
        place = places[middle]
        common = _share(stream, place, text, start, min(below, above))
        if common == size:
            return common
        if _stands_before(stream, place + common, text[start + common]):
            first, below = middle + 1, common
        else:
            last, above = middle, common
    return max(below, above)


@njit(nogil=True, cache=True)
def _find_edge(  # type: ignore[no-untyped-def]
    stream, places, phrase, depth, first, last, below, above, upper
):
    """The first row of `first` to `last` that begins with phrase; if `upper`, the first that
    stands after all that do. below, above: tokens that the rows outside share with phrase."""
    size = len(phrase)
    while first < last:
        middle = (first + last) >> 1
        place = places[middle] + depth
        common = _share(stream, place, phrase, 0, min(below, above))
        whole = common == size
        if (whole and upper) or (
            not whole and _stands_before(stream, place + common, phrase[common])
        ):
            first, below = middle + 1, common
        else:
            last, above = middle, common
    return first


@njit(nogil=True, cache=True)
def _share(stream, place, text, start, known):  # type: ignore[no-untyped-def]
    """Tokens in common of the stream from `place` and text from `start`, `known` of them known."""
    most = min(len(stream) - place, len(text) - start)
    while known < most and stream[place + known] == text[start + known]:
        known += 1
    return known


@njit(nogil=True, cache=True)
def _stands_before(stream, place, token):  # type: ignore[no-untyped-def]
    """Whether the stream ends at `place`, or has a smaller token there."""
    return place >= len(stream) or stream[place] < token


@njit(nogil=True, cache=True)
def keep_whole(places, width):  # type: ignore[no-untyped-def]
    """Keep, of places (S * width,) in bytes, those that begin a token; they move to the front
    and are numbered in tokens."""
    kept = 0
    for row in range(len(places)):
        place = places[row]
        if place % width == 0:
            places[kept] = place // width
            kept += 1
