"""Sort the places of a token stream by what follows them: whole (a suffix array) or to a depth.

    stream   B  a  b  a  B  b  B       B  the boundary: texts stand between two of them
    place    0  1  2  3  4  5  6
    sorted   6  4  0  3  1  5  2       B | Bb | Bab | aB | abaB | bB | baB
    shared   0  1  1  0  1  0  1       tokens in common with the place before
    reach    1  3  5  2  4  2  3       tokens to the end of the text, that boundary included

Facts: equal n-grams lie side by side, for every n at once; a text ends at the boundary that
follows it, so nothing is compared beyond one, but a boundary may begin what is compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.threads import cut, in_threads

Ids = NDArray[np.int32]
MOST_DEPTH = 255
INSERTION, SHELL = 24, 192
"""Longest runs that are sorted by insertion, and by Shell's method; longer ones by radix."""
DIGIT = 8


class Suffixes(NamedTuple):
    """The places (S,) of a stream, sorted by the tokens that follow, to some depth."""

    places: Ids
    shared: NDArray[np.uint8]
    """(S,) tokens in common with the place before, at most the depth, and not beyond a text."""
    reach: NDArray[np.uint8]
    """(S,) tokens from the place to its text's end, that boundary included; at most the depth."""


def lay_out(
    texts: list[NDArray[np.integer]], *, vocabulary_size: int, boundary: int
) -> NDArray[np.int32]:
    """One stream (S,) of texts (T,), a boundary before the first and after each.

    Raises ForetellError without a text or for 2^31 tokens, ValueError if a text holds the boundary
    or a token outside the vocabulary.
    """
    if not texts:
        raise ForetellError("no text to count; give at least one")
    lengths = np.array([len(text) + 1 for text in texts], np.int64)
    ends = np.cumsum(lengths)
    check_length(int(ends[-1]) + 1)
    stream = np.full(ends[-1] + 1, boundary, np.int32)
    inside = np.ones(len(stream), bool)
    inside[ends] = inside[0] = False
    tokens = np.concatenate([np.asarray(text) for text in texts])
    if len(tokens) and (tokens.min() < 0 or tokens.max() >= vocabulary_size):
        raise ValueError(f"a token is not in 0 ... {vocabulary_size - 1}")
    if (tokens == boundary).any():
        raise ValueError(f"a text holds the boundary ({boundary}); split it there into two texts")
    stream[inside] = tokens
    return stream


def check_length(tokens: int) -> None:
    """Raise ForetellError if a stream has more tokens than a place can number."""
    if tokens >= 2**31:
        raise ForetellError(f"{tokens} tokens are too many at once; give fewer than 2^31")


def sort_to_depth(stream: Ids, *, depth: int, vocabulary_size: int, boundary: int) -> Suffixes:
    """The places of a stream (S,), sorted by the `depth` tokens that stand there.

    Linear in the stream: a counting sort by the first token, then each bucket by the next ones,
    as many as fit into 64 bits at a time. Equal runs of tokens stay in the order of the stream.
    """
    firsts = np.bincount(stream, minlength=vocabulary_size)
    starts = np.concatenate(([0], np.cumsum(firsts)))
    places = np.empty(len(stream), np.int32)
    _scatter(stream, starts[:-1].copy(), places)
    bits = vocabulary_size.bit_length()  # tokens count from 1 there, so that 0 is what ends

    def refine(first: int, last: int) -> None:
        widest = int(firsts[first:last].max(initial=0))
        room = np.empty(widest, np.uint64), np.empty(widest, np.uint64), np.empty(widest, np.int32)
        marks = np.empty(widest + 1, np.bool_)
        _refine(stream, places, starts, first, last, depth, bits, boundary, *room, marks)

    in_threads(refine, cut(starts))
    return compare(stream, places, starts, depth=depth, boundary=boundary)


def compare(
    stream: Ids, places: Ids, starts: NDArray[np.int64], *, depth: int, boundary: int
) -> Suffixes:
    """What neighbours among sorted places (S,) of a stream (S,) share.

    starts (V + 1,) where the places of each first token begin.
    """
    shared, reach = np.empty(len(places), np.uint8), np.empty(len(places), np.uint8)

    def work(first: int, last: int) -> None:
        _compare(stream, places, starts[first], starts[last], depth, boundary, shared, reach)

    in_threads(work, cut(starts))
    return Suffixes(places, shared, reach)


@njit(nogil=True, cache=True)
def _scatter(stream, heads, places):  # type: ignore[no-untyped-def]
    for place in range(len(stream)):
        token = stream[place]
        places[heads[token]] = place
        heads[token] += 1


