"""Updates of a network on this machine, in a process of its own: what an update takes.

Closed forms leave out what differs from machine to machine: how far from its peak a processor is
at these widths, what libraries take, what the C library's heap leaves between tensors. Where an
update takes seconds, it is simply tried.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from foretell.footprint import GivenBack, peak_memory
from foretell.planning.shapes import Shape

LONGEST = 20.0
"""Seconds; an update that would take more is not tried."""
LEAST, MOST, FIRST = 5, 24, 2
"""Updates, and those that warm up. The heap goes on growing for a while after them."""
ENOUGH = 20.0
"""Seconds after which the least will do."""
TEXT_VOCABULARY = 1024


@dataclass(frozen=True)
class Probe:
    """What was measured."""

    seconds: float
    """Of an update."""
    warm_up: float
    """Seconds that the first ones take more."""
    memory: int
    """Most bytes that the process held, libraries included."""


def try_updates(shape: Shape, *, rows: int, rounds: int, row: int) -> Probe | None:
    """Updates of `rounds` times `rows` rows of `row` tokens each; None if they failed, as when
    memory does not suffice."""
    order = {"shape": asdict(shape), "rows": rows, "rounds": rounds, "row": row}
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
    )
    return Probe(**json.loads(done.stdout)) if done.returncode == 0 else None


def _measure(shape: Shape, *, rows: int, rounds: int, row: int) -> Probe:
    import numpy as np
    import torch

    from foretell.corpus.batches import Batch
    from foretell.corpus.builtin import builtin_documents
    from foretell.tokenizers import train_tokenizer
    from foretell.training.descent import GradientSettings
    from foretell.training.gradient import GradientLearner
    from foretell.training.networks import faster_precision

    torch.manual_seed(0)
    settings = GradientSettings(
        rows=rows * rounds,
        width=row,
        learning_rate=1e-4,
        matrix_learning_rate=1e-4 if shape.family == "gpt" else None,
        precision=faster_precision(),
        rows_at_once=rows,
    )
    # A text and its tokens are held besides, by a run as by this one: that inside Python.
    texts = [document.text for document in builtin_documents()]
    tokenizer = train_tokenizer("bpe", texts, size=TEXT_VOCABULARY)
    learner = GradientLearner(build_network(shape), tokenizer, settings)
    learner.feed(texts)
    chance = np.random.default_rng(0)
    memory = GivenBack()
    seconds: list[float] = []
    while goes_on(len(seconds), sum(seconds)):
        tokens = chance.integers(0, shape.vocabulary, (rows * rounds, row + 1), np.int32)
        scored = np.ones((rows * rounds, row), bool)
        batch = Batch(tokens[:, :-1], tokens[:, 1:], scored, None, None, fresh=True)
        began = time.perf_counter()
        learner.update(batch, spent=0.5)
        seconds.append(time.perf_counter() - began)
        memory.now_and_then()
    usual = median(seconds[FIRST:] or seconds)
    return Probe(usual, max(0.0, sum(seconds[:FIRST]) - FIRST * usual), peak_memory())


def goes_on(done: int, seconds: float) -> bool:
    """Whether another update is tried. Beside other programs one may take far longer than was
    reckoned, and so none are waited for that take longer than the least may."""
    if done < LEAST:
        return seconds < LEAST * LONGEST
    return done < MOST and seconds < ENOUGH


def build_network(shape: Shape) -> Any:
    """The network of a shape, with fresh weights."""
    from foretell.models.neural.gpt import GPT, GPTSizes
    from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
    from foretell.models.neural.llama import Llama, LlamaSizes

    common = (shape.vocabulary, shape.context, shape.width, shape.heads, shape.layers)
    if shape.family == "gpt":
        return GPT(GPTSizes(*common, shape.tables))
    if shape.family == "gpt2":
        return GPT2(GPT2Sizes(*common))
    return Llama(LlamaSizes(*common, shape.inner, shape.key_heads, tied=shape.tied))


def _main() -> None:
    order = json.load(sys.stdin)
    sizes = order.pop("shape")
    shape = Shape(**{**sizes, "tables": tuple(sizes["tables"])})
    sys.stdout.write(json.dumps(asdict(_measure(shape, **order))))


if __name__ == "__main__":
    _main()
