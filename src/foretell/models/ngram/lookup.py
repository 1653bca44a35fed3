"""Compiled look-ups in the flat arrays of a trie.

    order n     token  logprob  back-off  children        one row of 16 bytes an n-gram
    highest     token  logprob                            8 bytes
    a context   children of row c ... children of row c+1   its n-grams in the order above, sorted

A small family of children is scanned: it lies in one or two lines of the cache. A large one is
found through a table of open addresses, which holds row numbers only: a row is the right one if
it has the token and lies among the context's children, so nothing is ever found by mistake.

Arrays are written by `fill_table` alone and come read-only, so that what is mapped from a file
and what was just built are one type, compiled once. A walk goes order by order over a whole block
of places. The look-ups of one order do not wait for each other, and memory is sent for ahead, so
the processor has many under way at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from foretell.memory import prefetch

TOKEN, LOGPROB, BACKOFF, CHILDREN = 0, 1, 2, 3
SCANNED = 12
"""Children of the largest family that is scanned."""
AHEAD = 8
"""Places by which a walk looks ahead: the best of 4, 8, 16, 32, and 1.7 times as fast as 0."""
EMPTY = 0xFFFFFFFF


@njit(nogil=True, cache=True, inline="always")
def slot_of(begin, token, size):  # type: ignore[no-untyped-def]
    """Where a table of `size` slots would have the child `token` of the context at `begin`."""
    mixed = np.uint64(begin) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(token) * np.uint64(
        0xD6E8FEB86659FD93
    )
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.int64(((mixed >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@njit(nogil=True, cache=True, inline="always")
def scan(rows, begin, end, token):  # type: ignore[no-untyped-def]
    """The row of a token in a small family; -1 if it is not there."""
    for row in range(begin, end):
        if rows[row, TOKEN] == token:
            return row
    return np.int64(-1)


@njit(nogil=True, cache=True, inline="always")
def probe(rows, table, slot, begin, end, token):  # type: ignore[no-untyped-def]
    """The row of a token in a large family, from its slot on; -1 if it is not there."""
    while table[slot] != EMPTY:
        row = np.int64(table[slot])
        if rows[row, TOKEN] == token and begin <= row < end:
            return row
        slot += 1
        if slot == len(table):
            slot = 0
    return np.int64(-1)


@njit(nogil=True, cache=True)
def count_tabled(below):  # type: ignore[no-untyped-def]
    """How many children are not scanned for, of all contexts `below`, rows (C + 1, 4)."""
    tabled = np.int64(0)
    for context in range(len(below) - 1):
        size = np.int64(below[context + 1, CHILDREN]) - np.int64(below[context, CHILDREN])
        if size > SCANNED:
            tabled += size
    return tabled


@njit(nogil=True, cache=True)
def fill_table(below, rows, table):  # type: ignore[no-untyped-def]
    """Enter the children of large families into an empty table."""
    for context in range(len(below) - 1):
        begin, end = np.int64(below[context, CHILDREN]), np.int64(below[context + 1, CHILDREN])
        if end - begin > SCANNED:
            for row in range(begin, end):
                slot = slot_of(begin, rows[row, TOKEN], len(table))
                while table[slot] != EMPTY:
                    slot += 1
                    if slot == len(table):
                        slot = 0
                table[slot] = row


@njit(nogil=True, cache=True)
def begin_walk(  # type: ignore[no-untyped-def]
    tokens, rows, fractions, begins, ends, backoffs, logprobs, orders
):
    """Order 1 of a walk over tokens (T,); -1 stands for no token.

    rows, fractions: the rows of the order, as numbers and as fractions.
    begins, ends, backoffs (N - 1, T): at level n - 1, the children and the back-off of the n-gram
    that ends at each place; nothing where there is none.
    logprobs, orders (T,): ln P of the token, and the order that decided it; 0 where none stands.
    """
    middle = len(begins) > 0
    for i in range(len(tokens)):
        token = np.int64(tokens[i])
        logprobs[i], orders[i] = 0, 0
        if middle:
            begins[0, i], ends[0, i], backoffs[0, i] = 0, 0, 0
        if token >= 0:
            logprobs[i], orders[i] = fractions[token, LOGPROB], 1
            if middle:
                begins[0, i] = rows[token, CHILDREN]
                ends[0, i] = rows[token + 1, CHILDREN]
                backoffs[0, i] = fractions[token, BACKOFF]


@njit(nogil=True, cache=True)
def extend_walk(  # type: ignore[no-untyped-def]
    level, tokens, rows, fractions, table, begins, ends, backoffs, logprobs, orders
):
    """Order level + 1 of a walk, from the contexts that the order below has left.

    A place is met three times: to send for its slot, or its family if that is small; a while
    later to send for the row that the slot names; and at last to read.
    """
    size = len(tokens)
    middle = level < len(begins)
    slots = np.empty(size, np.int64)
    if middle and size > 0:
        begins[level, 0], ends[level, 0], backoffs[level, 0] = 0, 0, 0
    for i in range(1, size + 2 * AHEAD):
        if i < size:
            begin, end = np.int64(begins[level - 1, i - 1]), np.int64(ends[level - 1, i - 1])
            if end - begin > SCANNED:
                slots[i] = slot_of(begin, np.uint32(tokens[i]), len(table))
                prefetch(table, slots[i])
            elif begin < end:
                prefetch(rows, begin)
        soon = i - AHEAD
        if 1 <= soon < size:
            begin, end = begins[level - 1, soon - 1], ends[level - 1, soon - 1]
            if np.int64(end) - np.int64(begin) > SCANNED:
                named = table[slots[soon]]
                if named != EMPTY:
                    prefetch(rows, np.int64(named))
        at = i - 2 * AHEAD
        if at < 1:
            continue
        if middle:
            begins[level, at], ends[level, at], backoffs[level, at] = 0, 0, 0
        if tokens[at] < 0:
            continue
        token = np.uint32(tokens[at])
        begin, end = np.int64(begins[level - 1, at - 1]), np.int64(ends[level - 1, at - 1])
        if end - begin > SCANNED:
            row = probe(rows, table, slots[at], begin, end, token)
        else:
            row = scan(rows, begin, end, token)
        if row < 0:
            logprobs[at] += backoffs[level - 1, at - 1]
            continue
        logprobs[at], orders[at] = fractions[row, LOGPROB], level + 1
        if middle:
            begins[level, at] = rows[row, CHILDREN]
            ends[level, at] = rows[row + 1, CHILDREN]
            backoffs[level, at] = fractions[row, BACKOFF]


@njit(nogil=True, cache=True)
def spread_unigrams(unigrams, backoffs, place, out):  # type: ignore[no-untyped-def]
    """ln P of every token (V,) after a place of a walk, if no child of its contexts told more.

    The sums run in the order of those of a walk, here and below, so that both give the same bits.
    """
    first = backoffs[0, place] if len(backoffs) else np.float32(0)
    for token in range(len(out)):
        out[token] = unigrams[token] + first
    # A pass a level: each is one vector operation, and `out` stays in the cache.
    for level in range(1, len(backoffs)):
        more = backoffs[level, place]
        if more != 0:
            for token in range(len(out)):
                out[token] += more


@njit(nogil=True, cache=True)
def spread_children(  # type: ignore[no-untyped-def]
    level, rows, fractions, begins, ends, backoffs, place, out
):
    """Over out (V,), what the children of the context of `level` tokens tell."""
    levels = len(backoffs)
    for row in range(begins[level - 1, place], ends[level - 1, place]):
        value = fractions[row, LOGPROB]
        for longer in range(level, levels):
            value += backoffs[longer, place]
        out[rows[row, TOKEN]] = value


@njit(nogil=True, cache=True)
def descend(level, grams, below, rows, table, found):  # type: ignore[no-untyped-def]
    """Rows found (G,) of the first `level` tokens of n-grams (G, n) to those of one more; -1
    where there is none."""
    for g in range(len(grams)):
        row = found[g]
        if row >= 0:
            begin, end = np.int64(below[row, CHILDREN]), np.int64(below[row + 1, CHILDREN])
            token = np.uint32(grams[g, level])
            if end - begin > SCANNED:
                slot = slot_of(begin, token, len(table))
                found[g] = probe(rows, table, slot, begin, end, token)
            else:
                found[g] = scan(rows, begin, end, token)
