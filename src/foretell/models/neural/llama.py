"""The Llama class (Touvron et al. 2023), saved as Hugging Face's LlamaForCausalLM.

    x = embedding[token]
    x = x + attention(norm(x));  x = x + down(silu(gate(norm(x))) * up(norm(x)))   in each layer
    P(w | ...) = exp(w.h) / Z,  h = norm(x)

Norms divide by the root mean square; queries and keys are turned by their places; keys and values
may have fewer heads than queries (Ainslie et al. 2023). Shape suffixes as in transformer.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import Fields, read_fields
from foretell.models.neural.layers import Stretch, angles, rotate, speeds
from foretell.models.neural.network import NeuralModel, write_weights
from foretell.models.neural.published import (
    Names,
    Safetensors,
    build,
    find_edges,
    refuse_others,
)
from foretell.models.neural.transformer import Layer, Transformer
from foretell.tokenizers import load_tokenizer


@dataclass(frozen=True)
class LlamaSizes:
    """All that decides the function of the weights."""

    vocabulary: int
    context: int
    width: int
    heads: int
    layers: int
    inner: int
    """Width inside the perceptron."""
    key_heads: int
    """Heads of keys and values; a divisor of heads."""
    base: float = 10_000.0
    """Of the rotary positions."""
    epsilon: float = 1e-5
    """Added to the mean square in norms."""
    tied: bool = False
    """True if the softmax has the embedding's weights."""
    head: int | None = None
    """Size of a head, if it is not width over heads."""
    stretch: Stretch | None = None
    """Of the rotary positions."""
    opening: int | None = None
    """Token that texts begin with, if it is not the boundary that they end with."""

    @property
    def size(self) -> int:
        """Of a head."""
        return self.head or self.width // self.heads


