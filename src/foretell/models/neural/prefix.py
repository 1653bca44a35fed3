"""A GPT that turns one text into another: what it reads of the source looks both ways.

    tokens   | boundary . source . boundary | target . boundary |
    sees       all of the source              what is before it

A prefix language model (Raffel et al. 2020, section 3.2.1): one network, no encoder beside it. It
is a language model of targets, given a source that is read in one call; read in pieces, each piece
would not see those after it, and the model would be another one.

Shape suffixes as in transformer.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.layers import within
from foretell.models.neural.memories import GrowingMemory
from foretell.models.neural.network import Memory, NeuralModel
from foretell.tokenizers import load_tokenizer


@dataclass(frozen=True)
class PrefixSizes(GPTSizes):
    boundary: int = 0
    """Token before the source, between it and the target, and after the target."""


class PrefixGPT(GPT):
    """See the module."""

    family = "prefix-gpt"

    def sees(self, tokens_BT: Tensor, segments_BT: Tensor | None) -> Tensor:
        boundary = cast(PrefixSizes, self.sizes).boundary
        marks_BT = tokens_BT == boundary
        # Every text has two, of which the second still belongs to the source.
        source_BT = (marks_BT.cumsum(1) % 2 == 1) | marks_BT
        segments_BT = torch.ones_like(tokens_BT) if segments_BT is None else segments_BT
        together_B1TT = segments_BT[:, None, :, None] == segments_BT[:, None, None, :]
        open_B1TT = source_BT[:, None, :, None] & source_BT[:, None, None, :]
        return within(segments_BT) | (together_B1TT & open_B1TT)

    def read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, GrowingMemory]:
        assert isinstance(memory, GrowingMemory)
        begun = {length == 1 for length in memory.lengths}
        if len(begun) > 1:
            raise ValueError("sources and targets cannot be read in one call")
        if begun != {True}:
            return super().read(tokens, memory)
        # The boundary before a source was read alone, as all models do; it belongs to the source.
        whole = torch.cat([memory.latest(1), tokens], dim=1)
        hidden, after = super().read(whole, self.empty_memory(len(tokens)))
        return hidden[:, 1:], after


def load(folder: Path) -> NeuralModel:
    """The model that `save` wrote into a folder."""
    sizes = json.loads((folder / "config.json").read_text("utf-8"))["sizes"]
    network = PrefixGPT(PrefixSizes(**{**sizes, "tables": tuple(sizes["tables"])}))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return NeuralModel(network, load_tokenizer(folder))
