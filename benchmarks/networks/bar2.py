"""Throughput of one model, nanoGPT's 10.75M parameters: ours and nanoGPT's own training step in
turn, on the same batches; and whether both learn alike.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.networks.nanogpt_peer import find_nanogpt
from benchmarks.networks.shakespeare import read_parts
from benchmarks.result import Result, say
from foretell.corpus.batches import Batch
from foretell.footprint import GivenBack
from foretell.ladder.machine import set_threads
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.planning.hardware import measure_rates
from foretell.planning.resources import count_compute
from foretell.planning.shapes import Shape, gpt2
from foretell.tokenizers import Bytes
from foretell.training.descent import GradientSettings
from foretell.training.gradient import GradientLearner
from foretell.training.networks import faster_precision
from foretell.training.schedules import warm_up_then_decay

RATIO, UTILISATION = 2.2, 0.65
CONTEXT, WIDTH, HEADS, LAYERS, DROPOUT = 256, 384, 6, 6, 0.2
ROWS = 64
RATE = 1e-3
DECAY = 0.1
WARM_UP = 0.1
TURNS, QUICK_TURNS = 7, 2
UPDATES, QUICK_UPDATES = 60, 12
CURVE_ROWS = 16
WINDOW = 6
"""Updates whose losses are averaged into one point of the curve."""
SEEDS = (0, 1, 2)

Pair = tuple[NDArray[np.int64], NDArray[np.int64]]


class Model(Protocol):
    def update(self, pair: Pair, spent: float) -> float:
        """Learn from tokens and targets (B, T); mean nats before."""
        ...


class Ours:
    """The product's own learner, as `foretell train --model gpt2` has it."""

    def __init__(self, vocabulary: int, seed: int, rows: int) -> None:
        torch.manual_seed(seed)
        network = GPT2(GPT2Sizes(vocabulary, CONTEXT, WIDTH, HEADS, LAYERS, DROPOUT))
        settings = GradientSettings(
            rows=rows,
            width=CONTEXT,
            learning_rate=RATE,
            matrix_learning_rate=None,
            weight_decay=DECAY,
            warm_up=WARM_UP,
            decay=0.0,
            precision=faster_precision(),
            seed=seed,
        )
        self.learner = GradientLearner(network, Bytes(), settings)
        # As a run has it.
        self.memory = GivenBack()

    def update(self, pair: Pair, spent: float) -> float:
        tokens, targets = (part.astype(np.int32) for part in pair)
        scored = np.ones(tokens.shape, bool)
        batch = Batch(tokens, targets, scored, segments=None, positions=None, fresh=True)
        progress = self.learner.update(batch, spent=spent)
        self.memory.now_and_then()
        return progress.nats / progress.tokens


class Theirs:
    """nanoGPT's model and optimiser, and the steps of its train.py, on a processor."""

    def __init__(self, checkout: Path, vocabulary: int, seed: int) -> None:
        torch.manual_seed(seed)
        source = importlib.util.spec_from_file_location("nanogpt_model", checkout / "model.py")
        assert source is not None
        assert source.loader is not None
        module = importlib.util.module_from_spec(source)
        source.loader.exec_module(module)
        config = module.GPTConfig(
            block_size=CONTEXT,
            vocab_size=vocabulary,
            n_layer=LAYERS,
            n_head=HEADS,
            n_embd=WIDTH,
            dropout=DROPOUT,
            bias=False,
        )
        self.model: Any = module.GPT(config)
        self.optimizer = self.model.configure_optimizers(DECAY, RATE, (0.9, 0.99), "cpu")

    def update(self, pair: Pair, spent: float) -> float:
        tokens, targets = (torch.from_numpy(part) for part in pair)
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * warm_up_then_decay(spent, warm_up=WARM_UP, decay=0.0)
        _, loss = self.model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())


class Apart:
    """nanoGPT in a process of its own: what ours asks of the C library would quicken it too."""

    def __init__(self, checkout: Path, vocabulary: int, seed: int) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        arguments = (other, checkout, vocabulary, seed)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()

    def update(self, pair: Pair, spent: float) -> float:
        self.pipe.send((pair, spent))
        loss: float = self.pipe.recv()
        return loss

    def end(self) -> None:
        self.pipe.close()
        self.process.join()


