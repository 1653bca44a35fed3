"""Train one network on tiny Shakespeare's characters, in a process of its own:
`python -m benchmarks.networks.shakespeare FAMILY SECONDS [SEED]`.

The first 90% of the text is for learning, the last 10% is held out and all of it is scored, once
at the end; nothing looks at it before. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import psutil

from benchmarks.result import find_folder
from foretell.contracts.evidence import Evidence
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.learner import Budget
from foretell.evaluation.scoring import score_texts
from foretell.ladder.machine import set_threads
from foretell.tokenizers import train_tokenizer
from foretell.training.fit import fit
from foretell.training.recipes import Scope, build_learner

SHARE = 0.9
FILE = "lm/tinyshakespeare/input.txt"


def read_parts() -> tuple[str, str] | None:
    """What is learned from, and what is held out, as nanoGPT cuts them."""
    folder = find_folder("FORETELL_DATA", "data")
    if folder is None or not (folder / FILE).exists():
        return None
    text = (folder / FILE).read_text("utf-8")
    return text[: int(SHARE * len(text))], text[int(SHARE * len(text)) :]


def score(model: LanguageModel, text: str) -> float:
    """Nats a character, as foretell reads a text."""
    total = Evidence.sum(score_texts(model, [text], end_of_text=False))
    return total.nats / total.tokens


def score_windows(model: LanguageModel, text: str) -> float | None:
    """Nats a character in windows that begin with no context, as nanoGPT estimates it; None for a
    model without a window."""
    if model.context is None:
        return None
    tokens = model.tokenizer.encode(text).tokens
    width = model.context + 1
    grid = tokens[: len(tokens) // width * width].reshape(-1, width)
    nats, count = 0.0, 0
    for rows in np.array_split(grid, max(1, len(grid) // 32)):
        state = model.begin(len(rows), mid_text=True).state
        step = model.advance(state, rows[:, :-1], keep=width - 1)
        nats -= float(np.take_along_axis(step.logprobs, rows[:, 1:, None], 2).sum(dtype=np.float64))
        count += rows.size - len(rows)
    return nats / count


def main(family: str, seconds: float, seed: int) -> None:
    parts = read_parts()
    assert parts is not None, "tiny Shakespeare is not there"
    train, held_out = parts
    set_threads(2)
    tokenizer = train_tokenizer("characters", [train])
    scope = Scope.of(Budget(seconds=seconds), len(train.encode()))
    learner = build_learner(family, tokenizer, seed=seed, scope=scope)
    run = fit(learner, [train], budget=Budget(seconds=seconds))
    model = learner.model()
    nats = score(model, held_out)
    seconds = time.time() - psutil.Process().create_time()
    found = {
        "nats": nats,
        "seconds_to_the_score": seconds,
        "nats_in_windows": score_windows(model, held_out),
        "train_seconds": run.seconds,
        "tokens": run.tokens,
        "tokens_per_second": run.tokens / run.seconds,
        "passes": run.passes,
        "parameters": getattr(model, "parameters", None),
        "recipe": learner.recipe,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
