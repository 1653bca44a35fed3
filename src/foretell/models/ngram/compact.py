"""The same n-grams in about a third of the space: a trie whose back-offs are not stored at all.

    p(w|h) = u(h, w) + left(h) p(w|h')        h' is h without its first token
    left(h) = 1 - sum over the children of h of u(h, .)

Facts: what is stored of an n-gram is its token, in as few bits as the vocabulary needs, and one
of 256 values of u; what a context leaves is what its values leave. So every distribution sums to
one whatever the values are: rounding them costs some perplexity, and no law.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from foretell.models.ngram import compact_lookup
from foretell.models.ngram.trie import (
    RECIPE,
    Builder,
    Floats,
    Ids,
    Mask,
    Recipe,
    Rows,
    Scores,
    TokenArray,
    Trie,
    read_recipe,
)
from foretell.threads import cut, in_threads

Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]
FORM = "compact"
BLOCK = 1 << 14
KINDS = {
    "tokens": "<u8",
    "codes": "u1",
    "values": "<f8",
    "sizes": "u1",
    "bases": "<u4",
    "listed": "<u4",
    "listed_sizes": "<u4",
    "listed_lefts": "<f8",
}
"""Arrays on disk, as numpy names their numbers."""


@dataclass(frozen=True, eq=False)
class _Arrays:
    """Arrays of one order that nobody writes to, a file each."""

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False

    def save(self, folder: Path, order: int) -> None:
        for field in fields(self):
            data = np.ascontiguousarray(getattr(self, field.name), KINDS[field.name])
            _path(folder, order, field.name).write_bytes(data.data)

    @classmethod
    def load(cls, folder: Path, order: int) -> Self:
        names = [field.name for field in fields(cls)]
        return cls(*(_map(_path(folder, order, name), KINDS[name]) for name in names))


@dataclass(frozen=True, eq=False)
class Packed(_Arrays):
    """The n-grams (n,) of an order from the second on, sorted by (context, token)."""

    tokens: NDArray[np.uint64]
    """The last token of each, packed, and a word more."""
    codes: Bytes
    """(n,) which of the values is u of each."""
    values: Doubles
    """(256 or fewer,) sorted, 0 among them."""

    def __len__(self) -> int:
        return len(self.codes)

    @staticmethod
    def of(tokens: TokenArray, codes: Bytes, values: Doubles, bits: int) -> Packed:
        """Of tokens (n,) below 2^bits."""
        packed = np.zeros(len(tokens) * bits // 64 + 2, np.uint64)
        compact_lookup.pack_tokens(np.ascontiguousarray(tokens, np.uint32), bits, packed)
        return Packed(packed, codes, values)

    def unpack_tokens(self, bits: int) -> Rows:
        """(n,) the last token of each."""
        tokens = np.empty(len(self), np.uint32)
        compact_lookup.unpack_tokens(self.tokens, bits, tokens)
        return tokens


@dataclass(frozen=True, eq=False)
class Families(_Arrays):
    """Where the children of each context (C,) stand in the next order."""

    sizes: Bytes
    """(C,) how many there are, or IN_LIST."""
    bases: Rows
    """Of every STRIDE-th context, where its children begin."""
    listed: Rows
    """(L,) contexts of large families, in order."""
    listed_sizes: Rows
    """(L,)"""
    listed_lefts: Doubles
    """(L,) what each leaves."""

    @staticmethod
    def of(children: NDArray[np.integer], lefts: Doubles) -> Families:
        """Of children (C + 1,), where those of each context begin, and what each leaves (C,)."""
        counts = np.diff(children.astype(np.int64))
        large = np.flatnonzero(counts >= compact_lookup.LARGE)
        sizes = np.minimum(counts, compact_lookup.LARGE).astype(np.uint8)
        sizes[large] = compact_lookup.IN_LIST
        return Families(
            sizes,
            children[: -1 : compact_lookup.STRIDE].astype(np.uint32),
            large.astype(np.uint32),
            counts[large].astype(np.uint32),
            lefts[large],
        )

    def children(self) -> NDArray[np.int64]:
        """(C + 1,)"""
        counts = self.sizes.astype(np.int64)
        counts[self.listed] = self.listed_sizes
        return np.concatenate([[0], np.cumsum(counts)])


@dataclass(frozen=True, eq=False)
class CompactTrie:
    """N-grams of order 1 to N in one byte and a token each. Knows tokens, not text."""

    unigrams: Floats
    """(V,) ln P of each token without context."""
    packed: tuple[Packed, ...]
    """Of orders 2 to N."""
    families: tuple[Families, ...]
    """Of orders 1 to N - 1."""
    recipe: Recipe

    def __post_init__(self) -> None:
        self.unigrams.flags.writeable = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """N-grams of each order."""
        return (len(self.unigrams), *(len(order) for order in self.packed))

    @property
    def bits(self) -> int:
        """Of a token."""
        return bits_of(self.recipe.vocabulary_size)

    @cached_property
    def _chances(self) -> Doubles:
        """(V,) P of each token without context."""
        chances = np.exp(self.unigrams.astype(np.float64))
        chances.flags.writeable = False
        return chances

    def score(self, tokens: TokenArray, known: Mask) -> Scores:
        """Each token of (B, W) given those before it in its row, as `Trie.score`."""
        # A column of no tokens keeps the rows apart.
        line = np.full((len(tokens), tokens.shape[1] + 1), -1, np.int32)
        line[:, 1:] = np.where(known, tokens, -1)
        logprobs, orders = self.score_stream(line.reshape(-1))
        return Scores(logprobs.reshape(line.shape)[:, 1:], orders.reshape(line.shape)[:, 1:])

    def score_stream(self, stream: Ids) -> Scores:
        """Each token of a stream (S,) given those before it, as `Trie.score_stream`."""
        logprobs, orders = np.empty(len(stream), np.float32), np.empty(len(stream), np.int32)
        overlap = self.recipe.order - 1

        def work(low: int) -> None:
            first, high = max(0, low - overlap), min(low + BLOCK, len(stream))
            *_, chances, decided = self._walk(stream[first:high])
            with np.errstate(divide="ignore"):
                logprobs[low:high] = np.log(chances[low - first :])
            orders[low:high] = decided[low - first :]

        in_threads(work, ((low,) for low in range(0, len(stream), BLOCK)))
        return Scores(logprobs, orders)

    def distributions(self, tokens: TokenArray, known: Mask, keep: int) -> Floats:
        """ln P of every token after each of the last `keep` places of tokens (B, W), as
        `Trie.distributions`; (B, keep, V)."""
        out = np.empty((len(tokens), keep, self.recipe.vocabulary_size), np.float32)
        width = tokens.shape[1]
        for row in range(len(tokens) if keep else 0):
            line = np.where(known[row], tokens[row], -1).astype(np.int32)
            begins, ends, lefts, _, _ = self._walk(line)
            for place in range(width - keep, width):
                into = out[row, place - width]
                into[:] = self.unigrams
                for level, order in enumerate(self.packed):
                    if begins[level, place] < ends[level, place]:
                        compact_lookup.spread(
                            self.bits, order.tokens, order.codes, order.values,
                            begins[level, place], ends[level, place], lefts[level, place], into,
                        )  # fmt: skip
        return out

    def _walk(self, line: Ids) -> tuple[Rows, Rows, Doubles, Doubles, Ids]:
        """begins, ends (N - 1, T) of the children of the contexts that end at each place of line
        (T,), what they leave (N - 1, T), and P and deciding orders (T,)."""
        shape = self.recipe.order - 1, len(line)
        begins, ends = np.empty(shape, np.uint32), np.empty(shape, np.uint32)
        lefts, chances = np.empty(shape), np.empty(len(line))
        orders, rows = np.empty(len(line), np.int32), line.astype(np.int64)
        compact_lookup.begin_walk(line, self._chances, chances, orders)
        for level, order in enumerate(self.packed):
            family = self.families[level]
            compact_lookup.open_families(
                level, rows, family.sizes, family.bases, family.listed, family.listed_sizes,
                family.listed_lefts, begins, ends, lefts,
            )  # fmt: skip
            compact_lookup.extend_walk(
                level + 1, line, self.bits, order.tokens, order.codes, order.values,
                begins, ends, lefts, chances, orders, rows,
            )  # fmt: skip
        return begins, ends, lefts, chances, orders

    def unpack(self) -> Trie:
        """The same n-grams with probabilities and back-offs, each distribution the same."""
        builder, grams = (
            Builder(self.recipe),
            np.arange(len(self.unigrams), dtype=np.int32)[:, None],
        )
        tokens, chances = grams[:, 0].astype(np.uint32), self._chances
        logprobs = self.unigrams
        begun: NDArray[np.int64] | None = None
        for n in range(1, self.recipe.order + 1):
            if n == self.recipe.order:
                builder.add(tokens, logprobs, None, begun)
                break
            order, children = self.packed[n - 1], self.families[n - 1].children()
            lefts = find_lefts(order.codes, order.values, children)
            builder.add(tokens, logprobs, np.log(lefts).astype(np.float32), begun)
            owners = np.repeat(np.arange(len(tokens)), np.diff(children))
            tokens, begun = order.unpack_tokens(self.bits), children
            grams = np.concatenate([grams[owners], tokens[:, None].astype(np.int32)], axis=1)
            lower = chances[builder.find(grams[:, 1:]).rows]
            chances = order.values[order.codes] + lefts[owners] * lower
            with np.errstate(divide="ignore"):
                logprobs = np.log(chances).astype(np.float32)
        return builder.finish()

    def save(self, folder: Path) -> None:
        """Write raw little-endian arrays and `ngram.json`; the folder's seal holds the hashes."""
        _path(folder, 1, "logprobs").write_bytes(self.unigrams.astype("<f4").data)
        for n, packed in enumerate(self.packed, start=2):
            packed.save(folder, n)
        for n, families in enumerate(self.families, start=1):
            families.save(folder, n)
        said = {"form": FORM, **asdict(self.recipe)}
        text = json.dumps(said, ensure_ascii=False, indent=1) + "\n"
        (folder / RECIPE).write_text(text, "utf-8")


