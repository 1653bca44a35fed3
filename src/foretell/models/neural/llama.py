"""The Llama class (Touvron et al. 2023), saved as Hugging Face's LlamaForCausalLM.

    x = embedding[token]
    x = x + attention(norm(x));  x = x + down(silu(gate(norm(x))) * up(norm(x)))   in each layer
    P(w | ...) = exp(w.h) / Z,  h = norm(x)

Norms divide by the root mean square; queries and keys are turned by their places; keys and values
may have fewer heads than queries (Ainslie et al. 2023). Shape suffixes as in transformer.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.layers import angles, rotate
from foretell.models.neural.network import NeuralModel, write_weights
from foretell.models.neural.published import Names
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

    @property
    def size(self) -> int:
        """Of a head."""
        return self.width // self.heads


class LlamaLayer(Layer):
    """Attention, then a gated perceptron, each added to its input."""

    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.size = sizes.size
        shared = sizes.key_heads * sizes.size
        self.attention_norm = nn.RMSNorm(sizes.width, eps=sizes.epsilon)
        self.query = nn.Linear(sizes.width, sizes.width, bias=False)
        self.key = nn.Linear(sizes.width, shared, bias=False)
        self.value = nn.Linear(sizes.width, shared, bias=False)
        self.attention_out = nn.Linear(sizes.width, sizes.width, bias=False)
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
        self.context = sizes.context
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
        return angles(places_BT, size=self.sizes.size, base=self.sizes.base)

    def logits(self, hidden: Tensor) -> Tensor:
        head = self.embedding if self.head is None else self.head
        return F.linear(hidden, head.weight)

    def write(self, folder: Path, tokenizer: Tokenizer) -> None:
        sizes = self.sizes
        config = {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "bos_token_id": tokenizer.boundary,
            "eos_token_id": tokenizer.boundary,
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
)


def read_network(folder: Path) -> Llama:
    """The network alone, from config.json and model.safetensors, whoever wrote them."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    # Since version 5, `transformers` writes the base among other facts on rotary positions.
    rotary = config.get("rope_parameters") or config
    network = Llama(
        LlamaSizes(
            vocabulary=config["vocab_size"],
            context=config["max_position_embeddings"],
            width=config["hidden_size"],
            heads=config["num_attention_heads"],
            layers=config["num_hidden_layers"],
            inner=config["intermediate_size"],
            key_heads=config["num_key_value_heads"],
            base=rotary["rope_theta"],
            epsilon=config["rms_norm_eps"],
            tied=config["tie_word_embeddings"],
        )
    )
    names = list(network.state_dict())
    network.load_state_dict(NAMES.restore(load_file(folder / "model.safetensors"), names))
    return network


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    return NeuralModel(read_network(folder), load_tokenizer(folder))
