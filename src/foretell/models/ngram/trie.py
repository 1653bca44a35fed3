"""A forward trie of n-grams in flat arrays that map into memory, and look-ups, many at a time.

    order 1   token     0   1   2   3          every token of the vocabulary, in order
              children  0   2   2   3   5      the n-grams of order 2 that begin with 1: 2 to 2
    order 2   token     1   3 |   | 0 | 1   3  sorted by (context, token)

Facts: an n-gram is a number, its row in its order's array; the children of one context lie side
by side, sorted by token; probabilities are interpolated already, so a look-up takes the longest
n-gram that is there, and the back-offs of the longer contexts that are there too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.models.ngram import chain, lookup
from foretell.threads import cut, in_threads

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
TokenArray = NDArray[np.integer]
Rows = NDArray[np.uint32]

RECIPE = "ngram.json"
BLOCK = 1 << 16
"""Places that a thread scores in one go."""
FULLNESS = 1 / 3
"""Of the tables. A slot that is taken costs a row that was not sent for: at 2 / 3 look-ups took
1.15 times as long."""


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


@dataclass(frozen=True, eq=False)
class Order:
    """The n-grams (n,) of one order. The highest order has no back-offs and no children."""

    rows: Rows
    """(n + 1, 4) as `lookup` draws them, a last one to close the children; (n, 2) in the
    highest order."""
    table: NDArray[np.uint32]
    """Rows of the large families, by open addresses; may be empty."""

    def __post_init__(self) -> None:
        for array in (self.rows, self.table):
            array.flags.writeable = False

    @cached_property
    def fractions(self) -> Floats:
        """The rows again, their bits read as fractions."""
        return self.rows.view(np.float32)

    @property
    def highest(self) -> bool:
        return self.rows.shape[1] == 2

    def __len__(self) -> int:
        return len(self.rows) - (0 if self.highest else 1)

    @property
    def tokens(self) -> Rows:
        """(n,) the last token of each."""
        return self.rows[: len(self), lookup.TOKEN]

    @property
    def logprobs(self) -> Floats:
        """(n,) ln P(last token | the others), interpolated with all lower orders."""
        return self.fractions[: len(self), lookup.LOGPROB]

    @property
    def backoffs(self) -> Floats:
        """(n,) ln of what the n-gram, as a context, leaves to the order below; 0 without
        children. Empty in the highest order."""
        if self.highest:
            return np.zeros(0, np.float32)
        return self.fractions[: len(self), lookup.BACKOFF]

    @property
    def children(self) -> Rows:
        """(n + 1,) where the children of each begin in the next order; empty in the highest."""
        return np.zeros(0, np.uint32) if self.highest else self.rows[:, lookup.CHILDREN]


class Scores(NamedTuple):
    logprobs: Floats
    """ln P of each token."""
    orders: Ids
    """The order that decided it: the length of the longest n-gram that was found."""


class Found(NamedTuple):
    """Of some n-grams, their rows in their order."""

    rows: NDArray[np.int64]
    """Meaningless where there is none."""
    there: Mask


@dataclass(frozen=True, eq=False)
class Trie:
    """N-grams of order 1 to N with probabilities and back-offs. Knows tokens, not text."""

    orders: tuple[Order, ...]
    recipe: Recipe
    known_links: tuple[Rows, ...] | None = None
    """`links`, from those who have them already."""

    @cached_property
    def links(self) -> tuple[Rows, ...] | None:
        """For each order from the third, the row (n,) in the order below of each n-gram without
        its first token; in the second order that is the last token. None if one is not there:
        pruning by entropy leaves such holes."""
        if self.known_links is not None:
            return self.known_links
        links = [np.ascontiguousarray(order.tokens) for order in self.orders[1:2]]
        for n in range(2, len(self.orders)):
            found = _link(self.orders[n - 2 : n + 1], links[-1])
            if found is None:
                return None
            links.append(found)
        for each in links:
            each.flags.writeable = False
        return tuple(links[1:])

    @cached_property
    def unigrams(self) -> Floats:
        """(V,) ln P of each token without context, side by side."""
        unigrams = self.orders[0].logprobs.copy()
        unigrams.flags.writeable = False
        return unigrams

    @property
    def sizes(self) -> tuple[int, ...]:
        """N-grams of each order."""
        return tuple(len(order) for order in self.orders)

    def unpack(self) -> Trie:
        """Itself; other forms of trie have more to do."""
        return self

    def find(self, grams: TokenArray) -> Found:
        """The n-grams (G, n), all of one order."""
        return _find(self.orders, grams)

    def grams(self, order: int) -> Ids:
        """All n-grams of an order as tokens (G, n), in the order of their rows."""
        columns = [self.orders[order - 1].tokens.astype(np.int32)]
        owners = np.arange(len(columns[0]))
        for below in reversed(self.orders[: order - 1]):
            owners = np.repeat(np.arange(len(below)), np.diff(below.children))[owners]
            columns.append(below.tokens[owners].astype(np.int32))
        return np.stack(columns[::-1], axis=1)

    def score(self, tokens: TokenArray, known: Mask) -> Scores:
        """Each token of (B, W) given those before it in its row; known (B, W) is false on pads.

        A boundary ends what stands before it without a rule: no n-gram that ends in it has
        children, and the boundary alone has those of a text's start. Pads get 0.
        """
        # A column of no tokens keeps the rows apart.
        line = np.full((len(tokens), tokens.shape[1] + 1), -1, np.int32)
        line[:, 1:] = np.where(known, tokens, -1)
        found = self.score_stream(line.reshape(-1))
        logprobs, orders = found
        return Scores(logprobs.reshape(line.shape)[:, 1:], orders.reshape(line.shape)[:, 1:])

    def score_stream(self, stream: Ids) -> Scores:
        """Each token of a stream (S,) given those before it; -1 is no token, and ends a context."""
        logprobs, orders = np.empty(len(stream), np.float32), np.empty(len(stream), np.int32)
        order, boundary = self.recipe.order, self.recipe.boundary

        def work(low: int) -> None:
            high = min(low + BLOCK, len(stream))
            if self.links is not None:
                chain.follow(stream, low, high, order, boundary, self._parts, logprobs, orders)
                return
            first = max(0, low - order + 1)
            found, decided = self._walk(stream[first:high])[3:]
            logprobs[low:high], orders[low:high] = found[low - first :], decided[low - first :]

        _ = self.links, self.links is not None and self._parts  # made once, not once a thread
        in_threads(work, ((low,) for low in range(0, len(stream), BLOCK)))
        return Scores(logprobs, orders)

    @cached_property
    def _parts(self) -> NDArray[np.uint64]:
        """(N + 1, 6) where everything is, as `chain.follow` wants it; order 0 is not there."""
        assert self.links is not None
        parts = np.zeros((len(self.orders) + 1, 6), np.uint64)
        for n, order in enumerate(self.orders, start=1):
            rows, width = order.rows.ctypes.data, order.rows.shape[1]
            # The link of two tokens is the second, which stands first in their row.
            links, stride = (rows, width) if n <= 2 else (self.links[n - 3].ctypes.data, 1)
            parts[n] = rows, width, order.table.ctypes.data, len(order.table), links, stride
        return parts

    def distributions(self, tokens: TokenArray, known: Mask, keep: int) -> Floats:
        """ln P of every token of the vocabulary after each of the last `keep` places.

        tokens (B, W), known (B, W) false on pads, which must stand on the left; (B, keep, V).
        """
        out = np.empty((len(tokens), keep, self.recipe.vocabulary_size), np.float32)
        width = tokens.shape[1]
        for row in range(len(tokens) if keep else 0):
            line = np.where(known[row], tokens[row], -1).astype(np.int32)
            begins, ends, backoffs, _, _ = self._walk(line)
            for place in range(width - keep, width):
                into = out[row, place - width]
                lookup.spread_unigrams(self.unigrams, backoffs, place, into)
                for level, order in enumerate(self.orders[1:], start=1):
                    lookup.spread_children(
                        level, order.rows, order.fractions, begins, ends, backoffs, place, into
                    )
        return out

    def _walk(self, line: Ids) -> tuple[Rows, Rows, Floats, Floats, Ids]:
        """begins, ends and backoffs (N - 1, T) of the contexts that end at each place of line
        (T,), and logprobs and deciding orders (T,)."""
        shape = self.recipe.order - 1, len(line)
        begins, ends = np.empty(shape, np.uint32), np.empty(shape, np.uint32)
        backoffs, logprobs = np.empty(shape, np.float32), np.empty(len(line), np.float32)
        orders = np.empty(len(line), np.int32)
        walk = begins, ends, backoffs, logprobs, orders
        lookup.begin_walk(line, self.orders[0].rows, self.orders[0].fractions, *walk)
        for level, order in enumerate(self.orders[1:], start=1):
            lookup.extend_walk(level, line, order.rows, order.fractions, order.table, *walk)
        return walk

    def save(self, folder: Path) -> None:
        """Write raw little-endian arrays and `ngram.json`; the folder's seal holds the hashes."""
        for n, order in enumerate(self.orders, start=1):
            for field in ("rows", "table"):
                _write(_path(folder, n, field), getattr(order, field))
        for n, links in enumerate(self.links or (), start=3):
            _write(_path(folder, n, "links"), links)
        text = json.dumps(asdict(self.recipe), ensure_ascii=False, indent=1) + "\n"
        (folder / RECIPE).write_text(text, "utf-8")


