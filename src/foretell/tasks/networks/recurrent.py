"""The article's own network where it belongs: embedding, bidirectional GRU, and a head.

    word -> sum of rows of one hashed table: of the word, of the 3- to 5-grams of its characters,
            of it and the word before -> GRU from left to right, and from right to left

So words that were never seen have vectors too, of what they are made of (Bojanowski et al. 2017).
Two things in one row of the table are told apart by what stands beside them. Vectors that were
learned elsewhere are added, if they are given, and go on to learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foretell.models.neural.noise import Dropout
from foretell.tasks.networks.encoder import Encoder, pad, read_both_ways

LEAST_ROWS, MOST_ROWS = 2**10, 2**16
"""Of the table; as many as what stands in the examples fills."""
SHORTEST, LONGEST = 3, 5
"""N-grams of the characters of a word."""
STD = 0.1
"""Of the numbers of vectors of words, at first."""
MOST_LETTERS = 40
"""Of a word, of which n-grams are taken."""
MOST_WORDS = 400
"""Of a text; what stands after them is not read."""


class Prepared(NamedTuple):
    """A text as rows of the table."""

    words: list[NDArray[np.int64]]
    """(N,) for each word."""
    beside: NDArray[np.int64]
    """(T,) of what is known of each word beside its spelling; (0,) if nothing is."""
    known: NDArray[np.int64]
    """(T,) rows of the vectors that were learned elsewhere, -1 where there is none."""


class RecurrentEncoder(Encoder):
    """See the module."""

    def __init__(
        self,
        rows: int = MOST_ROWS,
        width: int = 128,
        hidden: int = 128,
        dropout: float = 0.3,
        thinned: float = 0.2,
        vectors: tuple[int, Sequence[str]] | None = None,
    ) -> None:
        """rows: of the table. hidden: of each direction. dropout: of vectors of words. thinned: how
        much of the rows of a word is left out while learning. vectors: how long those are that were
        learned elsewhere, and of which words."""
        super().__init__()
        self.facts = {
            "rows": rows,
            "width": width,
            "hidden": hidden,
            "dropout": dropout,
            "thinned": thinned,
            **({"vectors": vectors} if vectors else {}),
        }
        self.width = 2 * hidden
        self.table = _sum_of_rows(rows, width)
        self.cells = nn.GRU(width, hidden, bidirectional=True, batch_first=True)
        self.thinning, self.drop = Thinning(thinned), Dropout(dropout, variational=True)
        self._hashes: dict[str, list[int]] = {}
        size, known = vectors or (0, ())
        self._known = {word: row for row, word in enumerate(known)}
        self.vectors = _sum_of_rows(len(known), size) if vectors else None
        self.fitted = nn.Linear(size, width, bias=False) if vectors else None
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Draw the first weights from the generator in force."""
        nn.init.normal_(self.table.weight, std=STD)
        if self.fitted is not None:
            nn.init.normal_(self.fitted.weight, std=self.fitted.in_features**-0.5)
        for name, weight in self.cells.named_parameters():
            if "weight_hh" in name:
                for block in weight.split(self.cells.hidden_size):
                    nn.init.orthogonal_(block)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(weight)
            else:
                nn.init.zeros_(weight)

    @torch.no_grad()
    def begin_with(self, rows: NDArray[np.float32]) -> None:
        """Vectors (N, D) of the words that it was built for, of mean square 1."""
        assert self.vectors is not None
        self.vectors.weight.copy_(STD * torch.from_numpy(rows))

    def prepare(self, words: Sequence[str], shared: Sequence[bool] = ()) -> Prepared:
        rows = self.table.num_embeddings
        spelled = [each.strip().lower() for each in words[:MOST_WORDS]] or [""]
        found, before = [], "^"
        for word in spelled:
            if word not in self._hashes:
                self._hashes[word] = [_hash(part) for part in _parts(word)]
            hashes = [*self._hashes[word], _hash(f"2{before} {word}")]
            found.append(np.array(hashes, np.int64) % rows)
            before = word
        # Whether the other text has it (Chen et al. 2017b, for questions).
        beside = [_hash(f"s{is_so}") % rows for is_so in shared[:MOST_WORDS]]
        known = [self._known.get(word, -1) for word in spelled]
        return Prepared(found, np.array(beside, np.int64), np.array(known, np.int64))

    def words_read(self, prepared: Prepared) -> int:
        return len(prepared.words)

    def forward(self, texts: Sequence[Prepared]) -> tuple[Tensor, Tensor]:
        lengths = torch.tensor([len(text.words) for text in texts])
        x_BTD, there_BT = pad(self._embed(texts).split(lengths.tolist()))
        return read_both_ways(self.cells, self.drop(x_BTD), there_BT), there_BT

    def _embed(self, texts: Sequence[Prepared]) -> Tensor:
        """Vectors of the words of all texts, one after another."""
        words = [self.thinning.thin(text.words, row) for row, text in enumerate(texts)]
        flat = [rows for text in words for rows in text]
        counts = np.array([len(rows) for rows in flat])
        # As long on average, of however many rows.
        scale = torch.from_numpy(1 / np.sqrt(np.maximum(1, counts))).float()
        vectors = _sums(self.table, np.concatenate(flat), counts) * scale[:, None]
        beside = np.concatenate([text.beside for text in texts])
        if beside.size:
            # Whole, however long the word.
            vectors = vectors + _sums(self.table, beside, np.ones_like(beside))
        if self.vectors is not None and self.fitted is not None:
            known = np.concatenate([text.known for text in texts])
            there = known >= 0
            vectors = vectors + self.fitted(_sums(self.vectors, known[there], there))
        return vectors


