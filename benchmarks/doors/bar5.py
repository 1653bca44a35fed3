"""Keras and TensorFlow: the article's network is told what it is, and its causal twin passes; GPT-2
is the same function in Keras as here, both ways and as a SavedModel; and `model.fit` reaches the
loss that our own loop reaches, from the same first weights and the same batches."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.doors.texts import read_texts
from benchmarks.networks.shakespeare import read_parts, score
from benchmarks.result import Result, foretell, say
from foretell.contracts.learner import Budget
from foretell.interop import keras as door
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.network import NeuralModel
from foretell.tokenizers import Numbered, train_tokenizer
from foretell.training.fit import fit
from foretell.training.gradient import GradientLearner
from foretell.training.recipes import Scope, build_learner
from foretell.training.schedules import warm_up_then_decay

CLOSE, HIGH_ACCURACY = 1e-4, 0.95
WINDOW, ROWS = 100, 64
"""Of the article's example."""
EPOCHS, QUICK_EPOCHS = 2, 8
TOKENS, QUICK_TOKENS = 1_500_000, 100_000
SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
SIZES = {
    "small": GPT2Sizes(1000, context=128, width=128, heads=4, layers=4),
    "as published": GPT2Sizes(50257, context=1024, width=768, heads=12, layers=12),
}


def measure(*, quick: bool) -> Result:
    parts, texts = read_parts(), read_texts()
    if parts is None or texts is None:
        return Result(None, {"reason": "needs the data; name its folder in FORETELL_DATA"})
    door.import_keras()
    with tempfile.TemporaryDirectory() as scratch:
        article = _article(*parts, Path(scratch), quick=quick)
        say(f"article: {article}")
        kinds = ["small"] if quick else list(SIZES)
        same = {kind: _compare_gpt2(SIZES[kind], Path(scratch) / kind) for kind in kinds}
        say(f"gpt2: {same}")
    losses = [
        _losses(*parts, seed, QUICK_TOKENS if quick else TOKENS)
        for seed in (QUICK_SEEDS if quick else SEEDS)
    ]
    say(f"losses: {losses}")
    ours = [each["ours"] for each in losses]
    # One seed has no noise to speak of.
    noise = max(ours) - min(ours) if len(ours) > 1 else 0.02 * ours[0]
    apart = max(abs(each["keras"] - each["ours"]) for each in losses)
    met = (
        article["accuracy"] >= HIGH_ACCURACY
        and "causality" in article["verify"]
        and article["verify_twin"] == []
        and all(gap <= CLOSE for each in same.values() for gap in each.values())
        and apart <= noise
    )
    figures = {"article": article, "gpt2": same, "losses": losses, "seed_noise": noise}
    return Result(met, {**figures, "largest_difference_of_losses": apart})


