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
from torch import Tensor, nn

from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import Fields, read_fields
from foretell.models.neural.network import NeuralModel, write_weights
from foretell.models.neural.noise import Dropout
from foretell.models.neural.published import (
    Names,
    Safetensors,
    build,
    find_edges,
    refuse_others,
)
from foretell.models.neural.transformer import Layer, Transformer
from foretell.tokenizers import load_tokenizer

VOCABULARY = 50257
"""Tokens, where a configuration does not say."""


@dataclass(frozen=True)
class GPT2Sizes:
    """All that decides the shape of the weights, and the dropout that they were trained with."""

    vocabulary: int
    context: int
    width: int
    heads: int
    layers: int
    dropout: float = 0.0
    opening: int | None = None
    """Token that texts begin with, if it is not the boundary that they end with."""


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
        self.context, self.opening = sizes.context, sizes.opening
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
        sizes, boundary = self.sizes, tokenizer.boundary
        config = {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "activation_function": "gelu_new",
            "attn_pdrop": 0.0,
            "bos_token_id": boundary if sizes.opening is None else sizes.opening,
            "embd_pdrop": sizes.dropout,
            "eos_token_id": boundary,
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
    # Masks that were once kept among the weights, and the embedding a second time.
    ignored=r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)|lm_head\.weight",
)


def read_sizes(config: Fields, opening: int | None, most_layers: int) -> GPT2Sizes:
    """From the facts of a config.json. Raises DamagedModel, or NotNative."""
    width = config.whole("n_embd", 768, most=2**20)
    for name, known, default in (
        ("activation_function", ("gelu_new", "gelu_pytorch_tanh"), "gelu_new"),
        ("n_inner", (4 * width,), 4 * width),
        ("layer_norm_epsilon", (1e-5,), 1e-5),
        ("scale_attn_weights", (True,), True),
        ("scale_attn_by_inverse_layer_idx", (False,), False),
        ("add_cross_attention", (False,), False),
        ("tie_word_embeddings", (True,), True),
        ("quantization_config", (None,), None),
    ):
        refuse_others(config, name, known, default)
    heads = config.whole("n_head", 12, most=width)
    if width % heads:
        raise config.damaged("n_head", f"is {heads}, no divisor of {width}")
    dropout = config.facts.get("resid_pdrop") or 0.0
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise config.damaged("resid_pdrop", "is no share from 0 to 1")
    return GPT2Sizes(
        vocabulary=config.whole("vocab_size", VOCABULARY),
        context=config.whole("n_positions", 1024),
        width=width,
        heads=heads,
        layers=config.whole("n_layer", 12, most=most_layers),
        dropout=float(dropout),
        opening=opening,
    )


def read_network(folder: Path) -> GPT2:
    """The network alone, from config.json and safetensors, whoever wrote them. Raises
    DamagedModel, or NotNative."""
    config, shelf = read_fields(folder / "config.json"), Safetensors(folder)
    _, opening = find_edges(folder, config, config.whole("vocab_size", VOCABULARY))
    sizes = read_sizes(config, opening, len(shelf.names))
    # The files that were first published have no prefix.
    names = NAMES.without("transformer.") if "wte.weight" in shelf.names else NAMES
    return build(lambda: GPT2(sizes), names, shelf)


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    return NeuralModel(read_network(folder), load_tokenizer(folder))
