"""Small models of foretell's own, trained for a moment on English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from benchmarks.doors.texts import CHARACTERS
from foretell.contracts.learner import Budget
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import Network, NeuralModel
from foretell.tokenizers import Subwords
from foretell.training.descent import GradientSettings
from foretell.training.fit import fit
from foretell.training.gradient import GradientLearner

VOCABULARY, CONTEXT, WIDTH, LAYERS = 2000, 512, 128, 4
TOKENS, QUICK_TOKENS = 100_000, 20_000


def train_small(data: Path, *, quick: bool) -> dict[str, NeuralModel]:
    """By family. Llama's queries share heads of keys, and its softmax has weights of its own."""
    texts = _read(data)
    tokenizer = Subwords.train(texts, size=VOCABULARY)
    torch.manual_seed(0)
    networks: dict[str, Network] = {
        "llama": Llama(
            LlamaSizes(VOCABULARY, CONTEXT, WIDTH, heads=4, layers=LAYERS, inner=352, key_heads=2)
        ),
        "gpt2": GPT2(GPT2Sizes(VOCABULARY, CONTEXT, WIDTH, heads=4, layers=LAYERS)),
    }
    settings = GradientSettings(rows=8, width=256, learning_rate=3e-3, matrix_learning_rate=None)
    budget = Budget(tokens=QUICK_TOKENS if quick else TOKENS)
    return {
        name: _train(network, tokenizer, settings, texts, budget)
        for name, network in networks.items()
    }


def _train(
    network: Network,
    tokenizer: Subwords,
    settings: GradientSettings,
    texts: list[str],
    budget: Budget,
) -> NeuralModel:
    learner = GradientLearner(network, tokenizer, settings)
    fit(learner, texts, budget=budget)
    return learner.model()


def _read(data: Path) -> list[str]:
    """Other texts than those of `read_texts`: shorter paragraphs, and poems of another file."""
    english = (data / "lm/wikitext2_eval/valid.txt").read_text("utf-8").split("\n")
    second = sorted((data / "lm/chinese_poetry/songci").glob("*.json"))[1]
    poems = json.loads(second.read_text("utf-8"))
    return [
        *(line.strip() for line in english if 100 < len(line) <= CHARACTERS),
        *("\n".join(poem["paragraphs"]) for poem in poems),
    ]
