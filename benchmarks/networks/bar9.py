"""What each part of the recipe buys: the default GPT with one part changed at a time, on tiny
Shakespeare's characters, at equal time, over three seeds.

Time is made equal before anything is learned: the seconds of an update are measured for all
variants in turn, and each gets as many updates as fit into the time of the recipe's own. So the
result does not depend on what else the machine does meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from math import log, sqrt
from multiprocessing import get_context
from statistics import mean, median, stdev
from types import MethodType
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.networks.shakespeare import read_parts, score
from benchmarks.result import Result, say
from foretell.contracts.learner import Budget
from foretell.models.neural.gpt import GPT, GPTLayer, GPTSizes
from foretell.models.neural.layers import rotate, unit
from foretell.tokenizers import train_tokenizer
from foretell.training.descent import GradientSettings
from foretell.training.fit import fit
from foretell.training.gradient import GradientLearner
from foretell.training.recipes import Scope, build_learner

UPDATES, QUICK_UPDATES = 400, 30
"""Of the recipe itself."""
SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
SECONDS = 60.0
"""The scope of the recipe, from which its sizes derive."""
ROUNDS, UPDATES_A_ROUND = 3, 6

Change = Callable[[GPT], None]


@dataclass(frozen=True)
class Variant:
    """One part of the recipe done otherwise."""

    name: str
    sizes: Callable[[GPTSizes], GPTSizes] = lambda sizes: sizes
    settings: Callable[[GradientSettings], GradientSettings] = lambda settings: settings
    change: Change = lambda network: None
    average: float = 0.0
    """Keep of the running mean of the weights at each update; 0: the last weights count."""


def _redo(module: nn.Module, **methods: Callable[..., Any]) -> None:
    """Other methods for one module."""
    for name, method in methods.items():
        setattr(module, name, MethodType(method, module))


def _each(network: GPT, **methods: Callable[..., Any]) -> None:
    """Other methods for every layer."""
    for layer in network.layers:
        _redo(layer, **methods)


def _long_queries(network: GPT) -> None:
    def project(layer: GPTLayer, x: Tensor, turns: Any) -> tuple[Tensor, Tensor, Tensor]:
        parts = layer.attention_in(unit(x)).unflatten(2, (3, layer.heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        return rotate(queries, *turns), rotate(keys, *turns), values

    _each(network, project=project)


def _learned_positions(network: GPT) -> None:
    sizes = network.sizes
    positions = nn.Embedding(sizes.context, sizes.width)
    nn.init.normal_(positions.weight, std=0.5)
    network.add_module("positions", positions)
    embed = network.embed

    def placed(network: GPT, tokens: Tensor, recent: Tensor, places: Tensor) -> Tensor:
        return embed(tokens, recent, places) + cast(Tensor, positions(places))

    def turns(network: GPT, places: Tensor) -> tuple[Tensor, Tensor]:
        shape = (*places.shape[:1], 1, places.shape[1], sizes.size // 2)
        return torch.ones(shape), torch.zeros(shape)

    _redo(network, embed=placed, turns=turns)


def _bend(bend: Callable[[Tensor], Tensor]) -> Change:
    def finish(layer: GPTLayer, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + layer.drop_attention(layer.attention_out(mixed.transpose(1, 2).flatten(2)))
        return x + layer.drop_mlp(layer.mlp_out(bend(layer.mlp_in(unit(x)))))

    return lambda network: _each(network, finish=finish)


def _gated(x: Tensor) -> Tensor:
    gate, value = x.chunk(2, dim=-1)
    return F.silu(gate) * value


def _swiglu(network: GPT) -> None:
    """With as many weights: two thirds of the width, twice."""
    width = network.sizes.width
    inner = 8 * width // 3
    for layer in network.layers:
        layer.mlp_in = nn.Linear(width, 2 * inner, bias=False)
        layer.mlp_out = nn.Linear(inner, width, bias=False)
        nn.init.normal_(layer.mlp_in.weight, std=width**-0.5)
        nn.init.zeros_(layer.mlp_out.weight)
    _bend(_gated)(network)


@torch.no_grad()
def _begun_projections(network: GPT) -> None:
    for name, weight in network.layers.named_parameters():
        if name.endswith("_out.weight"):
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5 / sqrt(2 * network.sizes.layers))


def _one_stream(network: GPT) -> None:
    _each(network, enter=lambda layer, x, first: x)


@torch.no_grad()
def _tied(network: GPT) -> None:
    nn.init.normal_(network.embedding.weight, std=0.02)
    network.head.weight = network.embedding.weight


def _capped(network: GPT) -> None:
    logits = network.logits
    _redo(network, logits=lambda network, hidden: 15 * torch.tanh(logits(hidden) / 15))


def _rates(factor: float) -> Callable[[GradientSettings], GradientSettings]:
    return lambda s: replace(
        s,
        learning_rate=s.learning_rate * factor,
        matrix_learning_rate=(s.matrix_learning_rate or 0.0) * factor,
    )


VARIANTS = (
    Variant("the recipe"),
    Variant("queries and keys as long as they are", change=_long_queries),
    Variant("learned positions, not rotary", change=_learned_positions),
    Variant("GELU, not ReLU squared", change=_bend(F.gelu)),
    Variant("SwiGLU, not ReLU squared", change=_swiglu),
    Variant("projections that begin at random", change=_begun_projections),
    Variant("no scales of stream and embedding", change=_one_stream),
    Variant("no tables of n-grams", sizes=lambda s: replace(s, tables=())),
    Variant("2-grams alone", sizes=lambda s: replace(s, tables=s.tables[:1])),
    Variant("2-grams and 3-grams", sizes=lambda s: replace(s, tables=s.tables[:2])),
    Variant("softmax tied to the embedding", change=_tied),
    Variant("logits capped at 15", change=_capped),
    Variant(
        "AdamW for the matrices, at 3e-3",
        settings=lambda s: replace(s, matrix_learning_rate=None, learning_rate=3e-3),
    ),
    Variant(
        "AdamW for the matrices, at the rate of the rest",
        settings=lambda s: replace(s, matrix_learning_rate=None),
    ),
    Variant("rates twice as high", settings=_rates(2.0)),
    Variant("rates half as high", settings=_rates(0.5)),
    Variant("no weight decay", settings=lambda s: replace(s, weight_decay=0.0)),
    Variant("no warm-up", settings=lambda s: replace(s, warm_up=0.0)),
    Variant("no fall of the rate", settings=lambda s: replace(s, decay=0.0)),
    Variant("a fall from the start", settings=lambda s: replace(s, decay=1.0)),
    Variant("weights averaged", average=0.98),
    Variant(
        "weights averaged, no fall of the rate",
        settings=lambda s: replace(s, decay=0.0),
        average=0.98,
    ),
    Variant("dropout of a tenth", sizes=lambda s: replace(s, dropout=0.1)),
    Variant("half the rows", settings=lambda s: replace(s, rows=s.rows // 2)),
    Variant("twice the rows", settings=lambda s: replace(s, rows=s.rows * 2)),
    Variant("one layer more", sizes=lambda s: replace(s, layers=s.layers + 1)),
    Variant("twice the width", sizes=lambda s: replace(s, width=2 * s.width, heads=2 * s.heads)),
)


class _Averaging(GradientLearner):
    """Keeps a running mean of the weights, which is the model."""

    keep = 0.0

    def update(self, batch: Any, *, spent: float) -> Any:
        progress = super().update(batch, spent=spent)
        with torch.no_grad():
            weights = [p.detach() for p in self.network.parameters()]
            if self.updates == 1:
                self.mean = [w.clone() for w in weights]
            torch._foreach_lerp_(self.mean, weights, 1 - min(self.keep, 1 - 1 / self.updates))
        return progress

    def adopt(self) -> None:
        with torch.no_grad():
            for weight, average in zip(self.network.parameters(), self.mean, strict=True):
                weight.copy_(average)


def build(variant: Variant, train: str, seed: int) -> GradientLearner:
    """The recipe as `foretell train --budget 60s` derives it, and the one change."""
    tokenizer = train_tokenizer("characters", [train])
    recipe = build_learner("gpt", tokenizer, seed=seed, scope=Scope(SECONDS, len(train.encode())))
    assert isinstance(recipe, GradientLearner)
    assert isinstance(recipe.network, GPT)
    torch.manual_seed(seed)
    network = GPT(variant.sizes(recipe.network.sizes))
    variant.change(network)
    kind = _Averaging if variant.average else GradientLearner
    learner = kind(network, tokenizer, variant.settings(recipe.settings))
    if isinstance(learner, _Averaging):
        learner.keep = variant.average
    return learner


def time_updates(train: str) -> list[float]:
    """Seconds of the processor for a token of each variant's updates, taken in turn."""
    learners = [build(variant, train, 0) for variant in VARIANTS]
    batches = []
    for learner in learners:
        learner.feed([train[:200_000]])
        batches.append(list(learner.batches(0)))
    seconds: list[list[float]] = [[] for _ in VARIANTS]
    for turn in range(ROUNDS + 1):
        for learner, given, taken in zip(learners, batches, seconds, strict=True):
            chosen = given[turn * UPDATES_A_ROUND : (turn + 1) * UPDATES_A_ROUND]
            began = time.process_time()
            count = sum(learner.update(batch, spent=0.5).tokens for batch in chosen)
            taken.append((time.process_time() - began) / count)
    return [median(taken[1:]) for taken in seconds]


