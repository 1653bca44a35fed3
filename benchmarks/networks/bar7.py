"""Planning: GPT-3 as published, and what this machine takes for five networks against what
`foretell plan` said before.

Each network is planned as a model folder, with its tokens and its batch; then the same text is
learned for real in a process of its own, whose time and largest memory are held against the plan.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.index.measured import run
from benchmarks.result import Result, foretell, say
from foretell import models
from foretell.contracts.corpus import Document
from foretell.contracts.learner import Budget
from foretell.corpus.builtin import builtin_documents
from foretell.footprint import peak_memory
from foretell.ladder.machine import set_threads
from foretell.models.neural.network import NeuralModel
from foretell.planning import shapes
from foretell.planning.probe import build_network
from foretell.planning.shapes import Shape, read_shape
from foretell.tokenizers import train_tokenizer
from foretell.training.descent import GradientSettings
from foretell.training.fit import fit
from foretell.training.gradient import GradientLearner
from foretell.training.networks import faster_precision

PARAMETERS, COMPUTE = 175e9, 3.14e23
PUBLISHED_APART, MEMORY_APART, TIME_APART = 0.01, 0.10, 0.25
VOCABULARY = 1024
UPDATES, QUICK_UPDATES = 40, 8
TURNS = 3


@dataclass(frozen=True)
class Configuration:
    name: str
    shape: Shape
    rows: int
    """Of an update, all read at once."""


CONFIGURATIONS = (
    Configuration(
        "gpt, small",
        shapes.gpt(
            vocabulary=VOCABULARY,
            context=64,
            width=128,
            heads=2,
            layers=2,
            tables=(4096, 16384, 65536),
        ),
        16,
    ),
    Configuration(
        "gpt, middle",
        shapes.gpt(
            vocabulary=VOCABULARY, context=128, width=256, heads=4, layers=3, tables=(4096, 16384)
        ),
        32,
    ),
    Configuration(
        "gpt, deep",
        shapes.gpt(vocabulary=VOCABULARY, context=256, width=384, heads=6, layers=6),
        16,
    ),
    Configuration(
        "gpt2, 6 x 384",
        shapes.gpt2(vocabulary=VOCABULARY, context=256, width=384, heads=6, layers=6),
        16,
    ),
    Configuration(
        "llama, 4 x 256",
        shapes.llama(vocabulary=VOCABULARY, context=128, width=256, heads=4, layers=4, inner=672),
        32,
    ),
)


def measure(*, quick: bool) -> Result:
    published = _published()
    updates, turns = (QUICK_UPDATES, 1) if quick else (UPDATES, TURNS)
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, configuration in enumerate(CONFIGURATIONS):
            found[configuration.name] = _compare(
                configuration, Path(scratch) / str(number), updates, turns
            )
    met = (
        abs(published["parameters"] / PARAMETERS - 1) <= PUBLISHED_APART
        and abs(published["flops"] / COMPUTE - 1) <= PUBLISHED_APART
        and all(abs(each["memory_ratio"] - 1) <= MEMORY_APART for each in found.values())
        and all(abs(each["time_ratio"] - 1) <= TIME_APART for each in found.values())
    )
    return Result(met, {"gpt3-175b": published, "here": found})


def _plan(*arguments: str) -> dict[str, Any]:
    ended = foretell(["plan", *arguments, "--json"], folder=Path.cwd())
    assert ended.code == 0, ended.err
    plan: dict[str, Any] = json.loads(ended.out)
    return plan


def _published() -> dict[str, float]:
    plan = _plan("gpt3-175b", "--gpus", "1024", "--gpu", "h100")
    return {
        "parameters": plan["parameters"]["total"],
        "flops": plan["compute"]["published"],
        "days": plan["days"],
    }


def _compare(
    configuration: Configuration, folder: Path, updates: int, turns: int
) -> dict[str, float]:
    """What was said and what it took, in turn; medians, since the machine's speed drifts."""
    shape, rows = configuration.shape, configuration.rows
    tokenizer = train_tokenizer("bpe", _texts(), size=VOCABULARY)
    torch.manual_seed(0)
    models.save(NeuralModel(build_network(shape), tokenizer), folder)
    batch = rows * shape.context
    tokens = str(updates * batch)
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(turns):
        plan = _plan(str(folder), "--tokens", tokens, "--batch", str(batch))
        command = [sys.executable, "-m", "benchmarks.networks.bar7", str(folder), str(rows), tokens]
        taken = json.loads(run(command).out.splitlines()[-1])
        found["planned_seconds"].append(plan["seconds"])
        found["seconds"].append(taken["seconds"])
        found["planned_bytes"].append(plan["probe"]["memory"])
        found["bytes"].append(taken["bytes"])
        found["time_ratio"].append(plan["seconds"] / taken["seconds"])
        found["memory_ratio"].append(plan["probe"]["memory"] / taken["bytes"])
        say(
            f"{configuration.name}: time {found['time_ratio'][-1]:.2f} and memory "
            f"{found['memory_ratio'][-1]:.2f} of what it took, {taken['seconds']:.0f} s and "
            f"{taken['bytes'] / 1e9:.2f} GB"
        )
    return {name: median(values) for name, values in found.items()}


def _texts() -> list[str]:
    documents: list[Document] = list(builtin_documents())
    return [document.text for document in documents]


def learn(folder: Path, rows: int, tokens: int) -> dict[str, float]:
    """A run as `foretell train` does it, on the network of a folder, from fresh weights."""
    set_threads(None)
    shape = read_shape(folder)
    tokenizer = models.load(folder).tokenizer
    torch.manual_seed(0)
    settings = GradientSettings(
        rows=rows,
        width=shape.context,
        learning_rate=1e-3,
        matrix_learning_rate=1e-2 if shape.family == "gpt" else None,
        precision=faster_precision(),
    )
    learner = GradientLearner(build_network(shape), tokenizer, settings)
    began = time.perf_counter()
    done = fit(learner, _texts(), budget=Budget(tokens=tokens))
    return {
        "seconds": done.seconds,
        "with_tokenizing": time.perf_counter() - began,
        "bytes": peak_memory(),
    }


if __name__ == "__main__":
    print(json.dumps(learn(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