class Builder:
    """Puts a trie together, order by order, from columns sorted by (context, token)."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._orders: list[Order] = []
        self._links: list[Rows] = []
        self._last: Rows | None = None

    def add(
        self,
        tokens: TokenArray,
        logprobs: Floats,
        backoffs: Floats | None,
        children: NDArray[np.integer] | None,
        links: NDArray[np.integer] | None = None,
    ) -> None:
        """The next order: tokens, logprobs and back-offs (n,), no back-offs in the highest order;
        children (c + 1,): where those of each n-gram of the order before begin here, None in
        order 1; links (n,): see `Trie.links`, if they are known. Raises ValueError for 2^32
        n-grams."""
        size, middle = len(tokens), len(self._orders) + 1 < self._recipe.order
        if size >= lookup.EMPTY:
            raise ValueError(f"{size} n-grams of one order; fewer than 2^32 can be held")
        rows = np.zeros((size + middle, 4 if middle else 2), np.uint32)
        rows[:size, lookup.TOKEN] = tokens
        rows.view(np.float32)[:size, lookup.LOGPROB] = logprobs
        if backoffs is not None:
            rows.view(np.float32)[:size, lookup.BACKOFF] = backoffs
        table = np.zeros(0, np.uint32)
        if children is not None:
            assert self._last is not None
            self._last[:, lookup.CHILDREN] = children
            tabled = lookup.count_tabled(self._last)
            table = np.full(int(tabled / FULLNESS), lookup.EMPTY, np.uint32)
            lookup.fill_table(self._last, rows, table)
        if links is not None:
            self._links.append(np.ascontiguousarray(links, np.uint32))
            self._links[-1].flags.writeable = False
        self._last = rows
        self._orders.append(Order(rows.view(), table))

    def find(self, grams: TokenArray) -> Found:
        """The n-grams (G, n), all of one order that has been added."""
        return _find(tuple(self._orders), grams)

    def finish(self) -> Trie:
        known = len(self._links) == len(self._orders) - 2
        return Trie(tuple(self._orders), self._recipe, tuple(self._links) if known else None)


def _find(orders: tuple[Order, ...], grams: TokenArray) -> Found:
    grams = np.ascontiguousarray(grams, np.int32)
    found = grams[:, 0].astype(np.int64)
    for level in range(1, grams.shape[1]):
        below, order = orders[level - 1], orders[level]
        lookup.descend(level, grams, below.rows, order.rows, order.table, found)
    return Found(found, found >= 0)


def _link(orders: tuple[Order, ...], links: Rows) -> Rows | None:
    """The links (n,) of the last of three orders that follow each other; links (C,) of the one
    before. None if a suffix is not there."""
    shorter, contexts, order = (each.rows for each in orders)
    out = np.empty(len(orders[-1]), np.uint32)

    def work(first: int, last: int) -> int:
        found: int = chain.link_children(first, last, shorter, contexts, links, order, out)
        return found

    return None if any(in_threads(work, cut(orders[1].children))) else out


def load_trie(folder: Path) -> Trie:
    """What `Trie.save` wrote, arrays mapped into memory. Trusts the folder's seal."""
    recipe = read_recipe(json.loads((folder / RECIPE).read_text("utf-8")))
    orders = []
    for n in range(1, recipe.order + 1):
        width = 4 if n < recipe.order else 2
        rows = _map(_path(folder, n, "rows")).reshape(-1, width)
        orders.append(Order(rows, _map(_path(folder, n, "table"))))
    paths = [_path(folder, n, "links") for n in range(3, recipe.order + 1)]
    linked = all(path.exists() for path in paths)
    return Trie(tuple(orders), recipe, tuple(_map(path) for path in paths) if linked else None)


def read_recipe(said: dict[str, Any]) -> Recipe:
    """The recipe that `ngram.json` says. Raises TypeError if it says more, or less."""
    return Recipe(
        **{
            **said,
            "discounts": tuple(tuple(each) for each in said["discounts"]),
            "prune": tuple(said["prune"]),
            "notices": tuple(said["notices"]),
        }
    )


def _path(folder: Path, order: int, field: str) -> Path:
    return folder / f"order{order}.{field}.bin"


def _write(path: Path, array: NDArray[np.uint32]) -> None:
    # Not `tofile`, which hides a full disk behind an error without a number.
    path.write_bytes(np.ascontiguousarray(array, "<u4").reshape(-1).data)


def _map(path: Path) -> NDArray[np.uint32]:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.zeros(0, "<u4")
    # Indexing the memmap class itself is slow; a plain array over the same memory is not.
    return np.asarray(np.memmap(path, "<u4", mode="r"))
