"""Choose 256 values for each order of a model, and one of them for each n-gram.

    u(h, w) = p(w|h) - left(h) p(w|h')        counts take few values, so most are met exactly

A context leaves what its values do not take, so the errors of a family add up in what it leaves.
They are chosen together: of what a distribution loses,

    sum over the children of error^2 / p(w|h)  +  (sum of the errors)^2 / left(h)

each child in turn takes the value that is best while the others stand.

Facts: all values may round towards 0, which always makes room; so a context never leaves nothing,
and no probability is negative. A model whose distributions do not sum to one (some files have
such) comes out with ones that do.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foretell.models.ngram.compact import (
    Bytes,
    CompactTrie,
    Doubles,
    Families,
    Packed,
    bits_of,
)
from foretell.models.ngram.model import NGram
from foretell.models.ngram.sections import assemble, sections_of
from foretell.models.ngram.trie import Ids, Trie
from foretell.threads import PIECES, cut, in_threads

VALUES = 256
BINS = 1 << 16
ROUNDS = 3
PASSES = 3
NOISE = 1e-5
"""Share of a probability below which its u is none: what single precision makes of 0."""
LEAST_LEFT = 1e-4
"""What a context leaves at least, if it says it leaves less than nothing."""
CLOSE = 1e-3
"""Sums to one."""
MOST = 1 - 1e-6


def quantize(model: NGram) -> NGram:
    """The same model in about a third of the space, with slightly other numbers.

    It foretells as any model; what changes models (`prune`, `merge`, ARPA) unpacks it.
    """
    trie = model.trie.unpack()
    if _has_holes(trie):
        trie = assemble(sections_of(trie), trie.recipe)
    return NGram(_pack(trie), model.tokenizer)


def _has_holes(trie: Trie) -> bool:
    return any(
        not trie.find(trie.grams(n)[:, 1:]).there.all() for n in range(3, trie.recipe.order + 1)
    )


def _pack(trie: Trie) -> CompactTrie:
    bits = bits_of(trie.recipe.vocabulary_size)
    packed: list[Packed] = []
    families: list[Families] = []
    exact = chances = np.exp(trie.unigrams.astype(np.float64))
    grams: Ids = trie.grams(1)
    for below, order in zip(trie.orders, trie.orders[1:], strict=False):
        children = below.children.astype(np.int64)
        owners = np.repeat(np.arange(len(below)), np.diff(children))
        grams = np.concatenate([grams[owners], order.tokens[:, None].astype(np.int32)], axis=1)
        shorter = _find_suffixes(trie, grams)
        lefts = np.exp(below.backoffs.astype(np.float64))
        own = np.exp(order.logprobs.astype(np.float64))
        wanted = own - lefts[owners] * exact[shorter]
        wanted[np.abs(wanted) <= NOISE * own] = 0.0
        exact = own
        values = choose_values(wanted)
        codes, lefts, chances = choose_codes(
            children, wanted, own, chances[shorter], values, _settle(lefts, wanted, owners)
        )
        packed.append(Packed.of(order.tokens, codes, values, bits))
        families.append(Families.of(children, lefts))
    return CompactTrie(trie.unigrams.copy(), tuple(packed), tuple(families), trie.recipe)


def _find_suffixes(trie: Trie, grams: Ids) -> NDArray[np.int64]:
    """Row of each n-gram (G, n) without its first token."""
    if grams.shape[1] == 2:
        return grams[:, 1].astype(np.int64)
    rows = np.empty(len(grams), np.int64)

    def work(low: int, high: int) -> None:
        rows[low:high] = trie.find(grams[low:high, 1:]).rows

    edges = np.linspace(0, len(grams), PIECES + 1).astype(int).tolist()
    in_threads(work, pairwise(edges))
    return rows


def _settle(lefts: Doubles, wanted: Doubles, owners: NDArray[np.int64]) -> Doubles:
    """What each context (C,) is to leave: what it says, if that makes one with u (n,)."""
    rest = 1.0 - np.bincount(owners, wanted, minlength=len(lefts))
    return np.where(np.abs(rest - lefts) <= CLOSE, lefts, np.maximum(rest, LEAST_LEFT))


def choose_values(wanted: Doubles) -> Doubles:
    """At most 256 values, sorted and 0 among them, for numbers (n,) below one.

    Between 0 and 1 they are as dense in ln(u / (1 - u)) as errors call for that weigh by their
    share of the smaller of u and 1 - u; below 0 in ln(-u).
    """
    above = np.clip(wanted[wanted > 0], 0, MOST)
    below = -wanted[wanted < 0]
    room = VALUES - 1
    roots = len(above) ** (1 / 3), len(below) ** (1 / 3)
    share = round(room * roots[1] / sum(roots)) if len(below) else 0
    for_below = min(max(share, min(room // 4, len(below))), room - min(room // 4, len(above)))
    negative = -_cluster(np.log(below), below, for_below)
    positive = _cluster(np.log(above) - np.log1p(-above), above, room - for_below)
    return np.unique(np.concatenate([negative, [0.0], positive]))


def _cluster(places: Doubles, numbers: Doubles, most: int) -> Doubles:
    """The means of at most so many clusters of numbers (n,) on a line of places (n,).

    Source: Lloyd 1982; the first guess has the density of the best, f^(1/3) (Panter, Dite 1951).
    """
    if len(numbers) == 0 or most == 0:
        return np.zeros(0)
    low, high = places.min(), places.max()
    bins = ((places - low) * ((BINS - 1) / max(high - low, 1e-9))).astype(np.int64)
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    sums = np.bincount(bins, numbers, minlength=BINS)
    spots = np.bincount(bins, places, minlength=BINS)
    used = counts > 0
    counts, sums, spots = counts[used], sums[used], spots[used]
    if len(counts) <= most:
        return sums / counts
    points = spots / counts
    density = np.cumsum(counts ** (1 / 3))
    # Rare numbers belong to frequent contexts, so half of the values look at the length alone.
    density = density / density[-1] + (points - low) / (high - low)
    chosen = np.interp((np.arange(most) + 0.5) / most * density[-1], density, points)
    for _ in range(ROUNDS):
        cells = np.searchsorted((chosen[1:] + chosen[:-1]) / 2, points)
        weights = np.bincount(cells, counts, minlength=most)
        centres = np.bincount(cells, counts * points, minlength=most)
        chosen = np.where(weights > 0, centres / np.maximum(weights, 1), chosen)
    cells = np.searchsorted((chosen[1:] + chosen[:-1]) / 2, points)
    weights = np.bincount(cells, counts, minlength=most)
    filled = weights > 0
    means: Doubles = np.bincount(cells, sums, minlength=most)[filled] / weights[filled]
    return means


def choose_codes(
    children: NDArray[np.int64],
    wanted: Doubles,
    own: Doubles,
    lower: Doubles,
    values: Doubles,
    lefts: Doubles,
) -> tuple[Bytes, Doubles, Doubles]:
    """A value for each n-gram (n,); what contexts (C,) leave, and P (n,) of the n-grams, then.

    children (C + 1,), wanted u (n,), own (n,) P, lower (n,) P after the shorter context as it is
    now, values (at most 256,), lefts (C,) what each context is to leave.
    """
    codes, chances = np.empty(len(wanted), np.uint8), np.empty(len(wanted))
    left = np.empty(len(lefts))

    def work(first: int, last: int) -> None:
        _choose(first, last, children, wanted, own, lower, values, lefts, codes, left, chances)

    in_threads(work, cut(children))
    return codes, left, chances


@njit(nogil=True, cache=True)
def _nearest(values, number):  # type: ignore[no-untyped-def]
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < number:
            low = middle + 1
        else:
            high = middle
    if low > 0 and number - values[low - 1] <= values[low] - number:
        low -= 1
    return low


@njit(nogil=True, cache=True)
def _add_up(codes, values, begin, end):  # type: ignore[no-untyped-def]
    total = 0.0
    for row in range(begin, end):
        total += values[codes[row]]
    return 1.0 - total


@njit(nogil=True, cache=True)
def _choose(  # type: ignore[no-untyped-def]
    first, last, children, wanted, own, lower, values, aims, codes, lefts, chances
):
    for context in range(first, last):
        begin, end = children[context], children[context + 1]
        aim = aims[context]
        # What the family takes too much: at first, what its numbers and the aim exceed one by.
        error = aim - 1.0
        for row in range(begin, end):
            codes[row] = _nearest(values, wanted[row])
            error += values[codes[row]]
        cost = max(aim, LEAST_LEFT)
        for _ in range(PASSES):
            before = error
            for row in range(begin, end):
                rest = error - (values[codes[row]] - wanted[row])
                best = wanted[row] - rest * own[row] / (own[row] + cost)
                codes[row] = _nearest(values, best)
                error = rest + (values[codes[row]] - wanted[row])
            if error == before:
                break
        left = _make_room(begin, end, own, lower, values, aim, codes)
        lefts[context] = left
        for row in range(begin, end):
            chances[row] = max(0.0, values[codes[row]] + left * lower[row])


@njit(nogil=True, cache=True)
def _make_room(begin, end, own, lower, values, aim, codes):  # type: ignore[no-untyped-def]
    """Move values towards 0 until the family leaves something and no probability is negative;
    what it leaves then."""
    while True:
        moved = False
        left = _add_up(codes, values, begin, end)
        if left < 0.5 * min(aim, 1.0):
            for row in range(begin, end):
                if values[codes[row]] > 0:
                    codes[row] -= 1
                    moved = True
            left = _add_up(codes, values, begin, end)
        for row in range(begin, end):
            value, base = values[codes[row]], left * lower[row]
            if value < 0 and value + base < max(0.25 * own[row], 1e-3 * base):
                codes[row] += 1
                moved = True
        if not moved:
            return left
