"""Any PyTorch network that reads left to right, behind the contract.

Shapes inside networks: B rows, T tokens, D width, V vocabulary. A `Network` maps tokens (B, T)
and a memory to hidden vectors (B, T, D) and the memory after them; `NeuralModel` is the only
place where tensors become numpy.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save as serialize
from torch import Tensor, nn

from foretell.contracts.errors import ContextExceeded
from foretell.contracts.language_model import (
    Lengths,
    LogProbs,
    Step,
    Tokens,
    check_keep,
    full_lengths,
)
from foretell.contracts.tokenizer import Tokenizer

LOGITS_AT_ONCE = 2**22
"""Most logits held while scoring; (B, T, V) never exists whole."""
HIDDEN_AT_ONCE = 2**26
"""Most numbers in the hidden vectors of rows that are scored together."""


class Memory(Protocol):
    """What a network remembers of B rows. Reading on makes a new one; old ones stay good."""

    def select(self, rows: Sequence[int]) -> Self: ...

    def join(self, other: Self) -> Self: ...


class Network(nn.Module):
    """A causal network with a softmax at its end: P(w | ...) = exp(w.h) / Z."""

    family: str
    sizes: Any
    """All that decides the shape of the weights; a frozen dataclass with a repr."""
    context: int | None
    embedding: nn.Embedding
    opening: int | None = None
    """Token that texts begin with, of weights for which it is not the boundary that they end
    with."""

    @property
    def hidden(self) -> int:
        """Size D of what `read` gives for a token."""
        return self.embedding.embedding_dim

    def first_token(self, tokenizer: Tokenizer) -> int:
        """What is read before a text."""
        return tokenizer.boundary if self.opening is None else self.opening

    def outer_tables(self) -> list[nn.Module]:
        """Modules whose weight (rows, D) has a row a token or n-gram; they learn at other rates
        than the matrices between them."""
        return [module for module in self.modules() if isinstance(module, nn.Embedding)]

    @abstractmethod
    def empty_memory(self, rows: int) -> Memory: ...

    @abstractmethod
    def read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """tokens (B, T) to hidden (B, T, D), for use; no row has pads."""

    @abstractmethod
    def learn(
        self,
        tokens: Tensor,
        *,
        memory: Memory | None,
        segments: Tensor | None,
        positions: Tensor | None,
    ) -> tuple[Tensor, Memory | None]:
        """tokens (B, T) to hidden (B, T, D), for training; segments and positions (B, T) tell
        the chunks of a packed row apart. Pads stand on the right and are not scored."""

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (..., D) to (..., V)."""

    @abstractmethod
    def write(self, folder: Path, tokenizer: Tokenizer) -> None:
        """Write config.json and model.safetensors."""


@dataclass(frozen=True)
class NeuralState:
    """Lengths (B,) and the network's memory of the rows."""

    lengths: Lengths
    memory: Any

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> NeuralState:
        rows = np.asarray(rows, np.int64)
        return NeuralState(self.lengths[rows], self.memory.select(rows.tolist()))

    def join(self, other: NeuralState) -> NeuralState:
        lengths = np.concatenate([self.lengths, other.lengths])
        return NeuralState(lengths, self.memory.join(other.memory))


@dataclass(frozen=True)
class TruncatableState(NeuralState):
    """A state whose memory can drop its end."""

    def truncate(self, lengths: Lengths) -> TruncatableState:
        lengths = np.asarray(lengths, np.int32)
        if (lengths < 1).any() or (lengths > self.lengths).any():
            raise ValueError(f"cannot truncate states of {self.lengths} to {lengths}")
        return TruncatableState(lengths, self.memory.truncate(lengths.tolist()))

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> TruncatableState:
        return self._of(super().select(rows))

    def join(self, other: NeuralState) -> TruncatableState:
        return self._of(super().join(other))

    @staticmethod
    def _of(state: NeuralState) -> TruncatableState:
        return TruncatableState(state.lengths, state.memory)


