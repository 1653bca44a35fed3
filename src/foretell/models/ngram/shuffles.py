"""Compiled: sorted runs of n-grams, merged and numbered, and n-grams found by their context.

    row   a+1  b+1  B+1   0   0 | 3      a sequence of up to N tokens, and how often it was seen

Tokens count from 1 in a row, and 0 is what stands after the end of a text, so rows are sorted as
the places are that they come from.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def list_sequences(stream, places, shared, reach, low, high, order):  # type: ignore[no-untyped-def]
    """The different sequences of two tokens or more at sorted places low to high of a stream (S,),
    as rows (D, order + 1)."""
    different = 0
    for k in range(low, high):
        if reach[k] >= 2 and _differs(shared, reach, k, low):
            different += 1
    rows = np.zeros((different, order + 1), np.int32)
    row = -1
    for k in range(low, high):
        if reach[k] < 2:
            continue
        if _differs(shared, reach, k, low):
            row += 1
            for n in range(reach[k]):
                rows[row, n] = stream[places[k] + n] + 1
        rows[row, order] += 1
    return rows


@njit(nogil=True, cache=True, inline="always")
def _differs(shared, reach, k, low):  # type: ignore[no-untyped-def]
    return k == low or shared[k] != reach[k] or reach[k - 1] != reach[k]


@njit(nogil=True, cache=True, inline="always")
def _before(rows, one, other, width):  # type: ignore[no-untyped-def]
    for n in range(width):
        if rows[one, n] != rows[other, n]:
            return rows[one, n] < rows[other, n]
    return one < other


@njit(nogil=True, cache=True)
def _sink(rows, heads, heap, at, size, width):  # type: ignore[no-untyped-def]
    while True:
        least = at
        for child in range(2 * at + 1, min(2 * at + 3, size)):
            if _before(rows, heads[heap[child]], heads[heap[least]], width):
                least = child
        if least == at:
            return
        heap[at], heap[least] = heap[least], heap[at]
        at = least


@njit(nogil=True, cache=True)
def merge_runs(rows, starts):  # type: ignore[no-untyped-def]
    """How sorted runs become one: rows (D, N + 1) of all of them in their new order (D,), and how
    many tokens each has in common with the one before (D,).

    starts (K + 1,): where each run begins.
    """
    width = rows.shape[1] - 1
    heads = starts[:-1].copy()
    heap = np.empty(len(heads), np.int64)
    size = 0
    for run in range(len(heads)):
        if heads[run] < starts[run + 1]:
            heap[size] = run
            size += 1
    for at in range(size - 1, -1, -1):
        _sink(rows, heads, heap, at, size, width)
    picks, shared = np.empty(len(rows), np.int32), np.zeros(len(rows), np.uint8)
    for k in range(len(rows)):
        run = heap[0]
        picks[k] = heads[run]
        if k > 0:
            common = 0
            while (
                common < width
                and rows[picks[k], common] != 0
                and rows[picks[k], common] == rows[picks[k - 1], common]
            ):
                common += 1
            shared[k] = common
        heads[run] += 1
        if heads[run] == starts[run + 1]:
            size -= 1
            heap[0] = heap[size]
        _sink(rows, heads, heap, 0, size, width)
    return picks, shared


@njit(nogil=True, cache=True)
def number_grams(rows, picks, shared, n, first, contexts):  # type: ignore[no-untyped-def]
    """The n-grams (n,) of order n in merged rows: children (contexts + 1,) as sizes, one late;
    last tokens (n,), raw counts (n,). first: the first token that rows may begin with."""
    order = rows.shape[1] - 1
    size = 0
    for k in range(len(picks)):
        if shared[k] < n and rows[picks[k], n - 1] != 0:
            size += 1
    children = np.zeros(contexts + 1, np.int32)
    tokens, raw = np.empty(size, np.int32), np.zeros(size, np.int32)
    number, context = -1, -1
    for k in range(len(picks)):
        row = picks[k]
        if n == 2:
            context = rows[row, 0] - 1 - first
        elif shared[k] < n - 1 and rows[row, n - 2] != 0:
            context += 1
        if rows[row, n - 1] == 0:
            continue
        if shared[k] < n:
            number += 1
            children[context + 1] += 1
            tokens[number] = rows[row, n - 1] - 1
        raw[number] += rows[row, order]
    return children, tokens, raw


@njit(nogil=True, cache=True)
def find_children(below, wanted, children, tokens):  # type: ignore[no-untyped-def]
    """The n-gram of each context `below` (G,) with the last token wanted (G,); -1 if there is
    none. children (contexts + 1,), tokens (n,), sorted in each context."""
    found = np.empty(len(below), np.int32)
    for g in range(len(below)):
        low, high = children[below[g]], children[below[g] + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if tokens[middle] < wanted[g]:
                low = middle + 1
            else:
                high = middle
        found[g] = low if low < end and tokens[low] == wanted[g] else -1
    return found
