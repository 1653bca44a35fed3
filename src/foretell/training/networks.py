"""Sizes and settings of the networks; see `recipes`, which is what others import."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2
from typing import Literal

import torch

from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import Network
from foretell.models.neural.recurrent import Cell, RecurrentNetwork, RecurrentSizes
from foretell.processor import is_amd
from foretell.training.descent import GradientSettings
from foretell.training.gradient import GradientLearner
from foretell.training.ranks import Ranks
from foretell.training.recipes import (
    TRANSFORMERS,
    Needs,
    Scope,
)

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
    tables = {id(module.weight) for module in network.outer_tables()}
    inner = sum(each.numel() for each in network.parameters() if id(each) not in tables)
    tokens = settings.rows * settings.width
    at_once = min(settings.rows, scope.rows_at_once or settings.rows) * settings.width
    # Logits, their softmax and its gradient; about 40 vectors a token and layer besides.
    activations = at_once * (3 * tokenizer.vocabulary_size + 40 * 4 * network.sizes.width) * 4
    memory = LIBRARY_BYTES + 16 * parameters + activations
    return Needs(parameters, memory, inner, tokens, settings.rows)


def _choose(
    family: str, vocabulary: int, scope: Scope, seed: int
) -> tuple[Network, GradientSettings]:
    if family in TRANSFORMERS:
        network, settings = _transformer(family, vocabulary, scope, seed)
    elif scope.parameters is not None:
        raise ForetellError(
            f"the size of a {family} cannot be chosen; choose it for {', '.join(TRANSFORMERS)}"
        )
    else:
        network, settings = _recurrent(CELLS[family], vocabulary, scope, seed)
    if scope.learning_rate is not None:
        factor = scope.learning_rate / settings.learning_rate
        of_matrices = settings.matrix_learning_rate
        settings = replace(
            settings,
            learning_rate=scope.learning_rate,
            matrix_learning_rate=None if of_matrices is None else factor * of_matrices,
        )
    return network, replace(settings, rows_at_once=scope.rows_at_once)


@dataclass(frozen=True)
class Step:
    """What suits a transformer that may learn for so many seconds on two cores."""

    seconds: float
    layers: int
    width: int
    context: int
    rows: int
    rate: float
    """Tokens a second that it learns from, about."""

    @property
    def heads(self) -> int:
        """Of about 64 numbers, an even count of them: rotary positions turn pairs."""
        most = max(1, self.width // 64)
        return next(n for n in range(most, 0, -1) if self.width % (2 * n) == 0)


STEPS = (
    Step(0, layers=2, width=128, context=64, rows=16, rate=20_000),
    Step(150, layers=3, width=256, context=128, rows=32, rate=7_500),
    Step(2400, layers=6, width=384, context=256, rows=32, rate=2_000),
)
"""docs/decisions/recipe.md has the measurements."""
ASPECT = 56
"""Width over layers of networks whose size is given; those above have about as much, and the loss
hardly depends on it (Kaplan et al. 2020, figure 5)."""
MOST_TOKENS = 2048
"""In an update of a network whose size is given. Twice as many cost 0.02 to 0.03 bits a byte after
as much text, and saved no time: docs/decisions/scaling-law.md."""


def _step(scope: Scope) -> Step:
    step = max((s for s in STEPS if s.seconds <= scope.seconds), key=lambda s: s.seconds)
    if scope.parameters is None:
        return step
    # 12 L W^2 parameters, as every transformer here has, in multiples of what a processor adds.
    layers = max(1, round((scope.parameters / 12 / ASPECT**2) ** (1 / 3)))
    width = max(1, round((scope.parameters / 12 / layers) ** 0.5 / 16)) * 16
    rows = min(step.rows, MOST_TOKENS // step.context)
    return replace(step, layers=layers, width=width, rows=rows)


def _transformer(
    family: str, vocabulary: int, scope: Scope, seed: int
) -> tuple[Network, GradientSettings]:
    step = _step(scope)
    passes = _passes(scope, vocabulary, step.rate)
    # A size that was asked for is one of layers. Beside tables it would hardly matter; see
    # docs/decisions/scaling-law.md.
    tables = _tables(scope) if family == "gpt" and scope.parameters is None else ()
    # Read again and again, tables of n-grams learn the text by heart, the sooner the higher the
    # rate; read once or twice, a high rate is what there is no time to do without.
    rate = 1e-2 if passes <= 2 else 3e-3 if passes <= 3 or not tables else 1e-3
    dropout = 0.2 if passes > 12 else 0.1 if passes > 8 else 0.0
    settings = GradientSettings(
        rows=step.rows,
        width=step.context,
        learning_rate=rate,
        matrix_learning_rate=0.02,
        precision=faster_precision(),
        seed=seed,
    )
    context, width, heads, layers = step.context, step.width, step.heads, step.layers
    if family == "gpt":
        return GPT(GPTSizes(vocabulary, context, width, heads, layers, tables, dropout)), settings
    # As published: one optimiser for all, and no more than AdamW's usual rate.
    settings = replace(settings, learning_rate=1e-3, matrix_learning_rate=None)
    if family == "gpt2":
        return GPT2(GPT2Sizes(vocabulary, context, width, heads, layers, dropout)), settings
    inner = 8 * width // 3 // 32 * 32
    return Llama(LlamaSizes(vocabulary, context, width, heads, layers, inner, heads)), settings


def _passes(scope: Scope, vocabulary: int, rate: float) -> float:
    """About how often a run goes through its text, at so many tokens a second."""
    if scope.passes is not None:
        return scope.passes
    tokens = scope.seconds * rate if scope.tokens is None else scope.tokens
    # Characters of a small script and bytes are one byte each; of subwords, 1,024 have 2.4.
    bytes_a_token = max(1.0, 0.6 * log2(vocabulary) - 3.6)
    return tokens * bytes_a_token / max(1, scope.bytes)


def _tables(scope: Scope) -> tuple[int, ...]:
    """Rows for 2-grams, 3-grams and 4-grams: no more than a text of this size fills."""
    most = 2 ** max(8, (scope.bytes // 16).bit_length())
    return tuple(min(rows, most) for rows in (2**12, 2**14, 2**16))


LONG = 240.0
"""Seconds from which an LSTM of twice the width pays; docs/decisions/recipe.md."""
WIDE_RATE = 12_000
"""Tokens a second that it learns from, about."""
CELLS: dict[str, Cell] = {"lstm": "lstm", "gru": "gru", "rnn": "rnn"}


def _recurrent(
    cell: Cell, vocabulary: int, scope: Scope, seed: int
) -> tuple[Network, GradientSettings]:
    rows, width, rate = {"lstm": (8, 64, 8e-3), "gru": (8, 64, 5e-3), "rnn": (16, 32, 3e-3)}[cell]
    sizes = RecurrentSizes(cell, vocabulary, width=128, hidden=256)
    if cell == "lstm" and scope.seconds >= LONG:
        again = _passes(scope, vocabulary, WIDE_RATE) > 4
        rows, width, rate = 32, 64, 1e-2 if again else 5e-3
        drops = (0.1, 0.2) if again else (0.0, 0.0)
        sizes = RecurrentSizes(cell, vocabulary, 256, 512, 1, *drops)
    # Matrices by AdamW too: orthogonal steps cost recurrent networks half their speed.
    settings = GradientSettings(
        rows=rows, width=width, learning_rate=rate, matrix_learning_rate=None, seed=seed
    )
    return RecurrentNetwork(sizes), settings


def faster_precision() -> Literal["float32", "bfloat16"]:
    """bfloat16 where the processor multiplies it in tiles (AMX), or twice as fast as float32 as
    AMD's with AVX-512 do, else float32: another one that lists it was measured at 0.6 of its
    float32 rate. docs/decisions/ladder.md

    Asked of the hardware, not of a clock: a run that is taken up again must find the precision that
    it began with.
    """
    tiles, vectors = (
        getattr(torch.cpu, f"_is_{ability}_supported", None)
        for ability in ("amx_tile", "avx512_bf16")
    )
    if tiles is not None and tiles():
        return "bfloat16"
    quick = vectors is not None and vectors() and is_amd()
    return "bfloat16" if quick else "float32"