class NeuralModel:
    """A network and its tokenizer as a LanguageModel. Reads in fp32, without dropout."""

    def __init__(self, network: Network, tokenizer: Tokenizer) -> None:
        self.network = network.eval()
        self.family = network.family
        self.tokenizer = tokenizer
        self.context = network.context
        self._first = network.first_token(tokenizer)
        truncatable = hasattr(type(network.empty_memory(1)), "truncate")
        self._state = TruncatableState if truncatable else NeuralState

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        self.network.write(folder, self.tokenizer)
        self.tokenizer.save(folder)

    @torch.inference_mode()
    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        memory = self.network.empty_memory(rows)
        if mid_text:
            nothing = np.zeros((rows, 0, self.tokenizer.vocabulary_size), np.float32)
            return Step(nothing, self._state(np.zeros(rows, np.int32), memory))
        first = np.full((rows, 1), self._first, np.int32)
        return self._read(self._state(np.zeros(rows, np.int32), memory), first, 1)

    @torch.inference_mode()
    def advance(
        self, state: NeuralState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        lengths = full_lengths(tokens, lengths)
        check_keep(lengths, keep)
        after = state.lengths + lengths
        if self.context is not None and len(after) and after.max() > self.context:
            raise ContextExceeded(
                f"a state would hold {after.max()} tokens, and this model reads at most "
                f"{self.context}; wrap it in foretell.models.Sliding"
            )
        widths = np.unique(lengths)
        if len(widths) == 1:
            return self._read(state, tokens[:, : widths[0]], keep)
        # Rows of one length at a time: pads are never read, so they can change nothing.
        logprobs = np.empty((len(lengths), keep, self.tokenizer.vocabulary_size), np.float32)
        order, parts = [], []
        for width in widths:
            rows = np.flatnonzero(lengths == width)
            step = self._read(state.select(rows), tokens[rows, :width], keep)
            logprobs[rows] = step.logprobs
            order.append(rows)
            parts.append(step.state)
        joined = parts[0]
        for part in parts[1:]:
            joined = joined.join(part)
        return Step(logprobs, joined.select(np.argsort(np.concatenate(order))))

    def _read(self, state: NeuralState, tokens: Tokens, keep: int) -> Step:
        """Rows of one length; T may be 0."""
        if tokens.shape[1] == 0:
            nothing = np.zeros((len(tokens), 0, self.tokenizer.vocabulary_size), np.float32)
            return Step(nothing, state)
        hidden, memory = self.network.read(torch.from_numpy(tokens.astype(np.int64)), state.memory)
        kept = hidden[:, hidden.shape[1] - keep :]
        logprobs: LogProbs = self.network.logits(kept).float().log_softmax(-1).numpy()
        return Step(logprobs, self._state(state.lengths + np.int32(tokens.shape[1]), memory))

    @torch.inference_mode()
    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        lengths = full_lengths(tokens, lengths)
        if self.context is not None and len(lengths) and lengths.max() > self.context:
            raise ContextExceeded(
                f"a row of {lengths.max()} tokens is longer than the {self.context} that this "
                "model reads; wrap it in foretell.models.Sliding"
            )
        size = max(1, HIDDEN_AT_ONCE // (self.network.hidden * max(1, tokens.shape[1])))
        pieces = [tokens[at : at + size] for at in range(0, max(1, len(tokens)), size)]
        scores = [
            self._score_on(self.network.empty_memory(len(piece)), piece, first=True)[0]
            for piece in pieces
        ]
        out = np.concatenate(scores)
        return np.where(np.arange(tokens.shape[1]) < lengths[:, None], out, np.float32(0))

    def _score_on(
        self, memory: Any, tokens: Tokens, *, first: bool
    ) -> tuple[NDArray[np.float32], Any]:
        """ln P of tokens (B, T) given the memory; unless `first`, the first column is context."""
        rows, width = tokens.shape
        if first:
            begun = np.full((rows, 1), self._first, tokens.dtype)
            tokens, width = np.concatenate([begun, tokens], axis=1), width + 1
        if width < 2:
            return np.zeros((rows, width - 1), np.float32), memory
        ids = torch.from_numpy(tokens.astype(np.int64))
        hidden, memory = self.network.read(ids[:, :-1], memory)
        flat, targets = hidden.reshape(-1, hidden.shape[-1]), ids[:, 1:].reshape(-1)
        size = max(1, LOGITS_AT_ONCE // self.tokenizer.vocabulary_size)
        pieces = [
            -F.cross_entropy(self.network.logits(h).float(), t, reduction="none")
            for h, t in zip(flat.split(size), targets.split(size), strict=True)
        ]
        return torch.cat(pieces).view(rows, -1).numpy(), memory


def write_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Tensors (of any shape) as safetensors, by way of bytes: so a full disk is an OSError."""
    whole = {name: weight.detach().contiguous() for name, weight in weights.items()}
    path.write_bytes(serialize(whole, metadata={"format": "pt"}))


class UnlimitedModel(NeuralModel):
    """A NeuralModel without a window: whole documents are read with the state carried on."""

    @torch.inference_mode()
    def score_documents(
        self, documents: Sequence[NDArray[np.int32]], *, rows: int = 32, chunk: int = 256
    ) -> list[NDArray[np.float32]]:
        """ln P of each token (T,), documents of like length side by side."""
        order = sorted(range(len(documents)), key=lambda index: len(documents[index]))
        out: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(documents)
        for start in range(0, len(order), rows):
            group = order[start : start + rows]
            width = max(len(documents[index]) for index in group)
            # Column 0 is what texts begin with: every chunk is "one column of context, then
            # targets".
            grid = np.full((len(group), width + 1), self._first, np.int32)
            for row, index in enumerate(group):
                grid[row, 1 : 1 + len(documents[index])] = documents[index]
            memory, scores = self.network.empty_memory(len(group)), []
            for at in range(0, width, chunk):
                piece, memory = self._score_on(memory, grid[:, at : at + chunk + 1], first=False)
                scores.append(piece)
            for row, index in enumerate(group):
                whole = (
                    np.concatenate([piece[row] for piece in scores]) if scores else grid[row, 1:]
                )
                out[index] = whole[: len(documents[index])].astype(np.float32)
        return out
