"""A forward trie of n-grams in flat arrays, and look-ups in it, many at a time.

    order 1   tokens    0   1   2   3          every token of the vocabulary, in order
              children  0   2   2   3   5      the n-grams of order 2 that begin with 1: 2 to 2
    order 2   tokens    1   3 |   | 0 | 1   3  sorted by (context, token)

Facts: an n-gram is a number, its place in its order's arrays; the children of one context lie
side by side, sorted by token; probabilities are interpolated already, so a look-up takes the
longest n-gram that is there, and the back-offs of the longer contexts that are there too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
TokenArray = NDArray[np.integer]

TOKEN_BITS = np.uint64(32)

RECIPE = "ngram.json"
FIELDS = {"tokens": "<i4", "logprobs": "<f4", "backoffs": "<f4", "children": "<i4"}
"""The arrays of an order, and what they are on disk."""


@dataclass(frozen=True)
class Recipe:
    """How the numbers of a trie were made."""

    order: int
    vocabulary_size: int
    boundary: int
    discounts: tuple[tuple[float, float, float], ...]
    """(order, 3) taken off counts of 1, of 2, and of 3 or more."""
    prune: tuple[int, ...]
    """(order,) n-grams seen this often or less were dropped."""
    compat: str
    notices: tuple[str, ...]
    """What had to be done otherwise than asked, for the user to read."""


@dataclass(frozen=True)
class Order:
    """The n-grams (n,) of one order. The highest order has no back-offs and no children."""

    tokens: Ids
    """(n,) the last token of each."""
    logprobs: Floats
    """(n,) ln P(last token | the others), interpolated with all lower orders."""
    backoffs: Floats
    """(n,) ln of what the n-gram, as a context, leaves to the order below; 0 without children."""
    children: Ids
    """(n + 1,) where the children of each begin in the next order."""


class Matches(NamedTuple):
    """For each place of a batch, the n-gram of one order that ends there."""

    numbers: NDArray[np.integer]
    """Of the same shape as the batch; meaningless where there is none."""
    there: Mask


class Scores(NamedTuple):
    logprobs: Floats
    """ln P of each token."""
    orders: Ids
    """The order that decided it: the length of the longest n-gram that was found."""


@dataclass(frozen=True)
class Trie:
    """N-grams of order 1 to N with probabilities and back-offs. Knows tokens, not text."""

    orders: tuple[Order, ...]
    recipe: Recipe

    @cached_property
    def _keys(self) -> tuple[NDArray[np.uint64], ...]:
        """For each order from 2: (n,) contexts and tokens, packed, ascending."""
        keys = []
        for below, order in pairwise(self.orders):
            contexts = np.arange(len(below.tokens), dtype=np.uint64) << TOKEN_BITS
            key = np.repeat(contexts, np.diff(below.children))
            key |= order.tokens.astype(np.uint64)
            keys.append(key)
        return tuple(keys)

    def find(self, order: int, contexts: Matches, tokens: TokenArray) -> Matches:
        """The n-grams of an order that extend contexts (...) of the order below by tokens (...)."""
        keys = self._keys[order - 2]
        numbers = np.zeros(tokens.shape, np.int64)
        there = np.zeros(tokens.shape, bool)
        if len(keys) == 0:
            return Matches(numbers, there)
        wanted = contexts.numbers[contexts.there].astype(np.uint64) << TOKEN_BITS
        wanted |= tokens[contexts.there].astype(np.uint64)
        slots = np.minimum(keys.searchsorted(wanted), len(keys) - 1)
        numbers[contexts.there] = slots
        there[contexts.there] = keys[slots] == wanted
        return Matches(numbers, there)

    def look_up(self, tokens: TokenArray, known: Mask, orders: int) -> Iterator[Matches]:
        """The n-grams that end at each place of tokens (B, W), of order 1, 2, ... `orders`.

        known (B, W) is false on pads. A boundary ends what stands before it without a rule: no
        n-gram that ends in it has children, and the boundary alone has those of a text's start.
        """
        found = Matches(tokens, known)
        yield found
        for order in range(2, orders + 1):
            contexts = Matches(found.numbers[:, :-1], found.there[:, :-1] & known[:, 1:])
            found = Matches(np.zeros(tokens.shape, np.int64), np.zeros(tokens.shape, bool))
            found.numbers[:, 1:], found.there[:, 1:] = self.find(order, contexts, tokens[:, 1:])
            yield found

    def score(self, tokens: TokenArray, known: Mask) -> Scores:
        """Each token of (B, W) given those before it in its row; known (B, W) is false on pads.

        What comes out on pads is meaningless.
        """
        logprobs = self.orders[0].logprobs[tokens]
        decided = np.ones(tokens.shape, np.int32)
        matches = self.look_up(tokens, known, self.recipe.order)
        contexts = next(matches)
        for level, here in enumerate(matches, start=1):
            rows, places = np.nonzero(contexts.there[:, :-1])
            numbers = contexts.numbers[rows, places]
            logprobs[rows, places + 1] += self.orders[level - 1].backoffs[numbers]
            logprobs[here.there] = self.orders[level].logprobs[here.numbers[here.there]]
            decided[here.there] = level + 1
            contexts = here
        return Scores(logprobs, decided)

    def distributions(self, tokens: TokenArray, known: Mask, keep: int) -> Floats:
        """ln P of every token of the vocabulary after each of the last `keep` places.

        tokens (B, W), known (B, W) false on pads, which must stand on the left; (B, keep, V).
        """
        rows = len(tokens)
        size = self.recipe.vocabulary_size
        out = np.tile(self.orders[0].logprobs, (rows * keep, 1))
        if self.recipe.order > 1 and keep > 0:
            for level, contexts in enumerate(self.look_up(tokens, known, self.recipe.order - 1)):
                there = contexts.there[:, -keep:].ravel()
                numbers = contexts.numbers[:, -keep:].ravel()
                self._refine(out, level, np.flatnonzero(there), numbers[there])
        return out.reshape(rows, keep, size)

    def _refine(
        self, out: Floats, level: int, rows: NDArray[np.intp], numbers: NDArray[np.integer]
    ) -> None:
        """Refine rows (R,) of out (·, V), right for contexts one shorter, by contexts (R,)."""
        order, above = self.orders[level], self.orders[level + 1]
        starts, ends = order.children[numbers], order.children[numbers + 1]
        if len(rows) == 1:  # the common case while decoding; slices cost half of what indices do
            row, children = out[rows[0]], slice(starts[0], ends[0])
            row += order.backoffs[numbers[0]]
            row[above.tokens[children]] = above.logprobs[children]
            return
        out[rows] += order.backoffs[numbers][:, None]
        sizes = ends - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        children_of_all = np.repeat(starts, sizes) + within
        places = np.repeat(rows, sizes), above.tokens[children_of_all]
        out[places] = above.logprobs[children_of_all]

    def save(self, folder: Path) -> None:
        """Write raw little-endian arrays and `ngram.json`; the folder's seal holds the hashes."""
        for n, order in enumerate(self.orders, start=1):
            for field, kind in FIELDS.items():
                # Not `tofile`, which hides a full disk behind an error without a number.
                data = np.ascontiguousarray(getattr(order, field), kind).tobytes()
                _path(folder, n, field).write_bytes(data)
        text = json.dumps(asdict(self.recipe), ensure_ascii=False, indent=1) + "\n"
        (folder / RECIPE).write_text(text, "utf-8")


def load_trie(folder: Path) -> Trie:
    """What `Trie.save` wrote, arrays mapped into memory. Trusts the folder's seal."""
    said = json.loads((folder / RECIPE).read_text("utf-8"))
    recipe = Recipe(
        **{
            **said,
            "discounts": tuple(tuple(each) for each in said["discounts"]),
            "prune": tuple(said["prune"]),
            "notices": tuple(said["notices"]),
        }
    )
    orders = []
    for n in range(1, recipe.order + 1):
        parts = {field: _map(_path(folder, n, field), kind) for field, kind in FIELDS.items()}
        orders.append(Order(**parts))
    return Trie(tuple(orders), recipe)


def _path(folder: Path, order: int, field: str) -> Path:
    return folder / f"order{order}.{field}.bin"


def _map(path: Path, kind: str) -> NDArray[Any]:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.zeros(0, kind)
    # Indexing the memmap class itself is slow; a plain array over the same memory is not.
    return np.asarray(np.memmap(path, kind, mode="r"))
