"""GPT-2 exactly as published (Radford et al. 2019), saved as Hugging Face's GPT2LMHeadModel.

    x = embedding[token] + positions[place]
    x = x + attention(norm(x));  x = x + mlp(norm(x))      in each layer
    P(w | ...) = exp(w.h) / Z,  h = norm(x),  w the rows of the embedding

Shape suffixes as in transformer.py.
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
from foretell.models.neural.network import NeuralModel, write_weights
from foretell.models.neural.noise import Dropout
from foretell.models.neural.published import Names
from foretell.models.neural.transformer import Layer, Transformer
from foretell.tokenizers import load_tokenizer


@dataclass(frozen=True)
class GPT2Sizes:
    """All that decides the shape of the weights, and the dropout that they were trained with."""

    vocabulary: int
    context: int
    width: int
    heads: int
    layers: int
    dropout: float = 0.0


class GPT2Layer(Layer):
    """Attention, then a perceptron four times as wide, each added to its input."""

    def __init__(self, sizes: GPT2Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.attention_in = nn.Linear(sizes.width, 3 * sizes.width)
        self.attention_out = nn.Linear(sizes.width, sizes.width)
        self.mlp_norm = nn.LayerNorm(sizes.width)
        self.mlp_in = nn.Linear(sizes.width, 4 * sizes.width)
        self.mlp_out = nn.Linear(4 * sizes.width, sizes.width)
        self.drop_attention = Dropout(sizes.dropout)
        self.drop_mlp = Dropout(sizes.dropout)

    def project(self, x_BTD: Tensor, turns: None) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.attention_in(self.attention_norm(x_BTD))
        queries, keys, values = parts.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return queries, keys, values

    def finish(self, x_BTD: Tensor, mixed_BHTE: Tensor) -> Tensor:
        mixed = mixed_BHTE.transpose(1, 2).flatten(2)
        x_BTD = x_BTD + self.drop_attention(self.attention_out(mixed))
        inner = F.gelu(self.mlp_in(self.mlp_norm(x_BTD)), approximate="tanh")
        return x_BTD + self.drop_mlp(self.mlp_out(inner))


class GPT2(Transformer):
    """See the module."""

    family = "gpt2"
    sizes: GPT2Sizes

    def __init__(self, sizes: GPT2Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.context = sizes.context
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.positions = nn.Embedding(sizes.context, sizes.width)
        self.drop = Dropout(sizes.dropout)
        self.layers = nn.ModuleList(GPT2Layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width)
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Draw the first weights from the generator in force, as published: normal, of standard
        deviation 0.02 (positions 0.01), and less by sqrt(2 layers) where they add to the stream."""
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.01)
        for layer in self.layers:
            for name, weight in layer.named_parameters():
                if name.endswith("_out.weight"):
                    nn.init.normal_(weight, std=0.02 / sqrt(2 * self.sizes.layers))
                elif weight.ndim == 2:
                    nn.init.normal_(weight, std=0.02)
                elif name.endswith("bias"):
                    nn.init.zeros_(weight)

    @property
    def blocks(self) -> list[Layer]:
        return [cast(Layer, layer) for layer in self.layers]

    def memory_shape(self) -> tuple[int, int, int]:
        return self.sizes.layers, self.sizes.heads, self.sizes.width // self.sizes.heads

    def embed(self, tokens_BT: Tensor, recent_BTN: Tensor, places_BT: Tensor) -> Tensor:
        x_BTD = self.embedding(tokens_BT) + self.positions(places_BT)
        first: Tensor = self.drop(x_BTD)
        return first

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
        write_weights(folder / "model.safetensors", NAMES.export(self.state_dict()))


NAMES = Names(
    whole={
        "embedding.weight": "transformer.wte.weight",
        "positions.weight": "transformer.wpe.weight",
        "norm.weight": "transformer.ln_f.weight",
        "norm.bias": "transformer.ln_f.bias",
    },
    layers="transformer.h",
    parts={
        "attention_norm": "ln_1",
        "attention_in": "attn.c_attn",
        "attention_out": "attn.c_proj",
        "mlp_norm": "ln_2",
        "mlp_in": "mlp.c_fc",
        "mlp_out": "mlp.c_proj",
    },
    turned=("attention_in", "attention_out", "mlp_in", "mlp_out"),
)


def read_network(folder: Path) -> GPT2:
    """The network alone, from config.json and model.safetensors, whoever wrote them."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    network = GPT2(
        GPT2Sizes(
            vocabulary=config["vocab_size"],
            context=config["n_positions"],
            width=config["n_embd"],
            heads=config["n_head"],
            layers=config["n_layer"],
            dropout=config["resid_pdrop"],
        )
    )
    names = list(network.state_dict())
    network.load_state_dict(NAMES.restore(load_file(folder / "model.safetensors"), names))
    return network


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    return NeuralModel(read_network(folder), load_tokenizer(folder))
