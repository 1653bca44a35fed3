"""Elman's network, the GRU and the LSTM: a state of fixed size, constant memory a token.

    token -> embedding (D) -> recurrent layers (H) -> projection (D) -> softmax tied to embedding

Sources: Elman 1990; Hochreiter & Schmidhuber 1997; Cho et al. 2014; tied weights Press & Wolf
2017. The article's P(w | ...) = exp(w.h) / Z, with a bias for a word's own frequency.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.memories import FixedMemory
from foretell.models.neural.network import Memory, Network, UnlimitedModel, write_weights
from foretell.models.neural.noise import Dropout, WeightDrop
from foretell.tokenizers import load_tokenizer

Cell = Literal["rnn", "gru", "lstm"]
CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True)
class RecurrentSizes:
    """All that decides the shape of the weights, and the dropout that they were trained with."""

    cell: Cell
    vocabulary: int
    width: int
    hidden: int
    layers: int = 1
    dropout: float = 0.0
    """Before, between and after the layers, of the same numbers at all tokens of a row."""
    weight_drop: float = 0.0
    """Of the weights from hidden to hidden, drawn once an update (Merity et al. 2017)."""


class RecurrentNetwork(Network):
    """See the module. Knows no text: tokens in, vectors out."""

    family = "recurrent"
    context = None

    def __init__(self, sizes: RecurrentSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        inputs = [sizes.width] + [sizes.hidden] * (sizes.layers - 1)
        self.cells = nn.ModuleList(
            CELLS[sizes.cell](size, sizes.hidden, batch_first=True) for size in inputs
        )
        self.drops = nn.ModuleList(
            Dropout(sizes.dropout, variational=True) for _ in range(sizes.layers + 1)
        )
        self.weight_drops = nn.ModuleList(WeightDrop(sizes.weight_drop) for _ in inputs)
        self.projection = nn.Linear(sizes.hidden, sizes.width)
        self.bias = nn.Parameter(torch.zeros(sizes.vocabulary))
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Draw the first weights from the generator in force."""
        nn.init.normal_(self.embedding.weight, std=0.05)
        hidden = self.sizes.hidden
        for name, weight in self.cells.named_parameters():
            if "weight_hh" in name:
                for block in weight.split(hidden):
                    nn.init.orthogonal_(block)
            elif "weight_ih" in name:
                for block in weight.split(hidden):
                    nn.init.xavier_uniform_(block)
            else:
                nn.init.zeros_(weight)
                if self.sizes.cell == "lstm" and "bias_ih" in name:
                    # Jozefowicz et al. 2015: a forget gate that begins open.
                    weight[hidden : 2 * hidden] = 1.0
        nn.init.xavier_uniform_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def empty_memory(self, rows: int) -> FixedMemory:
        parts = 2 if self.sizes.cell == "lstm" else 1
        shape = (self.sizes.layers, rows, self.sizes.hidden)
        return FixedMemory(tuple(self.embedding.weight.new_zeros(shape) for _ in range(parts)))

    def read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, FixedMemory]:
        assert isinstance(memory, FixedMemory)
        x_BTD = self.drops[0](self.embedding(tokens))
        after: list[tuple[Tensor, ...]] = []
        for index, cell in enumerate(self.cells):
            state = tuple(part[index : index + 1].contiguous() for part in memory.parts)
            weights = {"weight_hh_l0": self.weight_drops[index](cell.weight_hh_l0)}
            given = state if self.sizes.cell == "lstm" else state[0]
            x_BTD, state = functional_call(cell, weights, (x_BTD, given))
            after.append(state if isinstance(state, tuple) else (state,))
            x_BTD = self.drops[index + 1](x_BTD)
        parts = tuple(torch.cat(layers) for layers in zip(*after, strict=True))
        return self.projection(x_BTD), FixedMemory(parts)

    def learn(
        self,
        tokens: Tensor,
        *,
        memory: Memory | None,
        segments: Tensor | None,
        positions: Tensor | None,
    ) -> tuple[Tensor, FixedMemory]:
        if segments is not None:
            raise ValueError("recurrent networks read lanes, not packed rows; see corpus.batches")
        if memory is None:
            memory = self.empty_memory(len(tokens))
        assert isinstance(memory, FixedMemory)
        return self.read(tokens, memory.detach())

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embedding.weight, self.bias)

    def write(self, folder: Path, tokenizer: Tokenizer) -> None:
        config = {
            "architectures": [type(self).__name__],
            "model_type": "foretell-recurrent",
            "bos_token_id": tokenizer.boundary,
            "eos_token_id": tokenizer.boundary,
            "sizes": asdict(self.sizes),
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        write_weights(folder / "model.safetensors", self.state_dict())


def load(folder: Path) -> UnlimitedModel:
    """The model that `save` wrote into a folder."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    network = RecurrentNetwork(RecurrentSizes(**config["sizes"]))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return UnlimitedModel(network, load_tokenizer(folder))