def learn(task: tuple[int, int, int]) -> float:
    """Held-out bits per byte of one variant after so many tokens, with one seed."""
    number, tokens, seed = task
    torch.set_num_threads(1)
    parts = read_parts()
    assert parts is not None
    learner = build(VARIANTS[number], parts[0], seed)
    fit(learner, [parts[0]], budget=Budget(tokens=tokens))
    if isinstance(learner, _Averaging):
        learner.adopt()
    nats = score(learner.model(), parts[1])
    return nats / log(2) * len(parts[1]) / len(parts[1].encode())


def measure(*, quick: bool) -> Result:
    parts = read_parts()
    if parts is None:
        return Result(None, {"reason": "FORETELL_DATA has no lm/tinyshakespeare"})
    torch.set_num_threads(1)
    costs = time_updates(parts[0])
    recipe = build(VARIANTS[0], parts[0], 0).settings
    whole = (QUICK_UPDATES if quick else UPDATES) * recipe.rows * recipe.width
    seeds = QUICK_SEEDS if quick else SEEDS
    tasks = [
        (number, round(whole * costs[0] / cost), seed)
        for number, cost in enumerate(costs)
        for seed in seeds
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(learn, tasks))
    table = []
    for number, variant in enumerate(VARIANTS):
        bits = found[number * len(seeds) : (number + 1) * len(seeds)]
        table.append(_row(variant.name, bits, found[: len(seeds)], costs[number] / costs[0]))
        say(json.dumps(table[-1]))
    figures = {
        "variants": table,
        "recipe": f"{recipe}",
        "updates": whole // (recipe.rows * recipe.width),
        "seconds_on_one_core": whole * costs[0],
    }
    return Result(True, figures)


def _row(name: str, bits: Sequence[float], recipe: Sequence[float], cost: float) -> dict[str, Any]:
    """gains: what the recipe's own part buys against this, seed by seed."""
    gains = [other - own for other, own in zip(bits, recipe, strict=True)]
    return {
        "variant": name,
        "bits_per_byte": mean(bits),
        "gain": mean(gains),
        "gain_deviation": stdev(gains) if len(gains) > 1 else None,
        "time_of_a_token": cost,
    }
