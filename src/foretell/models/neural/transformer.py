"""What every transformer here shares: how it learns from rows and reads on from a memory.

    x = embed(tokens)
    x = enter(x);  q, k, v = project(x);  x = finish(x, softmax(q k) v)      in each layer
    h = norm(x)

A family says what these five are, and its sizes; see gpt.py, gpt2.py, llama.py.

Shape suffixes: B rows, T new tokens, S all tokens so far, H heads, E size of a head, D width of
the stream, N tokens that the embedding looks back.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foretell.models.neural.attention import attend
from foretell.models.neural.layers import within
from foretell.models.neural.memories import GrowingMemory
from foretell.models.neural.network import Memory, Network


class Layer(nn.Module):
    """One block of a transformer."""

    def enter(self, x_BTD: Tensor, first_BTD: Tensor) -> Tensor:
        """What the layer begins with; first: what the embedding gave."""
        return x_BTD

    def forward(
        self, x_BTD: Tensor, first_BTD: Tensor, turns: Any, mask_B1TT: Tensor | None
    ) -> Tensor:
        """The whole layer in one call, to learn: FSDP gathers its weights before and lets go of
        them after. Without a mask causal."""
        x_BTD = self.enter(x_BTD, first_BTD)
        return self.finish(x_BTD, attend(*self.project(x_BTD, turns), mask_B1TT))

    @abstractmethod
    def project(self, x_BTD: Tensor, turns: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, E), and keys and values, of which there may be fewer heads."""

    @abstractmethod
    def finish(self, x_BTD: Tensor, mixed_BHTE: Tensor) -> Tensor:
        """Add what attention brought, then what the perceptron makes of it."""


class Transformer(Network):
    """See the module. Knows no text: tokens in, vectors out."""

    context: int
    norm: Callable[[Tensor], Tensor]
    """What the last layer's stream becomes."""

    @property
    def looks_back(self) -> int:
        """Tokens before its own that the embedding of a place depends on."""
        return 0

    @property
    @abstractmethod
    def blocks(self) -> Sequence[Layer]: ...

    @abstractmethod
    def memory_shape(self) -> tuple[int, int, int]:
        """Layers, heads of keys and values, size of a head."""

    @abstractmethod
    def embed(self, tokens_BT: Tensor, recent_BTN: Tensor, places_BT: Tensor) -> Tensor:
        """The stream (B, T, D) before the first layer. recent: the tokens before each, the
        nearest first, and -1 where the text has not begun."""

    def embed_fresh(self, tokens_BT: Tensor) -> Tensor:
        """The same for rows that begin texts."""
        places = torch.arange(tokens_BT.shape[1]).expand(len(tokens_BT), -1)
        return self.embed(tokens_BT, _look_back(tokens_BT, self.looks_back), places)

    def turns(self, places_BT: Tensor) -> Any:
        """What `project` needs to know of the places; nothing, unless positions are rotary."""
        return None

    def empty_memory(self, rows: int) -> GrowingMemory:
        layers, heads, size = self.memory_shape()
        weight = self.embedding.weight
        return GrowingMemory.empty(rows, weight, layers=layers, heads=heads, size=size)

    def read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, GrowingMemory]:
        assert isinstance(memory, GrowingMemory)
        width = tokens.shape[1]
        before_B = torch.tensor(memory.lengths)
        places_BT = before_B[:, None] + torch.arange(width)
        fresh = not before_B.any()
        history = torch.cat([memory.latest(self.looks_back), tokens], dim=1)
        recent_BTN = _look_back(history, self.looks_back)[:, self.looks_back :]
        memory = memory.grow(tokens)
        # A token sees those at its own place and before it; short rows' pads lie after it.
        seen_B1TS = torch.arange(max(memory.lengths)) <= places_BT[:, None, :, None]
        x_BTD = first_BTD = self.embed(tokens, recent_BTN, places_BT)
        turns = self.turns(places_BT)
        for index, layer in enumerate(self.blocks):
            x_BTD = layer.enter(x_BTD, first_BTD)
            queries, keys, values = layer.project(x_BTD, turns)
            memory.write(index, keys, values)
            if not fresh:
                keys, values = memory.read(index)
            x_BTD = layer.finish(x_BTD, attend(queries, keys, values, None if fresh else seen_B1TS))
        return self.norm(x_BTD), memory

    def learn(
        self,
        tokens: Tensor,
        *,
        memory: Memory | None,
        segments: Tensor | None,
        positions: Tensor | None,
    ) -> tuple[Tensor, None]:
        rows, width = tokens.shape
        mask_B1TT = None if segments is None else within(segments)
        places = torch.arange(width).expand(rows, -1) if positions is None else positions
        recent_BTN = _look_back(tokens, self.looks_back)
        # A chunk of a packed row begins as if nothing stood before it.
        begun = places[:, :, None] > torch.arange(self.looks_back)
        recent_BTN = recent_BTN.masked_fill(~begun, -1)
        x_BTD = first_BTD = self.embed(tokens, recent_BTN, places)
        turns = self.turns(places if positions is not None else places[:1])
        for layer in self.blocks:
            x_BTD = layer(x_BTD, first_BTD, turns, mask_B1TT)
        return self.norm(x_BTD), None


def _look_back(tokens_BT: Tensor, count: int) -> Tensor:
    """(B, T, N): the tokens before each, the nearest first, -1 where there is none."""
    width = tokens_BT.shape[1]
    shifted = [F.pad(tokens_BT, (n, 0), value=-1)[:, :width] for n in range(1, count + 1)]
    return torch.stack(shifted, dim=2) if shifted else tokens_BT.new_zeros((*tokens_BT.shape, 0))
