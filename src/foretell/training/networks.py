"""Sizes and settings of the networks; see `recipes`, which is what others import."""

from __future__ import annotations

from typing import Literal

import torch

from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.network import Network
from foretell.models.neural.recurrent import Cell, RecurrentNetwork, RecurrentSizes
from foretell.training.gradient import GradientLearner, GradientSettings
from foretell.training.recipes import Needs

LIBRARY_BYTES = 350_000_000
"""Resident memory of a process that has done nothing but import PyTorch."""


def build(family: str, tokenizer: Tokenizer, *, seed: int) -> GradientLearner:
    """A fresh network of a family, and how it learns."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(family, tokenizer.vocabulary_size)
    return GradientLearner(network, tokenizer, _settings(family, seed))


def estimate_needs(family: str, tokenizer: Tokenizer) -> Needs:
    """Of a family, on PyTorch's meta device, which has shapes and no numbers."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network = _network(family, tokenizer.vocabulary_size)
    settings = _settings(family, 0)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    tokens = settings.rows * settings.width
    # Logits, their softmax and its gradient; about 40 vectors a token and layer besides.
    activations = tokens * (3 * tokenizer.vocabulary_size + 40 * 4 * network.sizes.width) * 4
    return Needs(parameters, LIBRARY_BYTES + 16 * parameters + activations)


def _network(family: str, vocabulary: int) -> Network:
    if family == "gpt":
        tables = (4096, 16384, 65536)
        return GPT(GPTSizes(vocabulary, context=64, width=96, heads=3, layers=3, tables=tables))
    cells: dict[str, Cell] = {"lstm": "lstm", "gru": "gru", "rnn": "rnn"}
    return RecurrentNetwork(RecurrentSizes(cells[family], vocabulary, width=128, hidden=256))


def _settings(family: str, seed: int) -> GradientSettings:
    if family == "gpt":
        return GradientSettings(
            rows=16,
            width=64,
            learning_rate=3e-3,
            matrix_learning_rate=0.01,
            precision=faster_precision(),
            seed=seed,
        )
    rows, width, rate = {"lstm": (8, 64, 8e-3), "gru": (8, 64, 5e-3), "rnn": (16, 32, 3e-3)}[family]
    # Matrices by AdamW too: orthogonal steps cost recurrent networks half their speed.
    return GradientSettings(
        rows=rows, width=width, learning_rate=rate, matrix_learning_rate=None, seed=seed
    )


def faster_precision() -> Literal["float32", "bfloat16"]:
    """bfloat16 where the processor multiplies it in tiles (AMX), else float32.

    Other processors list bfloat16 among their abilities too, and were measured at 0.6 of their
    float32 rate. Asked of the hardware, not of a clock: a run that is taken up again must find
    the precision that it began with.
    """
    has_tiles = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return "bfloat16" if has_tiles is not None and has_tiles() else "float32"
