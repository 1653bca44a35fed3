"""Any causal language model of `transformers`, behind the contract: for classes not built in.

    network = Adapted(AutoModelForCausalLM.from_pretrained(folder))

What it foretells is theirs to the last bit; logits stand where other networks have hidden vectors,
since models may scale or cap them after their last matrix. A memory holds the keys and values of
each row, or, of a model whose cache is not made of them, the tokens, which are then read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import read_fields
from foretell.models.neural.borrowed import open_causal
from foretell.models.neural.layers import within
from foretell.models.neural.network import Memory, Network, NeuralModel
from foretell.models.neural.published import find_edges
from foretell.tokenizers import load_tokenizer


@dataclass(frozen=True)
class Row:
    """What was read of one row."""

    tokens: Tensor
    """(T,)"""
    kept: tuple[tuple[Tensor, Tensor], ...] = ()
    """Keys and values (1, heads, T, E) of each layer; none where tokens are read again."""


@dataclass(frozen=True)
class Rows:
    """A memory: a value, since a cache that grows makes new tensors."""

    rows: tuple[Row, ...]

    def select(self, rows: Sequence[int]) -> Rows:
        return Rows(tuple(self.rows[row] for row in rows))

    def join(self, other: Rows) -> Rows:
        return Rows(self.rows + other.rows)

    def truncate(self, lengths: Sequence[int]) -> Rows:
        return Rows(
            tuple(
                Row(
                    row.tokens[:length],
                    tuple((k[:, :, :length], v[:, :, :length]) for k, v in row.kept),
                )
                for row, length in zip(self.rows, lengths, strict=True)
            )
        )


class Adapted(Network):
    """See the module."""

    family = "adapted"

    def __init__(self, model: Any, *, opening: int | None = None) -> None:
        super().__init__()
        self.model, self.opening = model.eval(), opening
        self.sizes = model.config
        self.context = getattr(model.config, "max_position_embeddings", None)
        self.embedding = model.get_input_embeddings()
        # Called so since version 5.20 of `transformers`, in which the old name warns.
        said = "cache" in signature(model.forward).parameters
        self._cache_word = "cache" if said else "past_key_values"
        self._caches = self._has_plain_cache()

    @property
    def hidden(self) -> int:
        return int(self.embedding.num_embeddings)

    def outer_tables(self) -> list[nn.Module]:
        head = self.model.get_output_embeddings()
        return [*super().outer_tables(), *([] if head is None else [head])]

    def empty_memory(self, rows: int) -> Rows:
        nothing = torch.zeros(0, dtype=torch.int64)
        return Rows((Row(nothing),) * rows)

    def read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, Rows]:
        assert isinstance(memory, Rows)
        if all(len(row.tokens) == 0 for row in memory.rows):
            return self._read_together(tokens)
        parts = [self._read_on(new, row) for new, row in zip(tokens, memory.rows, strict=True)]
        return torch.cat([logits for logits, _ in parts]), Rows(tuple(row for _, row in parts))

    def _read_together(self, tokens: Tensor) -> tuple[Tensor, Rows]:
        """Rows that begin, in one go."""
        logits, kept = self._run(tokens, ())
        rows = (
            Row(row, tuple((k[i : i + 1], v[i : i + 1]) for k, v in kept))
            for i, row in enumerate(tokens)
        )
        return logits, Rows(tuple(rows))

    def _read_on(self, new: Tensor, row: Row) -> tuple[Tensor, Row]:
        tokens = torch.cat([row.tokens, new])
        if not self._caches:
            logits, _ = self._run(tokens[None], ())
            return logits[:, len(row.tokens) :], Row(tokens)
        logits, kept = self._run(new[None], row.kept)
        return logits, Row(tokens, kept)

    def _run(
        self, tokens: Tensor, kept: tuple[tuple[Tensor, Tensor], ...]
    ) -> tuple[Tensor, tuple[tuple[Tensor, Tensor], ...]]:
        """tokens (B, T) after those whose keys and values are kept, to logits (B, T, V)."""
        if not self._caches:
            return self.model(tokens, use_cache=False).logits, ()
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer, (keys, values) in enumerate(kept):
            cache.update(keys, values, layer)
        logits = self.model(tokens, use_cache=True, **{self._cache_word: cache}).logits
        layers: Any = cache.layers
        return logits, tuple((layer.keys, layer.values) for layer in layers)

    @torch.inference_mode()
    def _has_plain_cache(self) -> bool:
        """True if all that the model remembers is keys and values of every token."""
        from transformers import DynamicCache

        cache, first = DynamicCache(), torch.zeros((1, 2), dtype=torch.int64)
        try:
            self.model(first, use_cache=True, **{self._cache_word: cache})
        # Models without such a cache refuse the argument each in its own way.
        except Exception:
            return False
        shapes = [getattr(layer, "keys", None) for layer in cache.layers]
        return bool(shapes) and all(keys is not None and keys.shape[2] == 2 for keys in shapes)

    def learn(
        self,
        tokens: Tensor,
        *,
        memory: Memory | None,
        segments: Tensor | None,
        positions: Tensor | None,
    ) -> tuple[Tensor, None]:
        mask = None if segments is None else within(segments)
        out = self.model(tokens, attention_mask=mask, position_ids=positions, use_cache=False)
        return out.logits, None

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden

    def write(self, folder: Path, tokenizer: Tokenizer) -> None:
        edges = self.model.config
        edges.eos_token_id = tokenizer.boundary
        edges.bos_token_id = tokenizer.boundary if self.opening is None else self.opening
        self.model.save_pretrained(folder)


def open_adapted(folder: Path, opening: int | None) -> Adapted:
    """From a folder in the layout of Hugging Face; nothing in it is run as code. Raises
    DamagedModel, or MissingExtra."""
    return Adapted(open_causal(folder), opening=opening)


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    tokenizer = load_tokenizer(folder)
    config = read_fields(folder / "config.json")
    _, opening = find_edges(folder, config, tokenizer.vocabulary_size)
    return NeuralModel(open_adapted(folder, opening), tokenizer)