def _article(train: str, held_out: str, scratch: Path, *, quick: bool) -> dict[str, Any]:
    """The example as the article has it, on characters: accuracies, and the laws that it and its
    twin break."""
    import keras
    from keras.layers import GRU, Bidirectional, Dense, Embedding

    keras.utils.set_random_seed(0)
    tokenizer = train_tokenizer("characters", [train])
    grids = [_windows(tokenizer.encode(text).tokens) for text in (train, held_out)]
    learned = grids[0][: ROWS * 40] if quick else grids[0]
    model = keras.Sequential(
        [
            Embedding(tokenizer.vocabulary_size, 64),
            Bidirectional(GRU(64, return_sequences=True)),
            Dense(64, activation="relu"),
            Dense(tokenizer.vocabulary_size, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    found: dict[str, Any] = {}
    for name, network in (("accuracy", model), ("accuracy_of_the_twin", door.causal_twin(model))):
        epochs = QUICK_EPOCHS if quick else EPOCHS
        network.fit(learned[:, :-1], learned[:, 1:], batch_size=ROWS, epochs=epochs, verbose=0)
        _, found[name] = network.evaluate(grids[1][:, :-1], grids[1][:, 1:], verbose=0)
    file = scratch / "article.keras"
    model.save(file)
    tokenizer.save(scratch)
    for name, options in (("verify", []), ("verify_twin", ["--causal"])):
        done = foretell(["verify", str(file), "--json", *options], folder=scratch)
        found[name] = [law["law"] for law in json.loads(done.out) if not law["passed"]]
    return found


def _windows(tokens: np.ndarray) -> np.ndarray:
    """(N, WINDOW + 1)"""
    width = WINDOW + 1
    return tokens[: len(tokens) // width * width].reshape(-1, width)


def _compare_gpt2(sizes: GPT2Sizes, scratch: Path) -> dict[str, float]:
    """Largest differences of logits: to Keras, its file and its SavedModel, and back from one that
    was fitted there."""
    import keras
    import tensorflow as tf

    torch.manual_seed(0)
    network = GPT2(sizes)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.02 * torch.randn_like(weight)
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, sizes.vocabulary, (2, sizes.context)).astype(np.int32)
    numbers = Numbered(sizes.vocabulary)
    expected = _logits(network, tokens)
    theirs = door.to_keras(NeuralModel(network, numbers))
    scratch.mkdir()
    theirs.save(scratch / "gpt2.keras")
    theirs.export(scratch / "program", verbose=False)
    program = tf.saved_model.load(str(scratch / "program"))
    again = keras.saving.load_model(scratch / "gpt2.keras")
    gaps = {
        "to_keras": np.abs(theirs.predict_on_batch(tokens) - expected).max(),
        "file": np.abs(again.predict_on_batch(tokens) - expected).max(),
        "saved_model": np.abs(program.serve(tokens).numpy() - expected).max(),
    }
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    theirs.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
    theirs.fit(tokens[:, :-1], tokens[:, 1:], epochs=2, verbose=0)
    back = door.from_keras(theirs, numbers)
    assert isinstance(back, NeuralModel)
    fitted = theirs.predict_on_batch(tokens)
    gaps["from_keras"] = np.abs(_logits(back.network, tokens) - fitted).max()
    return {name: float(gap) for name, gap in gaps.items()}


@torch.inference_mode()
def _logits(network: Any, tokens: np.ndarray) -> np.ndarray:
    hidden, _ = network.eval().learn(
        torch.from_numpy(tokens.astype(np.int64)), memory=None, segments=None, positions=None
    )
    return network.logits(hidden).numpy()


def _losses(train: str, held_out: str, seed: int, tokens: int) -> dict[str, float]:
    """Nats a character on held-out text: of our loop, and of `fit` in Keras."""
    tokenizer = train_tokenizer("characters", [train])
    budget = Budget(tokens=tokens)
    scope = Scope.of(budget, len(train.encode()))

    def fresh() -> GradientLearner:
        learner = build_learner("gpt2", tokenizer, seed=seed, scope=scope)
        assert isinstance(learner, GradientLearner)
        return learner

    learner = fresh()
    network = door.to_keras(learner.model())
    run = fit(learner, [train], budget=budget)
    ours = score(learner.model(), held_out)
    other = fresh()
    other.feed([train])
    updates = math.ceil(run.tokens / (other.settings.rows * other.settings.width))
    _compile(network, other, updates)
    network.fit(_batches(other), steps_per_epoch=updates, epochs=1, verbose=0)
    return {"ours": ours, "keras": score(door.from_keras(network, tokenizer), held_out)}


def _compile(network: Any, learner: GradientLearner, updates: int) -> None:
    """With the optimiser and the rates of a learner of ours."""
    import keras

    settings = learner.settings

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self) -> None:
            rates = [
                settings.learning_rate
                * warm_up_then_decay(step / updates, warm_up=settings.warm_up, decay=settings.decay)
                for step in range(updates + 1)
            ]
            self.rates = keras.ops.convert_to_tensor(rates, "float32")

        def __call__(self, step: Any) -> Any:
            return self.rates[keras.ops.cast(step, "int32")]

    optimizer = keras.optimizers.AdamW(
        Schedule(),
        weight_decay=settings.weight_decay,
        beta_1=0.9,
        beta_2=0.95,
        epsilon=1e-8,
        global_clipnorm=settings.clip,
    )
    optimizer.exclude_from_weight_decay(var_names=["embeddings", "table", "bias", "gamma", "beta"])
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    network.compile(optimizer=optimizer, loss=loss)


def _batches(learner: GradientLearner) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Tokens, targets and what counts (rows, T), pass after pass; short batches filled up."""
    rows, number = learner.settings.rows, 0
    while True:
        for batch in learner.batches(number):
            counts = batch.scored
            if batch.segments is not None:
                # A row of two chunks would need a mask that Keras's GPT-2 does not take.
                counts = counts & (batch.segments.max(1, keepdims=True) == 1)
            missing = ((0, rows - len(counts)), (0, 0))
            tokens, targets = (np.pad(each, missing) for each in (batch.tokens, batch.targets))
            yield tokens, targets, np.pad(counts.astype(np.float32), missing)
        number += 1
