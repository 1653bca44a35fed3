"""Sizes and settings of the networks; see `recipes`, which is what others import."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import Network
from foretell.models.neural.recurrent import Cell, RecurrentNetwork, RecurrentSizes
from foretell.training.gradient import GradientLearner, GradientSettings
from foretell.training.ranks import Ranks
from foretell.training.recipes import BYTES_A_TOKEN, TOKENS_A_SECOND, Needs, Scope

LIBRARY_BYTES = 350_000_000
"""Resident memory of a process that has done nothing but import PyTorch."""


def build(
    family: str, tokenizer: Tokenizer, scope: Scope, *, seed: int, ranks: Ranks
) -> GradientLearner:
    """A fresh network of a family, and how it learns."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, settings = _choose(family, tokenizer.vocabulary_size, scope, seed)
    return GradientLearner(network, tokenizer, settings, ranks)


def estimate_needs(family: str, tokenizer: Tokenizer, scope: Scope) -> Needs:
    """Of a family, on PyTorch's meta device, which has shapes and no numbers."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network, settings = _choose(family, tokenizer.vocabulary_size, scope, 0)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    tokens = settings.rows * settings.width
    # Logits, their softmax and its gradient; about 40 vectors a token and layer besides.
    activations = tokens * (3 * tokenizer.vocabulary_size + 40 * 4 * network.sizes.width) * 4
    return Needs(parameters, LIBRARY_BYTES + 16 * parameters + activations)


def _choose(
    family: str, vocabulary: int, scope: Scope, seed: int
) -> tuple[Network, GradientSettings]:
    if family in ("gpt", "gpt2", "llama"):
        return _transformer(family, vocabulary, scope, seed)
    return _recurrent(CELLS[family], vocabulary, scope, seed)


@dataclass(frozen=True)
class Step:
    """What suits a transformer that may learn for so many seconds on two cores."""

    seconds: float
    layers: int
    width: int
    context: int
    rows: int

    @property
    def heads(self) -> int:
        return max(1, self.width // 64)


STEPS = (
    Step(0, layers=2, width=128, context=64, rows=16),
    Step(150, layers=3, width=256, context=128, rows=32),
    Step(2400, layers=6, width=384, context=256, rows=32),
)
"""docs/decisions/recipe.md has the measurements."""


def _transformer(
    family: str, vocabulary: int, scope: Scope, seed: int
) -> tuple[Network, GradientSettings]:
    step = max((s for s in STEPS if s.seconds <= scope.seconds), key=lambda s: s.seconds)
    dropout = 0.1 if _passes(scope) > 2 else 0.0
    settings = GradientSettings(
        rows=step.rows,
        width=step.context,
        learning_rate=3e-3,
        matrix_learning_rate=0.02,
        precision=faster_precision(),
        seed=seed,
    )
    context, width, heads, layers = step.context, step.width, step.heads, step.layers
    if family == "gpt":
        tables = _tables(scope)
        return GPT(GPTSizes(vocabulary, context, width, heads, layers, tables, dropout)), settings
    # As published: one optimiser for all, and no more than AdamW's usual rate.
    settings = replace(settings, learning_rate=1e-3, matrix_learning_rate=None)
    if family == "gpt2":
        return GPT2(GPT2Sizes(vocabulary, context, width, heads, layers, dropout)), settings
    inner = 8 * width // 3 // 32 * 32
    return Llama(LlamaSizes(vocabulary, context, width, heads, layers, inner, heads)), settings


def _passes(scope: Scope) -> float:
    """About how often a run goes through its text."""
    return scope.seconds * TOKENS_A_SECOND * BYTES_A_TOKEN / max(1, scope.bytes)


def _tables(scope: Scope) -> tuple[int, ...]:
    """Rows for 2-grams, 3-grams and 4-grams: no more than a text of this size fills."""
    most = 2 ** max(8, (scope.bytes // 16).bit_length())
    return tuple(min(rows, most) for rows in (2**12, 2**14, 2**16))


CELLS: dict[str, Cell] = {"lstm": "lstm", "gru": "gru", "rnn": "rnn"}


def _recurrent(
    cell: Cell, vocabulary: int, scope: Scope, seed: int
) -> tuple[Network, GradientSettings]:
    rows, width, rate = {"lstm": (8, 64, 8e-3), "gru": (8, 64, 5e-3), "rnn": (16, 32, 3e-3)}[cell]
    # Matrices by AdamW too: orthogonal steps cost recurrent networks half their speed.
    settings = GradientSettings(
        rows=rows, width=width, learning_rate=rate, matrix_learning_rate=None, seed=seed
    )
    return RecurrentNetwork(RecurrentSizes(cell, vocabulary, width=128, hidden=256)), settings


def faster_precision() -> Literal["float32", "bfloat16"]:
    """bfloat16 where the processor multiplies it in tiles (AMX), else float32.

    Other processors list bfloat16 among their abilities too, and were measured at 0.6 of their
    float32 rate. Asked of the hardware, not of a clock: a run that is taken up again must find
    the precision that it began with.
    """
    has_tiles = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return "bfloat16" if has_tiles is not None and has_tiles() else "float32"