def _sum_of_rows(rows: int, width: int) -> nn.EmbeddingBag:
    return nn.EmbeddingBag(rows, width, mode="sum", sparse=True, include_last_offset=True)


def _sums(table: nn.EmbeddingBag, rows: NDArray[np.int64], counts: NDArray[Any]) -> Tensor:
    """Of rows of a table, so many each, (T, D)."""
    ends = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]))
    summed: Tensor = table(torch.from_numpy(rows), ends)
    return summed


class Thinning(Dropout):
    """Leaves out a share of the rows of every word while learning, never all of a word's."""

    def thin(self, text: list[NDArray[np.int64]], row: int) -> list[NDArray[np.int64]]:
        if not self.training or self.dropped == 0:
            return text
        counts = [len(rows) for rows in text]
        noise = self._noise()
        key = np.array([noise.seed, noise.update], np.uint64)
        counter = np.array([0, self.site, noise.rows[row], 0], np.uint64)
        chance = np.random.Generator(np.random.Philox(key=key, counter=counter))
        kept = np.split(chance.integers(0, 256, sum(counts)) >= self.dropped, np.cumsum(counts))
        return [
            rows[keep] if keep.any() else rows for rows, keep in zip(text, kept[:-1], strict=True)
        ]


def choose_rows(texts: Iterable[Sequence[str]]) -> int:
    """Of a table for what stands in these."""
    seen: set[str] = set()
    for words in texts:
        spelled = [word.strip().lower() for word in words]
        seen.update(part for word in spelled for part in _parts(word))
        seen.update(f"{one} {other}" for one, other in pairwise(spelled))
        if len(seen) > MOST_ROWS:
            return MOST_ROWS
    return max(LEAST_ROWS, 1 << (len(seen) - 1).bit_length())


def _parts(word: str) -> Iterator[str]:
    """The word, and n-grams of its characters."""
    yield f"1{word}"
    spelled = f"<{word[:MOST_LETTERS]}>"
    for size in range(SHORTEST, LONGEST + 1):
        for start in range(len(spelled) - size + 1 if len(word) > 1 else 0):
            yield f"c{spelled[start : start + size]}"


def _hash(spelled: str) -> int:
    return crc32(spelled.encode("utf-8", "surrogatepass"))
