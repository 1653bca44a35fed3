"""Our GGUF files, read by ours and by llama.cpp: tokens, log-probabilities, greedy texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.doors.llama_cpp_peer import ask
from foretell.contracts.language_model import LanguageModel
from foretell.interop.gguf_models import Written, open_gguf, write_model
from foretell.models.neural.network import NeuralModel

ODD = (
    "Don't  stop\n\n\t x   \r\n",
    "in 1997 it cost 3,141.59 (x_1 == y2) !!",
    "e\u0301 \ufb01 \u00a0 \u200b \u3000 \U0001f600 ½ ² Ⅷ ১২",
    "明月幾時有？ ａｂｃ 12月、かな 한국어 שלום",
    "<|endoftext|> <|im_start|> <s>",
    " ",
)
"""Only cut to tokens."""
PROMPTS = ("The history of the town begins", "春天来了，")
CLOSE = 0.02
READ = 512
"""Tokens of a text, and its opening, at most."""


def compare_written(
    model: NeuralModel,
    kind: Written,
    texts: Sequence[str],
    *,
    length: int,
    interpreter: str,
    scratch: Path,
) -> dict[str, Any]:
    """Write a model, and hold what llama.cpp makes of the file against what we do, and against the
    model before it was written: differences in nats, of the texts' own tokens. length: tokens of
    each greedy text. A file in F32 is read with nothing rounded, so only sums are in another order.
    """
    path = scratch / "written.gguf"
    path.unlink(missing_ok=True)
    write_model(model, path, kind)
    ours = open_gguf(path)
    first = ours.network.first_token(ours.tokenizer)
    cut = [ours.tokenizer.encode(text).tokens for text in (*texts, *ODD)]
    rows = [tokens[: min(READ, ours.context or READ) - 1] for tokens in cut[: len(texts)]]
    prompts = [ours.tokenizer.encode(prompt).tokens for prompt in PROMPTS]
    request = {
        "file": str(path),
        "context": READ,
        "exact": kind == "F32",
        "texts": [*texts, *ODD],
        "rows": [[first, *row.tolist()] for row in rows],
        "prompts": [[first, *prompt.tolist()] for prompt in prompts],
        "length": length,
        "boundary": ours.tokenizer.boundary,
    }
    theirs = ask(interpreter, request, scratch)
    expected = np.concatenate(theirs["scores"])
    found = _score(ours, rows)
    apart = np.abs(found - expected)
    whole = [[first, *tokens.tolist()] for tokens in cut]
    return {
        "llama_cpp_python": theirs["version"],
        "tokens": expected.size,
        "texts_cut_otherwise": sum(a != b for a, b in zip(whole, theirs["tokens"], strict=True)),
        "largest": float(apart.max()),
        "mean": float(apart.mean()),
        "beyond": int((apart > CLOSE).sum()),
        "likeliest_beyond": float(found[apart > CLOSE].max()) if (apart > CLOSE).any() else None,
        "largest_to_the_model_before": float(np.abs(_score(model, rows) - expected).max()),
        "greedy": [
            _compare_greedy(ours, prompt, found)
            for prompt, found in zip(prompts, theirs["greedy"], strict=True)
        ],
    }


def _score(model: LanguageModel, rows: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
    """ln P of the tokens of all rows, one after another."""
    return np.concatenate([model.score(row[None])[0] for row in rows])


def _compare_greedy(
    ours: LanguageModel, prompt: NDArray[np.int32], theirs: dict[str, Any]
) -> dict[str, Any]:
    """Whether our greedy text is theirs; if not, after how many tokens they part, and how much
    likelier each finds its own token than the other's, or than the next likely."""
    step = ours.advance(ours.begin().state, prompt[None])
    for at, token in enumerate(theirs["tokens"]):
        logprobs = step.logprobs[0, -1].copy()
        logprobs[ours.tokenizer.boundary] = -np.inf
        mine = int(logprobs.argmax())
        if mine != token:
            gap = float(logprobs[mine] - logprobs[token])
            return {"equal": False, "after": at, "our_gap": gap, "their_gap": theirs["gaps"][at]}
        step = ours.advance(step.state, np.array([[token]], np.int32))
    return {"equal": True, "least_gap": min(theirs["gaps"])}
