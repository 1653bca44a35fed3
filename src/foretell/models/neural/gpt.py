"""The GPT that learns most in a minute of a processor: today's recipe, at the size of your text.

    x = norm(embedding[token] + sum over n of tables[n][hash of the last n tokens])
    x = a x + b first;  x = x + attention(norm(x));  x = x + mlp(norm(x))      in each layer
    P(w | ...) = exp(w.h) / Z,  h = norm(x)

What it adds to GPT-2, and where each part comes from; what each bought is measured in
docs/decisions/recipe.md:

- rotary positions (Su et al. 2021), and queries and keys of length one (Henry et al. 2020);
- norms without weights, no biases, relu(x)^2 (So et al. 2021);
- projections that add to the stream begin at zero, so that a layer begins as the identity;
- scales a, b in each layer, by which the stream and the embedding enter it;
- tables of hashed n-grams beside the embedding: what n-grams know need not be learned by layers.

Shape suffixes as in transformer.py.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.layers import angles, rotate, speeds, square_relu, unit
from foretell.models.neural.network import NeuralModel, write_weights
from foretell.models.neural.noise import Dropout
from foretell.models.neural.transformer import Layer, Transformer
from foretell.tokenizers import load_tokenizer

BASE = 10_000.0
"""Of the rotary positions."""
MIXER = 0x5851F42D4C957F2D
"""An odd multiplier that spreads the numbers of n-grams over a table (Knuth)."""


@dataclass(frozen=True)
class GPTSizes:
    """All that decides the shape of the weights, and the dropout that they were trained with."""

    vocabulary: int
    context: int
    width: int
    heads: int
    layers: int
    tables: tuple[int, ...] = ()
    """Rows of the tables of 2-grams, 3-grams and so on."""
    dropout: float = 0.0

    @property
    def size(self) -> int:
        """Of a head."""
        return self.width // self.heads


class GPTLayer(Layer):
    """Attention, then a perceptron four times as wide, each added to its input."""

    def __init__(self, sizes: GPTSizes) -> None:
        super().__init__()
        width, self.heads = sizes.width, sizes.heads
        self.scales = nn.Parameter(torch.tensor([1.0, 0.0]))
        self.sharpness = nn.Parameter(torch.ones(sizes.heads, 1, 1))
        self.attention_in = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.mlp_in = nn.Linear(width, 4 * width, bias=False)
        self.mlp_out = nn.Linear(4 * width, width, bias=False)
        self.drop_attention = Dropout(sizes.dropout)
        self.drop_mlp = Dropout(sizes.dropout)

    def enter(self, x_BTD: Tensor, first_BTD: Tensor) -> Tensor:
        stream, first = self.scales
        return stream * x_BTD + first * first_BTD

    def project(self, x_BTD: Tensor, turns: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.attention_in(unit(x_BTD)).unflatten(2, (3, self.heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        return rotate(unit(queries) * self.sharpness, *turns), rotate(unit(keys), *turns), values

    def finish(self, x_BTD: Tensor, mixed_BHTE: Tensor) -> Tensor:
        mixed = self.attention_out(mixed_BHTE.transpose(1, 2).flatten(2))
        x_BTD = x_BTD + self.drop_attention(mixed)
        inner = square_relu(self.mlp_in(unit(x_BTD)))
        return x_BTD + self.drop_mlp(self.mlp_out(inner))


class GPT(Transformer):
    """See the module."""

    family = "gpt"
    sizes: GPTSizes

    def __init__(self, sizes: GPTSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.context = sizes.context
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.tables = nn.ModuleList(
            nn.Embedding(rows, sizes.width, sparse=True) for rows in sizes.tables
        )
        self.drop = Dropout(sizes.dropout)
        self.layers = nn.ModuleList(GPTLayer(sizes) for _ in range(sizes.layers))
        self.head = nn.Linear(sizes.width, sizes.vocabulary, bias=False)
        self.reset()

    @property
    def looks_back(self) -> int:
        return len(self.sizes.tables)

    @torch.no_grad()
    def reset(self) -> None:
        """Draw the first weights from the generator in force."""
        nn.init.normal_(self.embedding.weight, std=0.5)
        for weight in (*self.tables.parameters(), self.head.weight):
            nn.init.zeros_(weight)
        for layer in self.layers:
            for name, weight in layer.named_parameters():
                if name.endswith("_out.weight"):
                    nn.init.zeros_(weight)
                elif name.endswith("_in.weight"):
                    nn.init.normal_(weight, std=self.sizes.width**-0.5)

    def outer_tables(self) -> list[nn.Module]:
        return [*super().outer_tables(), self.head]

    @property
    def blocks(self) -> list[Layer]:
        return [cast(Layer, layer) for layer in self.layers]

    def memory_shape(self) -> tuple[int, int, int]:
        return self.sizes.layers, self.sizes.heads, self.sizes.size

    def embed(self, tokens_BT: Tensor, recent_BTN: Tensor, places_BT: Tensor) -> Tensor:
        x_BTD = self.embedding(tokens_BT)
        # The n-gram as a number in base V + 1, where 0 stands for "before the text".
        number_BT, base = tokens_BT, self.sizes.vocabulary + 1
        for back, table in enumerate(self.tables):
            number_BT = number_BT * base + recent_BTN[:, :, back] + 1
            rows = self.sizes.tables[back]
            exact = base ** (back + 2) <= rows
            x_BTD = x_BTD + table(number_BT if exact else (number_BT * MIXER >> 32) % rows)
        first: Tensor = self.drop(unit(x_BTD))
        return first

    def turns(self, places_BT: Tensor) -> tuple[Tensor, Tensor]:
        return angles(places_BT, speeds(self.sizes.size, BASE))

    def norm(self, x_BTD: Tensor) -> Tensor:
        return unit(x_BTD)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.head.weight)

    def write(self, folder: Path, tokenizer: Tokenizer) -> None:
        config = {
            "architectures": [type(self).__name__],
            "model_type": "foretell-gpt",
            "bos_token_id": tokenizer.boundary,
            "eos_token_id": tokenizer.boundary,
            "sizes": asdict(self.sizes),
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        write_weights(folder / "model.safetensors", self.state_dict())


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    sizes = json.loads((folder / "config.json").read_text("utf-8"))["sizes"]
    network = GPT(GPTSizes(**{**sizes, "tables": tuple(sizes["tables"])}))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return NeuralModel(network, load_tokenizer(folder))
