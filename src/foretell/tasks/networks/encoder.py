"""What reads words: a vector for each, which knows of those before and after it.

Shapes: B texts, T words of the longest, D width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class Encoder(nn.Module):
    """See the module."""

    width: int
    """D"""
    facts: dict[str, Any]
    """All that decides the shape of its weights, as JSON has it."""

    @abstractmethod
    def prepare(self, words: Sequence[str], shared: Sequence[bool] = ()) -> Any:
        """A text as it is read again and again. shared: of each word, whether it stands in the
        other text too, if there is one."""

    @abstractmethod
    def words_read(self, prepared: Any) -> int:
        """How many of its words are read: long texts are cut."""

    @abstractmethod
    def forward(self, texts: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Prepared texts to vectors (B, T, D), and (B, T) whether a word stands there."""

    def outer_tables(self) -> list[nn.Module]:
        """Modules whose weight (rows, D) has a row a word or token."""
        kinds = nn.Embedding | nn.EmbeddingBag
        return [module for module in self.modules() if isinstance(module, kinds)]


def pad(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows (T, ...) of different length side by side, (B, T, ...), and (B, T) where they are."""
    lengths = torch.tensor([len(row) for row in rows])
    padded = pad_sequence(list(rows), batch_first=True)
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]


def read_both_ways(cells: nn.GRU, x_BTD: Tensor, there_BT: Tensor) -> Tensor:
    """What a bidirectional GRU makes of words, (B, T, 2 x hidden); nothing where no word is."""
    lengths = there_BT.sum(1)
    packed = pack_padded_sequence(x_BTD, lengths, batch_first=True, enforce_sorted=False)
    read: Tensor = pad_packed_sequence(
        cells(packed)[0], batch_first=True, total_length=x_BTD.shape[1]
    )[0]
    return read