def bits_of(vocabulary_size: int) -> int:
    """Of a token of a vocabulary."""
    return max(1, (vocabulary_size - 1).bit_length())


def find_lefts(codes: Bytes, values: Doubles, children: NDArray[np.int64]) -> Doubles:
    """What each context (C,) leaves; codes (n,), children (C + 1,) where those of each begin."""
    lefts = np.empty(len(children) - 1)

    def work(first: int, last: int) -> None:
        compact_lookup.add_up_all(codes, values, children[first : last + 1], lefts[first:last])

    in_threads(work, cut(children))
    return lefts


def load_compact(folder: Path) -> CompactTrie:
    """What `CompactTrie.save` wrote, arrays mapped into memory. Trusts the folder's seal."""
    said: dict[str, Any] = json.loads((folder / RECIPE).read_text("utf-8"))
    recipe = read_recipe({name: value for name, value in said.items() if name != "form"})
    return CompactTrie(
        _map(_path(folder, 1, "logprobs"), "<f4"),
        tuple(Packed.load(folder, n) for n in range(2, recipe.order + 1)),
        tuple(Families.load(folder, n) for n in range(1, recipe.order)),
        recipe,
    )


def _path(folder: Path, order: int, field: str) -> Path:
    return folder / f"order{order}.{field}.bin"


def _map(path: Path, kind: str) -> NDArray[Any]:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.zeros(0, kind)
    # Indexing the memmap class itself is slow; a plain array over the same memory is not.
    return np.asarray(np.memmap(path, kind, mode="r"))
