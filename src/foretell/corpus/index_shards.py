"""Indexes of runs of documents, which answer as one index of all: for a text beyond memory.

    documents    0  1  2 | 3  4 | 5  6  7     dealt in their order, about as many bytes to each
    count             4  +  0   +  2          phrases stay in a document, so counts add up
    longest match     9  ,  3   ,  5          the longest of any shard is the longest there is
    places            those of shard 0, then of 1, then of 2: the order of the documents

Each shard has the boundary before its first document; in one index, the document before has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foretell.contracts.errors import ForetellError
from foretell.corpus.busy import Continuations
from foretell.corpus.index import Index, Place

Ids = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Indexes:
    """Indexes of the same tokens, in the order of their documents. Answers as `Index` does.

    Bad: Indexes((of_words, of_bytes))        other tokens: ValueError
    """

    shards: tuple[Index, ...]

    def __post_init__(self) -> None:
        kinds = {(s.vocabulary_size, s.boundary, s.tokenizer_fingerprint) for s in self.shards}
        if len(kinds) != 1:
            raise ValueError("shards must be one or more, of one tokenizer; build them with it")

    @property
    def vocabulary_size(self) -> int:
        return self.shards[0].vocabulary_size

    @property
    def boundary(self) -> int:
        return self.shards[0].boundary

    @property
    def tokenizer_fingerprint(self) -> str:
        return self.shards[0].tokenizer_fingerprint

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.shards)

    def count(self, phrase: ArrayLike) -> int:
        tokens = np.array(phrase, np.int32)
        return sum(shard.count(tokens) for shard in self.shards) - self._repeated(tokens)

    def occurrences(self, phrase: ArrayLike, *, most: int) -> tuple[int, list[Place]]:
        """As of one index, but for a phrase that begins with the boundary: what stands before the
        first document of a shard is that document's."""
        tokens = np.array(phrase, np.int32)
        total, places = -self._repeated(tokens), list[Place]()
        for shard in self.shards:
            count, some = shard.occurrences(tokens, most=most - len(places))
            total += count
            places += some
        return total, places

    def continuations(self, context: ArrayLike) -> Continuations:
        """As of one index, but for a context that ends a document: a shard does not know what its
        last one is followed by."""
        found = [shard.continuations(context) for shard in self.shards]
        tokens = np.concatenate([each.tokens for each in found])
        counts = np.concatenate([each.counts for each in found]).astype(np.int64)
        if not np.size(context):
            counts[np.flatnonzero(tokens == self.boundary)[1:]] -= 1
        # Each shard's ascend, and this method of sorting merges runs that do.
        order = np.argsort(tokens, kind="stable")
        tokens, counts = tokens[order], counts[order]
        begins = np.flatnonzero(np.diff(tokens, prepend=-1))
        if not len(begins):
            return Continuations(tokens, counts)
        return Continuations(tokens[begins], np.add.reduceat(counts, begins))

    def match_suffix(self, context: ArrayLike) -> int:
        return max(shard.match_suffix(context) for shard in self.shards)

    def match_lengths(self, text: ArrayLike) -> Ids:
        lengths: Ids = np.maximum.reduce([shard.match_lengths(text) for shard in self.shards])
        return lengths

    def _repeated(self, tokens: Ids) -> int:
        """Places of tokens (n,) that are counted in two shards: first boundaries, alone."""
        alone = not len(tokens) or tokens.tolist() == [self.boundary]
        return len(self.shards) - 1 if alone else 0


def deal(sizes: Sequence[int], shards: int) -> list[int]:
    """How many documents each shard gets: in their order, about as many bytes to each.

    sizes: bytes of each document. Raises ForetellError if there are fewer documents than shards.
    """
    if shards > len(sizes):
        raise ForetellError(
            f"{shards:,} shards need as many documents, and the text has {len(sizes):,}, which are "
            "not split: give fewer shards, or more documents, as .jsonl or a folder of files"
        )
    ends = np.cumsum(sizes, dtype=np.int64)
    cuts = [0]
    for number in range(1, shards):
        aim = int(ends[-1]) * number / shards
        after = int(np.searchsorted(ends, aim))
        # Whichever end is nearer to the aim, but one document at least for each shard.
        nearer = after + (2 * aim >= (ends[after - 1] if after else 0) + ends[after])
        cuts.append(min(max(nearer, cuts[-1] + 1), len(sizes) - shards + number))
    return np.diff([*cuts, len(sizes)]).tolist()