@njit(nogil=True, cache=True)
def _refine(  # type: ignore[no-untyped-def]
    stream, places, starts, first, last, depth, bits, boundary, keys, spare, spare_places, marks
):
    """Sort each bucket from `first` to `last` by the tokens after the first."""
    at_once = 64 // bits
    for bucket in range(first, last):
        low, high = starts[bucket], starts[bucket + 1]
        if high - low < 2:
            continue
        size = high - low
        mine = places[low:high]
        marks[: size + 1] = False
        marks[0] = marks[size] = True
        done = 1
        while done < depth:
            upto = min(depth, done + at_once)
            begin = 0
            unsettled = False
            while begin < size:
                end = begin + 1
                while not marks[end]:
                    end += 1
                if end - begin > 1:
                    for k in range(begin, end):
                        keys[k] = _pack(stream, mine[k], done, upto, bits, boundary)
                    sort_pairs(
                        keys[begin:end],
                        mine[begin:end],
                        spare[begin:end],
                        spare_places[begin:end],
                        bits * (upto - done),
                    )
                    for k in range(begin + 1, end):
                        if keys[k] != keys[k - 1]:
                            marks[k] = True
                        else:
                            unsettled = True
                begin = end
            if not unsettled:
                break
            done = upto


@njit(nogil=True, cache=True)
def _pack(stream, place, begin, end, bits, boundary):  # type: ignore[no-untyped-def]
    """Tokens place+begin ... place+end in one number; zeros after a boundary or the stream."""
    key = np.uint64(0)
    left = min(end, len(stream) - place)
    for k in range(1, begin):
        if k >= left or stream[place + k] == boundary:
            return key
    for k in range(begin, end):
        key <<= np.uint64(bits)
        if k < left:
            token = stream[place + k]
            key |= np.uint64(token + 1)
            if token == boundary:
                left = 0
    return key


@njit(nogil=True, cache=True)
def sort_pairs(keys, values, spare_keys, spare_values, bits):  # type: ignore[no-untyped-def]
    """Sort keys (n,) of so many bits, and values (n,) with them; the spare arrays are room.

    Equal keys keep their order but in runs sorted by Shell's method, whose order is fixed too.
    """
    size = len(keys)
    if size <= SHELL:
        gap = 1 if size <= INSERTION else 19
        while gap >= 1:
            for i in range(gap, size):
                key, value = keys[i], values[i]
                j = i
                while j >= gap and keys[j - gap] > key:
                    keys[j], values[j] = keys[j - gap], values[j - gap]
                    j -= gap
                keys[j], values[j] = key, value
            gap = 5 if gap == 19 else (1 if gap == 5 else 0)
        return
    digits = (bits + DIGIT - 1) // DIGIT
    tallies = np.zeros((digits, 1 << DIGIT), np.int64)
    mask = np.uint64((1 << DIGIT) - 1)
    for i in range(size):
        key = keys[i]
        for digit in range(digits):
            tallies[digit, (key >> np.uint64(digit * DIGIT)) & mask] += 1
    flipped = False
    for digit in range(digits):
        shift = np.uint64(digit * DIGIT)
        tally = tallies[digit]
        if tally.max() == size:
            continue
        total = 0
        for value in range(1 << DIGIT):
            count = tally[value]
            tally[value] = total
            total += count
        if flipped:
            _move(spare_keys, spare_values, keys, values, tally, shift, mask)
        else:
            _move(keys, values, spare_keys, spare_values, tally, shift, mask)
        flipped = not flipped
    if flipped:
        keys[:] = spare_keys
        values[:] = spare_values


@njit(nogil=True, cache=True)
def _move(keys, values, to_keys, to_values, heads, shift, mask):  # type: ignore[no-untyped-def]
    for i in range(len(keys)):
        digit = (keys[i] >> shift) & mask
        to = heads[digit]
        heads[digit] = to + 1
        to_keys[to] = keys[i]
        to_values[to] = values[i]


@njit(nogil=True, cache=True)
def _compare(stream, places, low, high, depth, boundary, shared, reach):  # type: ignore[no-untyped-def]
    before = -1
    for k in range(low, high):
        place = places[k]
        left = min(depth, len(stream) - place)
        length = 1
        while length < left:
            length += 1
            if stream[place + length - 1] == boundary:
                break
        common = 0
        if before >= 0:
            limit = min(length, len(stream) - before)
            while common < limit and stream[place + common] == stream[before + common]:
                common += 1
        shared[k] = common
        reach[k] = length
        before = place
