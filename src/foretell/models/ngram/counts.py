"""Counts of n-grams of every order, and the adjusted counts of Kneser-Ney, from sorted places.

All texts stand in one stream, a boundary between two of them. As the first token of an n-gram it
is `<s>`, as the last one `</s>`; it never stands inside.

    sorted   B | Bb | Bab | aB | abaB | bB | baB      places of a stream, by what follows
    order 2      0    1     2    3      4    5        a new number wherever the first two differ
    order 3           0          1           2        from the place before

Facts: numbered so, n-grams are in the order of (number of the context, last token), which is that
of a forward trie; the n-gram of a place has as its context the one of the order below at the same
place, and as its suffix the one of the order below at the next place of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.corpus.suffixes import MOST_DEPTH, Suffixes, lay_out, sort_to_depth
from foretell.threads import cut, in_threads

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class OrderCounts:
    """The n-grams (n,) of one order, by (context, token). Of order 1: every token, seen or not."""

    children: Ids
    """(C + 1,) where the n-grams of each context, an n-gram of the order below, begin."""
    tokens: Ids
    """(n,) the last token of each."""
    suffixes: Ids
    """(n,) the n-gram without its first token, a number in the order below; empty in order 1."""
    raw: Ids
    adjusted: Ids
    """(n,) the number of different tokens seen before the n-gram. The raw count instead where
    nothing can stand before (it begins with the boundary), and in the highest order."""


@dataclass(frozen=True)
class Counts:
    orders: tuple[OrderCounts, ...]
    last_open: tuple[int | None, ...]
    """For each order but the highest, the n-gram that closes the stream sorted by suffix, if that
    order has one; only `compat="kenlm"` reads it."""


def count_texts(
    texts: Sequence[NDArray[np.integer]], *, vocabulary_size: int, boundary: int, order: int
) -> Counts:
    """Count the n-grams of orders 1 to `order` in texts, each of tokens (T,) without boundaries.

    An empty text counts as a boundary that follows the boundary. Raises ForetellError without a
    text, ValueError if a text holds a token outside the vocabulary, or the boundary.
    """
    stream = lay_out(list(texts), vocabulary_size=vocabulary_size, boundary=boundary)
    return count_stream(stream, vocabulary_size=vocabulary_size, boundary=boundary, order=order)


def count_stream(stream: Ids, *, vocabulary_size: int, boundary: int, order: int) -> Counts:
    """Count the n-grams of orders 1 to `order` in a stream (S,) that begins with a boundary.

    Raises ForetellError for an order above MOST_DEPTH.

    Source: Chen & Goodman 1998, section 4.1.6; Heafield et al. 2013, section 3.2; the one sort
    that serves all orders, Pibiri & Venturini 2019.
    """
    if order > MOST_DEPTH:
        raise ForetellError(f"order {order} is too high; give at most {MOST_DEPTH}")
    raw = np.bincount(stream[1:], minlength=vocabulary_size).astype(np.int32)
    every, none = np.arange(vocabulary_size, dtype=np.int32), np.zeros(0, np.int32)
    whole = np.array([0, vocabulary_size], np.int32)
    adjusted = raw if order == 1 else np.zeros_like(raw)
    orders = [OrderCounts(whole, every, none, raw, adjusted)]
    last_open: list[int | None] = []
    if order == 1:
        return Counts(tuple(orders), ())

    suffixes = sort_to_depth(
        stream, depth=order, vocabulary_size=vocabulary_size, boundary=boundary
    )
    firsts = raw.astype(np.int64)
    firsts[boundary] += 1
    starts = np.concatenate(([0], np.cumsum(firsts)))
    pieces = [(int(starts[a]), int(starts[b])) for a, b in cut(starts)]
    new = in_threads(
        lambda low, high: _count_new(suffixes.shared, suffixes.reach, low, high, order), pieces
    )
    befores = np.concatenate((np.zeros((1, order + 1), np.int64), np.cumsum(new, axis=0)))

    last = _last_by_suffix(stream, order, vocabulary_size, boundary)
    at_boundary = int(starts[boundary]), int(starts[boundary + 1])
    below_at: Ids = stream
    for n in range(2, order + 1):
        last_open.append(_number_ending_at(below_at, stream, last, n - 1, boundary))
        size, contexts = int(befores[-1, n]), len(orders[-1].tokens)
        above = OrderCounts(
            children=np.zeros(contexts + 1, np.int32),
            tokens=np.empty(size, np.int32),
            suffixes=np.empty(size, np.int32),
            raw=np.zeros(size, np.int32),
            adjusted=none,
        )
        at = np.zeros(len(stream), np.int32) if n < order else none
        _number(stream, suffixes, n, pieces, befores, below_at, above, at)
        np.cumsum(above.children, out=above.children)
        count_extensions(above.suffixes, orders[-1].adjusted)
        if n == order:
            above = replace(above, adjusted=above.raw)
        else:
            # Nothing stands before the boundary: these n-grams keep their raw counts, and the
            # next order adds nothing to them.
            first, end = _count_new(suffixes.shared, suffixes.reach, 0, at_boundary[0], n)[n], 0
            end = first + _count_new(suffixes.shared, suffixes.reach, *at_boundary, n)[n]
            adjusted = np.zeros(size, np.int32)
            adjusted[first:end] = above.raw[first:end]
            above = replace(above, adjusted=adjusted)
        orders.append(above)
        below_at = at
    return Counts(tuple(orders), tuple(last_open))


def _number(
    stream: Ids,
    suffixes: Suffixes,
    n: int,
    pieces: list[tuple[int, int]],
    befores: NDArray[np.int64],
    below_at: Ids,
    counts: OrderCounts,
    at: Ids,
) -> None:
    """Number the n-grams of order n, and fill their counts; `children` gets sizes, one late."""

    def work(piece: int, low: int, high: int) -> None:
        first, context = int(befores[piece, n]), int(befores[piece, n - 1])
        _number_piece(
            stream, *suffixes, n, low, high, first, context, below_at,
            counts.children, counts.tokens, counts.suffixes, counts.raw, at,
        )  # fmt: skip

    in_threads(work, [(piece, *bounds) for piece, bounds in enumerate(pieces)])


@njit(nogil=True, cache=True)
def _count_new(shared, reach, low, high, order):  # type: ignore[no-untyped-def]
    """How many n-grams of each order begin to be listed from low to high, (order + 1,)."""
    new = np.zeros(order + 1, np.int64)
    for k in range(low, high):
        for n in range(shared[k] + 1, min(reach[k], order) + 1):
            new[n] += 1
    return new


@njit(nogil=True, cache=True)
def _number_piece(  # type: ignore[no-untyped-def]
    stream, places, shared, reach, n, low, high, first, context, below_at,
    children, tokens, suffixes, raw, at,
):  # fmt: skip
    number, context = first - 1, context - 1
    for k in range(low, high):
        place = places[k]
        if n == 2:
            context = stream[place]
        elif shared[k] < n - 1 <= reach[k]:
            context += 1
        if reach[k] < n:
            continue
        if shared[k] < n:
            number += 1
            children[context + 1] += 1
            tokens[number] = stream[place + n - 1]
            suffixes[number] = below_at[place + 1]
        raw[number] += 1
        if len(at):
            at[place] = number


@njit(nogil=True, cache=True)
def count_extensions(suffixes, adjusted):  # type: ignore[no-untyped-def]
    """Add one to the adjusted count of each n-gram that is a suffix (n,)."""
    for k in range(len(suffixes)):
        adjusted[suffixes[k]] += 1


def _last_by_suffix(stream: Ids, order: int, vocabulary_size: int, boundary: int) -> int:
    """Where the last n-gram of the stream ends, when n-grams are sorted by suffix.

    Compared from the last token to the first; tokens by first appearance, after `<s>` (1) and
    `</s>` (2). What would stand before the text is `<s>` again.
    """
    appearance = np.zeros(vocabulary_size, np.int64)
    # Of repeated indices the last assignment stands: in a reversed stream, the first appearance.
    appearance[stream[::-1]] = np.arange(len(stream) + 2, 2, -1)
    appearance[boundary] = 2
    newest = int(appearance.argmax())
    ends = np.flatnonzero(stream == newest) if appearance[newest] > 2 else np.arange(1, len(stream))
    inside = np.ones(len(ends), bool)
    """False for ends whose text began before the token that is looked at."""
    for back in range(1, order):
        starts = ends - back
        before = stream[np.maximum(starts, 0)]
        values = np.where(inside, np.where(before == boundary, 1, appearance[before]), 1)
        inside &= before != boundary
        best = values == values.max()
        ends, inside = ends[best], inside[best]
    return int(ends[0])


def _number_ending_at(numbers: Ids, stream: Ids, end: int, n: int, boundary: int) -> int | None:
    """The number of the n-gram that ends at a place, from the numbers at places (S,), if the text
    goes back as far."""
    start = end - n + 1
    if start < 0 or (stream[start + 1 : end] == boundary).any():
        return None
    return int(numbers[start])
