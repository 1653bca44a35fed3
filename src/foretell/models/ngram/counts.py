"""Counts of n-grams of every order, and the adjusted counts of Kneser-Ney, by sorting.

All texts stand in one stream, each between two boundaries. The first is `<s>`: context only.
The second is `</s>`: target only. One token serves both, since its place tells which it is.

    stream     B  a  b  a  B | B  b  B          B  boundary
    place      0  1  2  3  4 | 0  1  2
    bigram        0  3  2  1 |    ...           the n-gram that ends here, its number

Facts: the n-grams of an order are numbered in the order of (number of the context, last token),
which is the order of a forward trie; the n-gram that ends at i has as its context the one of the
order below that ends at i-1, and as its suffix the one of the order below that ends at i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class OrderCounts:
    """The n-grams (n,) of one order, by (context, token). Of order 1: every token, seen or not."""

    contexts: Ids
    """(n,) the n-gram without its last token, a number in the order below; zeros in order 1."""
    tokens: Ids
    suffixes: Ids
    """(n,) the n-gram without its first token, a number in the order below; zeros in order 1."""
    raw: NDArray[np.int64]
    adjusted: NDArray[np.int64]
    """(n,) the number of different tokens seen before the n-gram. The raw count instead where
    nothing can stand before (it begins with the boundary), and in the highest order."""


@dataclass(frozen=True)
class Counts:
    orders: tuple[OrderCounts, ...]
    last_open: tuple[int | None, ...]
    """For each order but the highest, the n-gram that closes the stream sorted by suffix, if that
    order has one; only `compat="kenlm"` reads it."""


def count_ngrams(
    texts: Sequence[NDArray[np.integer]], *, vocabulary_size: int, boundary: int, order: int
) -> Counts:
    """Count the n-grams of orders 1 to `order` in texts, each of tokens (T,) without boundaries.

    An empty text counts as a boundary that follows the boundary. Raises ValueError if a text
    holds a token outside the vocabulary, or the boundary, which `encode` never returns.

    Source: Chen & Goodman 1998, section 4.1.6; Heafield et al. 2013, section 3.2.
    """
    stream, place = _lay_out(texts, vocabulary_size, boundary)
    last = _last_by_suffix(stream, place, order, vocabulary_size)

    targets = np.flatnonzero(place > 0)
    raw = np.bincount(stream[targets], minlength=vocabulary_size)
    every = np.arange(vocabulary_size, dtype=np.int32)
    none = np.zeros_like(every)
    orders = [
        OrderCounts(none, every, none, raw, adjusted=raw if order == 1 else np.zeros_like(raw))
    ]
    last_open: list[int | None] = []

    numbers = stream
    for n in range(2, order + 1):
        last_open.append(int(numbers[last]) if place[last] >= n - 2 else None)
        ends = targets[place[targets] >= n - 1]
        token_bits = max(1, (vocabulary_size - 1).bit_length())
        keys = numbers[ends - 1].astype(np.uint64) << np.uint64(token_bits)
        keys |= stream[ends].astype(np.uint64)
        keys, slots = sort_with_slots(keys)

        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
        raw = np.diff(np.append(starts, len(keys)))
        first = ends[slots[starts]]
        below = orders[-1]
        extensions = np.bincount(numbers[first], minlength=len(below.raw))
        orders[-1] = replace(below, adjusted=below.adjusted + extensions)

        distinct = keys[starts]
        mask = np.uint64((1 << token_bits) - 1)
        orders.append(
            OrderCounts(
                contexts=(distinct >> np.uint64(token_bits)).astype(np.int32),
                tokens=(distinct & mask).astype(np.int32),
                suffixes=numbers[first],
                raw=raw,
                # Nothing stands before the boundary: such n-grams keep this, and the next order
                # adds nothing to them.
                adjusted=np.where(place[first] == n - 1, raw, 0) if n < order else raw,
            )
        )
        numbers = np.zeros(len(stream), np.int32)
        numbers[ends[slots]] = np.repeat(np.arange(len(starts), dtype=np.int32), raw)
    return Counts(tuple(orders), tuple(last_open))


def sort_with_slots(
    keys: NDArray[np.uint64], *, bits: int = 64
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """keys (n,) in ascending order, and where each one stood, (n,); equal keys stay in order.

    Where key and position fit into `bits` together, one plain sort of both is several times as
    fast as sorting positions by key.
    """
    slot_bits = max(1, len(keys).bit_length())
    widest = int(keys.max()).bit_length() if len(keys) else 0
    if widest + slot_bits > bits:
        slots = np.argsort(keys, kind="stable")
        return keys[slots], slots
    packed = keys << np.uint64(slot_bits)
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    slots = (packed & np.uint64((1 << slot_bits) - 1)).astype(np.int64)
    return packed >> np.uint64(slot_bits), slots


def _lay_out(
    texts: Sequence[NDArray[np.integer]], vocabulary_size: int, boundary: int
) -> tuple[Ids, Ids]:
    """The stream (S,) of all texts between boundaries, and each token's place in its text (S,)."""
    if not texts:
        raise ForetellError("no text to count; give at least one")
    lengths = np.array([len(text) + 2 for text in texts], np.int64)
    ends = np.cumsum(lengths)
    if ends[-1] >= 2**31:
        raise ForetellError(
            f"{ends[-1]} tokens are too many to count at once; give fewer than 2^31"
        )
    stream = np.full(ends[-1], boundary, np.int32)
    inside = np.ones(len(stream), bool)
    inside[ends - 1] = inside[ends - lengths] = False
    tokens = np.concatenate([np.asarray(text) for text in texts])
    if len(tokens) and (tokens.min() < 0 or tokens.max() >= vocabulary_size):
        raise ValueError(f"a token is not in 0 ... {vocabulary_size - 1}")
    if (tokens == boundary).any():
        raise ValueError(f"a text holds the boundary ({boundary}); split it there into two texts")
    stream[inside] = tokens
    place = np.arange(len(stream)) - np.repeat(ends - lengths, lengths)
    return stream, place.astype(np.int32)


def _last_by_suffix(stream: Ids, place: Ids, order: int, vocabulary_size: int) -> int:
    """Where the last n-gram of the stream ends, when n-grams are sorted by suffix.

    Compared from the last token to the first; tokens by first appearance, after `<s>` (1) and
    `</s>` (2). What would stand before the text is `<s>` again.
    """
    appearance = np.zeros(vocabulary_size, np.int64)
    # Of repeated indices the last assignment stands: in a reversed stream, the first appearance.
    appearance[stream[::-1]] = np.arange(len(stream) + 2, 2, -1)
    appearance[stream[0]] = 2
    ends = np.flatnonzero(place > 0)
    for back in range(order):
        starts = ends - back
        values = np.where(place[ends] > back, appearance[stream[np.maximum(starts, 0)]], 1)
        ends = ends[values == values.max()]
    return int(ends[0])
