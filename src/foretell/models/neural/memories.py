"""What networks remember: fixed vectors, or keys and values that grow.

Both are values. The fixed one is copied as it changes. The growing one is as fast as a cache:
each row owns an append-only buffer, the newest memory appends in place, an older one that reads
on finds its place taken and copies its prefix first.

    buffer of a row   |k k k k k k . . . .|   used = 6
    newest memory      ------------>          length 6: appends at 6, in place
    an older memory    ------>                length 3 < used: copies 3, appends to the copy
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor


@dataclass(frozen=True)
class FixedMemory:
    """Recurrent states: tensors (layers, B, hidden); an LSTM has two, the others one."""

    parts: tuple[Tensor, ...]

    def select(self, rows: Sequence[int]) -> FixedMemory:
        return FixedMemory(tuple(part[:, list(rows)] for part in self.parts))

    def join(self, other: FixedMemory) -> FixedMemory:
        pairs = zip(self.parts, other.parts, strict=True)
        return FixedMemory(tuple(torch.cat(pair, dim=1) for pair in pairs))

    def detach(self) -> FixedMemory:
        return FixedMemory(tuple(part.detach() for part in self.parts))


class RowBuffer:
    """Keys and values of one row, (layers, 2, heads, capacity, size), the tokens (capacity,) that
    they came from, and how many are used."""

    def __init__(self, storage: Tensor, tokens: Tensor, used: int) -> None:
        self.storage = storage
        self.tokens = tokens
        self.used = used

    def reserve(self, length: int, more: int) -> RowBuffer:
        """A buffer whose first `length` places are these, with room for `more` after them that
        nobody else will write to: itself if the place is free, else a copy of the prefix."""
        capacity = self.storage.shape[3]
        if self.used == length and length + more <= capacity:
            self.used += more
            return self
        shape = list(self.storage.shape)
        shape[3] = max(16, 2 * (length + more))
        storage = self.storage.new_zeros(shape)
        storage[:, :, :, :length] = self.storage[:, :, :, :length]
        tokens = self.tokens.new_zeros(shape[3])
        tokens[:length] = self.tokens[:length]
        return RowBuffer(storage, tokens, length + more)


@dataclass(frozen=True)
class GrowingMemory:
    """Keys and values of B rows, of which the first lengths[b] places belong to this memory."""

    buffers: tuple[RowBuffer, ...]
    lengths: tuple[int, ...]

    @staticmethod
    def empty(rows: int, like: Tensor, *, layers: int, heads: int, size: int) -> GrowingMemory:
        storage = like.new_zeros((layers, 2, heads, 0, size))
        tokens = torch.zeros(0, dtype=torch.int64)
        return GrowingMemory(tuple(RowBuffer(storage, tokens, 0) for _ in range(rows)), (0,) * rows)

    def select(self, rows: Sequence[int]) -> GrowingMemory:
        return GrowingMemory(
            tuple(self.buffers[row] for row in rows), tuple(self.lengths[row] for row in rows)
        )

    def join(self, other: GrowingMemory) -> GrowingMemory:
        return GrowingMemory(self.buffers + other.buffers, self.lengths + other.lengths)

    def truncate(self, lengths: Sequence[int]) -> GrowingMemory:
        return GrowingMemory(self.buffers, tuple(lengths))

    def latest(self, count: int) -> Tensor:
        """The last tokens of each row, (B, count); -1 where a row has fewer."""
        found = torch.full((len(self.buffers), count), -1)
        for row, (buffer, length) in enumerate(zip(self.buffers, self.lengths, strict=True)):
            known = min(count, length)
            found[row, count - known :] = buffer.tokens[length - known : length]
        return found

    def grow(self, tokens_BT: Tensor) -> GrowingMemory:
        """The memory after these tokens, whose keys and values are still to be written."""
        more = tokens_BT.shape[1]
        pairs = zip(self.buffers, self.lengths, strict=True)
        buffers = tuple(buffer.reserve(length, more) for buffer, length in pairs)
        for buffer, length, tokens_T in zip(buffers, self.lengths, tokens_BT, strict=True):
            buffer.tokens[length : length + more] = tokens_T
        return GrowingMemory(buffers, tuple(length + more for length in self.lengths))

    def write(self, layer: int, keys_BHTE: Tensor, values_BHTE: Tensor) -> None:
        """Fill the last T places of a layer; only straight after `grow`."""
        width = keys_BHTE.shape[2]
        for row, (buffer, length) in enumerate(zip(self.buffers, self.lengths, strict=True)):
            buffer.storage[layer, 0, :, length - width : length] = keys_BHTE[row]
            buffer.storage[layer, 1, :, length - width : length] = values_BHTE[row]

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values (B, heads, longest, size) of a layer, short rows padded with zeros on
        the right; good until the next call in this thread."""
        longest = max(self.lengths)
        if len(self.buffers) == 1:
            both = self.buffers[0].storage[layer, :, None, :, :longest]
            return both[0], both[1]
        first = self.buffers[0].storage
        both = _room(first, (2, len(self.buffers), first.shape[2], longest, first.shape[4]))
        for row, (buffer, length) in enumerate(zip(self.buffers, self.lengths, strict=True)):
            both[:, row, :, :length] = buffer.storage[layer, :, :, :length]
            both[:, row, :, length:] = 0
        return both[0], both[1]


MOST_KEPT = 2**27
"""Numbers of the room that is used again; the system takes as long to give large rooms as a layer
takes to read."""
_rooms = threading.local()


def _room(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """For numbers that are needed for a moment, not set to anything."""
    size = prod(shape)
    if size > MOST_KEPT or not torch.is_inference_mode_enabled():
        return like.new_empty(shape)
    kept: Tensor | None = getattr(_rooms, "kept", None)
    if kept is None or kept.dtype != like.dtype or kept.numel() < size:
        kept = _rooms.kept = like.new_empty(size + size // 4)
    return kept[:size].view(shape)