def _serve(pipe: Connection, checkout: Path, vocabulary: int, seed: int) -> None:
    set_threads(2)
    model = Theirs(checkout, vocabulary, seed)
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        pipe.send(model.update(*asked))


@dataclass(frozen=True)
class Text:
    """tiny Shakespeare's characters, as numbers."""

    tokens: NDArray[np.int64]
    vocabulary: int

    def pairs(self, count: int, rows: int) -> list[Pair]:
        """Random places, as nanoGPT draws them; the same at each call."""
        chance = np.random.default_rng(0)
        starts = chance.integers(0, len(self.tokens) - CONTEXT - 1, (count, rows, 1))
        places = starts + np.arange(CONTEXT)
        return [(self.tokens[at], self.tokens[at + 1]) for at in places]


def measure(*, quick: bool) -> Result:
    parts = read_parts()
    if parts is None:
        return Result(None, {"reason": "FORETELL_DATA has no lm/tinyshakespeare"})
    checkout = find_nanogpt()
    if checkout is None:
        return Result(None, {"reason": "NANOGPT does not name a checkout of karpathy/nanoGPT"})
    set_threads(2)
    characters = sorted(set("".join(parts)))
    numbers = np.searchsorted(characters, list(parts[0]))
    text = Text(numbers.astype(np.int64), len(characters))
    rates = measure_rates()
    shape = gpt2(
        context=CONTEXT, width=WIDTH, heads=HEADS, layers=LAYERS, vocabulary=text.vocabulary
    )
    speed = _compare_speed(checkout, text, shape, rates, QUICK_TURNS if quick else TURNS)
    curves = _compare_curves(checkout, text, QUICK_UPDATES if quick else UPDATES)
    met = (
        speed["ratio"] >= RATIO
        and speed["utilisation"] >= UTILISATION
        and curves["largest_difference"] <= curves["seed_noise"]
    )
    return Result(bool(met), {**speed, "curves": curves, "matrix_rates": rates})


def _compare_speed(
    checkout: Path, text: Text, shape: Shape, rates: dict[str, float], turns: int
) -> dict[str, Any]:
    """Updates of both in turn, the one that begins changing each time."""
    peer = Apart(checkout, text.vocabulary, 0)
    models: list[Model] = [Ours(text.vocabulary, 0, ROWS), peer]
    seconds: list[list[float]] = [[], []]
    for turn, pair in enumerate(text.pairs(turns + 1, ROWS)):
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            models[which].update(pair, 0.5)
            seconds[which].append(time.perf_counter() - began)
    peer.end()
    # The first turn warms up.
    ours, theirs = (np.array(each[1:]) for each in seconds)
    tokens = ROWS * CONTEXT
    rate = tokens / median(ours)
    work = count_compute(shape, 1, row=CONTEXT).done * rate
    found = {
        "tokens_per_second": rate,
        "nanogpt_tokens_per_second": tokens / median(theirs),
        "ratio": median(theirs / ours),
        "flops_per_second": work,
        "utilisation": work / max(rates.values()),
        "turns": turns,
    }
    say(
        f"{rate:,.0f} tokens/s, nanoGPT {found['nanogpt_tokens_per_second']:,.0f}, "
        f"ratio {found['ratio']:.2f}, utilisation {found['utilisation']:.2f}"
    )
    return found


def _compare_curves(checkout: Path, text: Text, updates: int) -> dict[str, Any]:
    """The largest difference between both mean curves, beside that between nanoGPT's own seeds."""
    pairs = text.pairs(updates, CURVE_ROWS)

    def curve(model: Model) -> NDArray[np.float64]:
        losses = [model.update(pair, at / updates) for at, pair in enumerate(pairs)]
        return np.array(losses).reshape(-1, WINDOW).mean(1)

    ours, theirs = [], []
    for seed in SEEDS:
        ours.append(curve(Ours(text.vocabulary, seed, CURVE_ROWS)))
        theirs.append(curve(Theirs(checkout, text.vocabulary, seed)))
        say(f"seed {seed}: ends at {ours[-1][-1]:.4f}, nanoGPT at {theirs[-1][-1]:.4f}")
    mine, peers = np.array(ours), np.array(theirs)
    return {
        "ours": mine.mean(0).tolist(),
        "nanogpt": peers.mean(0).tolist(),
        "largest_difference": float(np.abs(mine.mean(0) - peers.mean(0)).max()),
        "seed_noise": float((peers.max(0) - peers.min(0)).max()),
    }
