"""Compiled look-ups in the packed arrays of a compact trie.

    order n     tokens   20 bits (for 677,000 words) an n-gram, packed into words of 64
                codes    8 bits: the entry of `values` that is u(h, w)
    a context   sizes    8 bits: how many n-grams begin with it; IN_LIST: see the list of large ones
                bases    32 bits every STRIDE contexts: where the children of the first begin

    p(w|h) = u(h, w) + left(h) p(w|h')          left(h) = 1 - sum of u(h, .)

A family of fewer than LARGE children is scanned: its codes give the token's u and, added up, what
the context leaves, so that no back-off is stored. Larger families are searched by halves, and
what they leave stands in their list. The sum runs in the order of rows, always.

Arrays come read-only, as those of `lookup` do, and a walk goes order by order in the same way.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from foretell.memory import prefetch

LARGE = 32
"""Children of the smallest family that is searched, not scanned."""
IN_LIST = 255
STRIDE = 16
AHEAD = 8


@njit(nogil=True, cache=True, inline="always")
def token_at(tokens, bits, row):  # type: ignore[no-untyped-def]
    """Token of a row; `tokens` has one word more than is needed."""
    first = np.uint64(row) * np.uint64(bits)
    word, shift = np.int64(first >> np.uint64(6)), first & np.uint64(63)
    low = tokens[word] >> shift
    # Shifted twice: a shift by 64 has no result.
    high = (tokens[word + 1] << np.uint64(1)) << (np.uint64(63) - shift)
    return (low | high) & ((np.uint64(1) << np.uint64(bits)) - np.uint64(1))


@njit(nogil=True, cache=True, inline="always")
def find_token(tokens, bits, begin, end, token):  # type: ignore[no-untyped-def]
    """The row of a token in a family; -1 if it is not there."""
    while end - begin >= LARGE:
        middle = (begin + end) >> 1
        if token_at(tokens, bits, middle) <= token:
            begin = middle
        else:
            end = middle
    for row in range(begin, end):
        if token_at(tokens, bits, row) == token:
            return row
    return np.int64(-1)


@njit(nogil=True, cache=True, inline="always")
def find_large(listed, row):  # type: ignore[no-untyped-def]
    """Place in the list of large families (rows L) of the first that is not before a row."""
    low, high = np.int64(0), np.int64(len(listed))
    while low < high:
        middle = (low + high) >> 1
        if listed[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True, inline="always")
def family_of(sizes, bases, listed, listed_sizes, row):  # type: ignore[no-untyped-def]
    """(begin, end, place in the list of large families or -1) of the children of a context."""
    block = row // STRIDE
    begin = np.int64(bases[block])
    large = np.int64(-1)
    for context in range(block * STRIDE, row):
        size = np.int64(sizes[context])
        if size == IN_LIST:
            large = find_large(listed, context) if large < 0 else large + 1
            size = np.int64(listed_sizes[large])
        begin += size
    size = np.int64(sizes[row])
    if size != IN_LIST:
        return begin, begin + size, np.int64(-1)
    large = find_large(listed, row) if large < 0 else large + 1
    return begin, begin + np.int64(listed_sizes[large]), large


@njit(nogil=True, cache=True, inline="always")
def add_up(codes, values, begin, end):  # type: ignore[no-untyped-def]
    """What a family leaves: one less its u, in the order of rows."""
    total = 0.0
    for row in range(begin, end):
        total += values[codes[row]]
    return 1.0 - total


@njit(nogil=True, cache=True)
def begin_walk(line, unigrams, chances, orders):  # type: ignore[no-untyped-def]
    """Order 1 of a walk over line (T,); -1 stands for no token, and has chance 1 and order 0.

    unigrams (V,) P of each token; chances (T,), orders (T,): P of the token, and what decided it.
    """
    for i in range(len(line)):
        token = np.int64(line[i])
        chances[i], orders[i] = 1.0, 0
        if token >= 0:
            chances[i], orders[i] = unigrams[token], 1


@njit(nogil=True, cache=True)
def extend_walk(  # type: ignore[no-untyped-def]
    level, line, bits, tokens, codes, values, begins, ends, lefts, chances, orders, rows
):
    """Order level + 1 of a walk, from the contexts that the order below has left.

    begins, ends, lefts (N - 1, T): at level n - 1, the children of the n-gram that ends at each
    place, and what they leave, which is found here for small families. rows (T,): the n-gram of
    this order that ends there, -1 for none.
    """
    size = len(line)
    if size > 0:
        rows[0] = -1
    for i in range(1, size + AHEAD):
        if i < size:
            begin = np.int64(begins[level - 1, i - 1])
            if begin < ends[level - 1, i - 1]:
                prefetch(tokens, (begin * bits) >> 6)
                prefetch(codes, begin)
        at = i - AHEAD
        if at < 1:
            continue
        rows[at] = -1
        begin, end = np.int64(begins[level - 1, at - 1]), np.int64(ends[level - 1, at - 1])
        if begin == end:
            continue
        if end - begin < LARGE:
            lefts[level - 1, at - 1] = add_up(codes, values, begin, end)
        if line[at] < 0:
            continue
        chances[at] *= lefts[level - 1, at - 1]
        row = find_token(tokens, bits, begin, end, np.uint64(line[at]))
        if row >= 0:
            rows[at] = row
            orders[at] = level + 1
            chances[at] += values[codes[row]]
    if size > 0 and begins[level - 1, size - 1] < ends[level - 1, size - 1]:
        # Nothing follows the last place, but a distribution may be asked for there.
        begin, end = np.int64(begins[level - 1, size - 1]), np.int64(ends[level - 1, size - 1])
        if end - begin < LARGE:
            lefts[level - 1, size - 1] = add_up(codes, values, begin, end)


@njit(nogil=True, cache=True)
def open_families(  # type: ignore[no-untyped-def]
    level, rows, sizes, bases, listed, listed_sizes, listed_lefts, begins, ends, lefts
):
    """At `level`, the children of the n-grams rows (T,), and what large families leave; 1 where
    there are none, or small ones that `extend_walk` adds up."""
    size = len(rows)
    for i in range(size + AHEAD):
        if i < size and rows[i] >= 0:
            prefetch(sizes, np.int64(rows[i]))
            prefetch(bases, np.int64(rows[i]) // STRIDE)
        at = i - AHEAD
        if at < 0:
            continue
        begins[level, at], ends[level, at], lefts[level, at] = 0, 0, 1.0
        if rows[at] >= 0:
            begin, end, large = family_of(sizes, bases, listed, listed_sizes, np.int64(rows[at]))
            begins[level, at], ends[level, at] = begin, end
            if large >= 0:
                lefts[level, at] = listed_lefts[large]


@njit(nogil=True, cache=True)
def spread(  # type: ignore[no-untyped-def]
    bits, tokens, codes, values, begin, end, left, out
):
    """ln P of every token, out (V,), from that after h' to that after h, whose children stand
    from `begin` to `end` and leave `left`."""
    less = np.float32(math.log(left))
    for token in range(len(out)):
        out[token] += less
    for row in range(begin, end):
        token = token_at(tokens, bits, row)
        out[token] = math.log(values[codes[row]] + math.exp(out[token]))


@njit(nogil=True, cache=True)
def pack_tokens(tokens, bits, packed):  # type: ignore[no-untyped-def]
    """Write tokens (n,) as numbers of so many bits into words of zeros."""
    for row in range(len(tokens)):
        first = np.uint64(row) * np.uint64(bits)
        word, shift = np.int64(first >> np.uint64(6)), first & np.uint64(63)
        packed[word] |= np.uint64(tokens[row]) << shift
        packed[word + 1] |= (np.uint64(tokens[row]) >> np.uint64(1)) >> (np.uint64(63) - shift)


@njit(nogil=True, cache=True)
def unpack_tokens(packed, bits, tokens):  # type: ignore[no-untyped-def]
    """Read tokens (n,) that `pack_tokens` wrote."""
    for row in range(len(tokens)):
        tokens[row] = token_at(packed, bits, row)


@njit(nogil=True, cache=True)
def add_up_all(codes, values, children, lefts):  # type: ignore[no-untyped-def]
    """What each context leaves, lefts (C,), from where its children begin (C + 1,)."""
    for context in range(len(lefts)):
        lefts[context] = add_up(
            codes, values, np.int64(children[context]), np.int64(children[context + 1])
        )