class LlamaLayer(Layer):
    """Attention, then a gated perceptron, each added to its input."""

    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.size = sizes.size
        own, shared = sizes.heads * sizes.size, sizes.key_heads * sizes.size
        self.attention_norm = nn.RMSNorm(sizes.width, eps=sizes.epsilon)
        self.query = nn.Linear(sizes.width, own, bias=False)
        self.key = nn.Linear(sizes.width, shared, bias=False)
        self.value = nn.Linear(sizes.width, shared, bias=False)
        self.attention_out = nn.Linear(own, sizes.width, bias=False)
        self.mlp_norm = nn.RMSNorm(sizes.width, eps=sizes.epsilon)
        self.gate = nn.Linear(sizes.width, sizes.inner, bias=False)
        self.up = nn.Linear(sizes.width, sizes.inner, bias=False)
        self.down = nn.Linear(sizes.inner, sizes.width, bias=False)

    def project(self, x_BTD: Tensor, turns: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        normed = self.attention_norm(x_BTD)
        queries, keys, values = (
            part(normed).unflatten(2, (-1, self.size)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        return rotate(queries, *turns), rotate(keys, *turns), values

    def finish(self, x_BTD: Tensor, mixed_BHTE: Tensor) -> Tensor:
        x_BTD = x_BTD + self.attention_out(mixed_BHTE.transpose(1, 2).flatten(2))
        normed = self.mlp_norm(x_BTD)
        return x_BTD + self.down(F.silu(self.gate(normed)) * self.up(normed))


class Llama(Transformer):
    """See the module."""

    family = "llama"
    sizes: LlamaSizes

    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.context, self.opening = sizes.context, sizes.opening
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.layers = nn.ModuleList(LlamaLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(sizes.width, eps=sizes.epsilon)
        self.head = None if sizes.tied else nn.Linear(sizes.width, sizes.vocabulary, bias=False)
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Draw the first weights from the generator in force: normal, of standard deviation
        0.02, which is what the published implementation in `transformers` does."""
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)

    def outer_tables(self) -> list[nn.Module]:
        return [*super().outer_tables(), *([] if self.head is None else [self.head])]

    @property
    def blocks(self) -> list[Layer]:
        return [cast(Layer, layer) for layer in self.layers]

    def memory_shape(self) -> tuple[int, int, int]:
        return self.sizes.layers, self.sizes.key_heads, self.sizes.size

    def embed(self, tokens_BT: Tensor, recent_BTN: Tensor, places_BT: Tensor) -> Tensor:
        x_BTD: Tensor = self.embedding(tokens_BT)
        return x_BTD

    def turns(self, places_BT: Tensor) -> tuple[Tensor, Tensor]:
        sizes = self.sizes
        return angles(places_BT, speeds(sizes.size, sizes.base, sizes.stretch))

    def logits(self, hidden: Tensor) -> Tensor:
        head = self.embedding if self.head is None else self.head
        return F.linear(hidden, head.weight)

    def write(self, folder: Path, tokenizer: Tokenizer) -> None:
        sizes, boundary = self.sizes, tokenizer.boundary
        config = {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "bos_token_id": boundary if sizes.opening is None else sizes.opening,
            "eos_token_id": boundary,
            "head_dim": sizes.size,
            "hidden_act": "silu",
            "hidden_size": sizes.width,
            "intermediate_size": sizes.inner,
            "max_position_embeddings": sizes.context,
            "mlp_bias": False,
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.key_heads,
            "rms_norm_eps": sizes.epsilon,
            "rope_scaling": _describe(sizes.stretch),
            "rope_theta": sizes.base,
            "tie_word_embeddings": sizes.tied,
            "vocab_size": sizes.vocabulary,
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        write_weights(folder / "model.safetensors", NAMES.export(self.state_dict()))


NAMES = Names(
    whole={
        "embedding.weight": "model.embed_tokens.weight",
        "norm.weight": "model.norm.weight",
        "head.weight": "lm_head.weight",
    },
    layers="model.layers",
    parts={
        "attention_norm": "input_layernorm",
        "query": "self_attn.q_proj",
        "key": "self_attn.k_proj",
        "value": "self_attn.v_proj",
        "attention_out": "self_attn.o_proj",
        "mlp_norm": "post_attention_layernorm",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
    },
    ignored=r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq",
)


def _describe(stretch: Stretch | None) -> dict[str, float | str] | None:
    """Facts on slowed positions, as configurations have them."""
    if stretch is None:
        return None
    if stretch.original is None:
        return {"rope_type": "linear", "factor": stretch.factor}
    return {
        "rope_type": "llama3",
        "factor": stretch.factor,
        "original_max_position_embeddings": stretch.original,
        "low_freq_factor": stretch.low,
        "high_freq_factor": stretch.high,
    }


def _stretch(rotary: Fields) -> Stretch | None:
    # The older name is `type`.
    name = "type" if "rope_type" not in rotary.facts else "rope_type"
    refuse_others(rotary, name, ("default", "linear", "llama3"), "default")
    kind = rotary.word(name, "default")
    if kind == "default":
        return None
    if kind == "linear":
        return Stretch(rotary.real("factor"))
    low, high = rotary.real("low_freq_factor"), rotary.real("high_freq_factor")
    if low >= high:
        raise rotary.damaged("high_freq_factor", f"is {high}, not above the low {low}")
    return Stretch(
        rotary.real("factor"), rotary.whole("original_max_position_embeddings"), low, high
    )


def read_sizes(config: Fields, opening: int | None, most_layers: int) -> LlamaSizes:
    """From the facts of a config.json. Raises DamagedModel, or NotNative."""
    for name, known, default in (
        ("hidden_act", ("silu", "swish"), "silu"),
        ("attention_bias", (False,), False),
        ("mlp_bias", (False,), False),
        ("quantization_config", (None,), None),
    ):
        refuse_others(config, name, known, default)
    # Since version 5, `transformers` writes the base among other facts on rotary positions.
    rotary = config.inside("rope_parameters")
    base = rotary.facts.get("rope_theta") or config.facts.get("rope_theta")
    scaling = rotary if rotary.facts else config.inside("rope_scaling")
    vocabulary = config.whole("vocab_size")
    width = config.whole("hidden_size", most=2**20)
    heads = config.whole("num_attention_heads", most=width)
    key_heads = config.whole("num_key_value_heads", heads, most=heads)
    if heads % key_heads:
        raise config.damaged("num_key_value_heads", f"is {key_heads}, no divisor of {heads} heads")
    size = config.whole("head_dim", width // heads, most=2**16)
    if size % 2 or ("head_dim" not in config.facts and width % heads):
        raise config.damaged("num_attention_heads", f"is {heads}, which makes no heads of {width}")
    return LlamaSizes(
        vocabulary=vocabulary,
        context=config.whole("max_position_embeddings", 2048),
        width=width,
        heads=heads,
        layers=config.whole("num_hidden_layers", most=most_layers),
        inner=config.whole("intermediate_size", most=2**24),
        key_heads=key_heads,
        base=Fields(config.where, {"rope_theta": base}).real("rope_theta", 10_000.0),
        epsilon=config.real("rms_norm_eps", 1e-6),
        tied=config.flag("tie_word_embeddings", False),
        head=None if size * heads == width else size,
        stretch=_stretch(scaling),
        opening=opening,
    )


def read_network(folder: Path) -> Llama:
    """The network alone, from config.json and safetensors, whoever wrote them. Raises
    DamagedModel, or NotNative."""
    config, shelf = read_fields(folder / "config.json"), Safetensors(folder)
    _, opening = find_edges(folder, config, config.whole("vocab_size"))
    sizes = read_sizes(config, opening, len(shelf.names))
    ignored = NAMES.ignored + (r"|lm_head\.weight" if sizes.tied else "")
    return build(lambda: Llama(sizes), replace(NAMES, ignored=ignored), shelf)


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    return NeuralModel(read_network(folder), load_tokenizer(folder))
