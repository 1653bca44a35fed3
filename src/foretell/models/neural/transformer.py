"""GPT-2 exactly as published (Radford et al. 2019), saved as Hugging Face's GPT2LMHeadModel.

    x = embedding[token] + positions[place]
    x = x + attention(norm(x));  x = x + mlp(norm(x))      in each layer
    P(w | ...) = exp(w.h) / Z,  h = norm(x),  w the rows of the embedding

Shape suffixes: B rows, T new tokens, S all tokens so far, H heads, E size of a head, D = H * E.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.memories import GrowingMemory
from foretell.models.neural.network import Memory, Network, NeuralModel, write_weights
from foretell.tokenizers import load_tokenizer


@dataclass(frozen=True)
class TransformerSizes:
    """All that decides the shape of the weights, and the dropout that they were trained with."""

    vocabulary: int
    context: int
    width: int
    heads: int
    layers: int
    dropout: float = 0.0


class Layer(nn.Module):
    """One block: attention, then a perceptron four times as wide, each added to its input."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.heads, self.dropout = sizes.heads, sizes.dropout
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.attention_in = nn.Linear(sizes.width, 3 * sizes.width)
        self.attention_out = nn.Linear(sizes.width, sizes.width)
        self.mlp_norm = nn.LayerNorm(sizes.width)
        self.mlp_in = nn.Linear(sizes.width, 4 * sizes.width)
        self.mlp_out = nn.Linear(4 * sizes.width, sizes.width)

    def project(self, x_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, H, T, E)."""
        rows, width, size = x_BTD.shape
        parts = self.attention_in(self.attention_norm(x_BTD))
        parts = parts.view(rows, width, 3, self.heads, size // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        return queries, keys, values

    def finish(self, x_BTD: Tensor, mixed_BHTE: Tensor) -> Tensor:
        """Add what attention brought, then what the perceptron makes of it."""
        mixed = mixed_BHTE.transpose(1, 2).flatten(2)
        x_BTD = x_BTD + F.dropout(self.attention_out(mixed), self.dropout, self.training)
        inner = F.gelu(self.mlp_in(self.mlp_norm(x_BTD)), approximate="tanh")
        return x_BTD + F.dropout(self.mlp_out(inner), self.dropout, self.training)


class Transformer(Network):
    """See the module. Knows no text: tokens in, vectors out."""

    family = "transformer"
    positions: nn.Embedding
    norm: nn.LayerNorm

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.context = sizes.context
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.positions = nn.Embedding(sizes.context, sizes.width)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width)
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Draw the first weights from the generator in force.

        Unlike the published ones, the projections that add to the stream begin at zero, so that
        a layer begins as the identity; see docs/decisions.
        """
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.01)
        for layer in self.layers:
            for name, weight in layer.named_parameters():
                if name.endswith(("_out.weight", "bias")):
                    nn.init.zeros_(weight)
                elif weight.ndim == 2:
                    nn.init.normal_(weight, std=1 / sqrt(weight.shape[1]))

    @property
    def blocks(self) -> list[Layer]:
        return [cast(Layer, layer) for layer in self.layers]

    def empty_memory(self, rows: int) -> GrowingMemory:
        sizes = self.sizes
        return GrowingMemory.empty(
            rows,
            self.embedding.weight,
            layers=sizes.layers,
            heads=sizes.heads,
            size=sizes.width // sizes.heads,
        )

    def read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, GrowingMemory]:
        assert isinstance(memory, GrowingMemory)
        width = tokens.shape[1]
        before_B = torch.tensor(memory.lengths)
        places_BT = before_B[:, None] + torch.arange(width)
        memory = memory.grow(width)
        fresh = not before_B.any()
        # A token sees those at its own place and before it; short rows' pads lie after it.
        seen_B1TS = torch.arange(max(memory.lengths)) <= places_BT[:, None, :, None]
        x_BTD = self.embedding(tokens) + self.positions(places_BT)
        for index, layer in enumerate(self.blocks):
            queries, keys, values = layer.project(x_BTD)
            memory.write(index, keys, values)
            if fresh:
                mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
            else:
                keys, values = memory.read(index)
                mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen_B1TS)
            x_BTD = layer.finish(x_BTD, mixed)
        return self.norm(x_BTD), memory

    def learn(
        self,
        tokens: Tensor,
        *,
        memory: Memory | None,
        segments: Tensor | None,
        positions: Tensor | None,
    ) -> tuple[Tensor, None]:
        width = tokens.shape[1]
        mask_B1TT = None
        if segments is not None:
            causal = torch.ones(width, width, dtype=torch.bool).tril()
            mask_B1TT = ((segments[:, :, None] == segments[:, None, :]) & causal)[:, None]
        places = torch.arange(width)[None] if positions is None else positions
        embedded = self.embedding(tokens) + self.positions(places)
        x_BTD = F.dropout(embedded, self.sizes.dropout, self.training)
        for layer in self.blocks:
            queries, keys, values = layer.project(x_BTD)
            mixed = F.scaled_dot_product_attention(
                queries, keys, values, attn_mask=mask_B1TT, is_causal=mask_B1TT is None
            )
            x_BTD = layer.finish(x_BTD, mixed)
        return self.norm(x_BTD), None

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embedding.weight)

    def write(self, folder: Path, tokenizer: Tokenizer) -> None:
        sizes = self.sizes
        config = {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "activation_function": "gelu_new",
            "attn_pdrop": 0.0,
            "bos_token_id": tokenizer.boundary,
            "embd_pdrop": sizes.dropout,
            "eos_token_id": tokenizer.boundary,
            "layer_norm_epsilon": 1e-5,
            "n_ctx": sizes.context,
            "n_embd": sizes.width,
            "n_head": sizes.heads,
            "n_inner": None,
            "n_layer": sizes.layers,
            "n_positions": sizes.context,
            "resid_pdrop": sizes.dropout,
            "tie_word_embeddings": True,
            "vocab_size": sizes.vocabulary,
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        write_weights(folder / "model.safetensors", to_published(self.state_dict()))


NAMES = {
    "embedding.weight": "transformer.wte.weight",
    "positions.weight": "transformer.wpe.weight",
    "norm.weight": "transformer.ln_f.weight",
    "norm.bias": "transformer.ln_f.bias",
}
LAYER_NAMES = {
    "attention_norm": "ln_1",
    "attention_in": "attn.c_attn",
    "attention_out": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp_in": "mlp.c_fc",
    "mlp_out": "mlp.c_proj",
}
"""The published names of our weights. Theirs are input by output, ours output by input."""


def published_name(name: str) -> str:
    """`layers.3.mlp_in.weight` to `transformer.h.3.mlp.c_fc.weight`."""
    if name in NAMES:
        return NAMES[name]
    _, index, part, leaf = name.split(".")
    return f"transformer.h.{index}.{LAYER_NAMES[part]}.{leaf}"


def _turned(name: str) -> bool:
    return name.startswith("layers.") and name.endswith(("_in.weight", "_out.weight"))


def to_published(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our state_dict under the published names, inner matrices turned to (input, output)."""
    return {
        published_name(name): (weight.T if _turned(name) else weight).contiguous()
        for name, weight in weights.items()
    }


def from_published(weights: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """The reverse, for our `names`, matrices turned back to (output, input).

    Raises KeyError if a name is missing or one is left over.
    """
    wanted = {published_name(name): name for name in names}
    if set(wanted) != set(weights):
        odd = sorted(set(wanted) ^ set(weights))
        raise KeyError(f"weights do not fit the sizes; missing or unused: {', '.join(odd[:4])}")
    return {
        ours: weights[theirs].T if _turned(ours) else weights[theirs]
        for theirs, ours in wanted.items()
    }


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    network = Transformer(
        TransformerSizes(
            vocabulary=config["vocab_size"],
            context=config["n_positions"],
            width=config["n_embd"],
            heads=config["n_head"],
            layers=config["n_layer"],
            dropout=config["resid_pdrop"],
        )
    )
    names = list(network.state_dict())
    network.load_state_dict(from_published(load_file(folder / "model.safetensors"), names))
    return NeuralModel(network, load_tokenizer(folder))
