"""A pass over documents on the disk: an order that mixes all of them, a window of them in memory.

    blocks    runs of neighbouring documents, drawn from all over the text by (seed, pass)
    windows   some blocks, read together; their documents are shuffled and made into batches

    disk      |b0 b1 b2 b3 b4 b5 b6 b7 b8|
    pass 0    |b4 b0 b7|b2 b8 b1|b5 b3 b6|        three windows
    pass 1    |b1 b5 b2|b0 b6 b4|b8 b7 b3|

How many batches a window makes is counted from lengths alone, so a pass can begin at any batch
without reading what comes before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.corpus.batches import Batch, count_lanes, count_packed, lanes, pack
from foretell.corpus.token_shards import Shard, TokenDocuments

BLOCK_TOKENS = 1 << 16
WINDOW_TOKENS = 1 << 22
"""In memory at once, 4 bytes each, and as much again for what is made of them."""
COUNTS: dict[Callable[..., Iterable[Batch]], Callable[..., int]] = {
    pack: count_packed,
    lanes: count_lanes,
}


class Block(NamedTuple):
    """Documents first ... last - 1 of a shard."""

    shard: Shard
    first: int
    last: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each document (D,), both boundaries included."""
        return np.diff(self.shard.starts[self.first : self.last + 1]) + 1


@dataclass(frozen=True, eq=False)
class Pass:
    """The batches of one pass, which are made as they are read."""

    documents: TokenDocuments
    arrange: Callable[..., Iterable[Batch]]
    """`pack` or `lanes`."""
    rows: int
    width: int
    key: tuple[int, int]
    """(seed, number of the pass)"""
    block_tokens: int = BLOCK_TOKENS
    window_tokens: int = WINDOW_TOKENS

    def __len__(self) -> int:
        return sum(self.counts)

    def __iter__(self) -> Iterator[Batch]:
        return self.since(0)

    def since(self, done: int) -> Iterator[Batch]:
        """The batches after the first `done`. The same as without these, bit for bit."""
        for number, (window, count) in enumerate(zip(self.windows, self.counts, strict=True)):
            if done >= count:
                done -= count
                continue
            documents = [
                document
                for block in window
                for document in block.shard.read(block.first, block.last)
            ]
            batches = self.arrange(documents, **self._settings(number))
            del documents
            for at, batch in enumerate(batches):
                if at >= done:
                    yield batch
            done = 0

    @cached_property
    def windows(self) -> list[list[Block]]:
        blocks = cut_blocks(self.documents.shards, self.block_tokens)
        order = np.random.default_rng(list(self.key)).permutation(len(blocks))
        windows: list[list[Block]] = []
        room = 0
        for index in order.tolist():
            if room <= 0:
                windows.append([])
                room = self.window_tokens
            windows[-1].append(blocks[index])
            room -= int(blocks[index].lengths.sum())
        return windows

    @cached_property
    def counts(self) -> list[int]:
        """Batches of each window."""
        count = COUNTS[self.arrange]
        return [
            count(np.concatenate([block.lengths for block in window]), **self._settings(number))
            for number, window in enumerate(self.windows)
        ]

    def _settings(self, window: int) -> dict[str, int | Sequence[int]]:
        # From 1 on: a key with a zero at its end draws as the key without it, which is that of the
        # blocks.
        return {"rows": self.rows, "width": self.width, "key": (*self.key, window + 1)}


def cut_blocks(shards: Sequence[Shard], block_tokens: int) -> list[Block]:
    """All documents in runs of about so many tokens; a longer document is a block."""
    blocks = []
    for shard in shards:
        cuts = np.arange(0, int(shard.starts[-1]), block_tokens)
        edges = np.unique(np.append(np.searchsorted(shard.starts, cuts), len(shard.starts) - 1))
        blocks += [Block(shard, first, last) for first, last in pairwise(edges.tolist())]
    return blocks
