"""Our own GPT-2 and Llama class against `transformers` on the same weights: SmolLM2, and random
ones of every kind of folder that is opened natively.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.doors.random_folders import KINDS, write_random
from benchmarks.doors.texts import read_texts
from benchmarks.result import Result, say
from foretell.contracts.language_model import LanguageModel
from foretell.interop import pretrained
from foretell.interop.doors import open_model

CLOSE = 1e-4
GREEDY, QUICK_GREEDY = 200, 20
PROMPTS = ("The history of the town begins", "春天来了，")
SMOLLM = "smollm2-135m"


def measure(*, quick: bool) -> Result:
    texts = read_texts()
    if texts is None:
        return Result(None, {"reason": "needs the data; name its folder in FORETELL_DATA"})
    texts = texts[::5] if quick else texts
    length = QUICK_GREEDY if quick else GREEDY
    torch.set_num_threads(2)
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind in KINDS:
            folder = Path(scratch) / kind
            theirs = write_random(KINDS[kind], folder, texts)
            found[kind] = _compare(open_model(folder), theirs, texts, length)
            say(f"{kind}: {found[kind]}")
    found[SMOLLM] = _compare(open_model(pretrained.pull(SMOLLM)), _open_theirs(), texts, length)
    say(f"{SMOLLM}: {found[SMOLLM]}")
    met = all(
        max(each["largest"], each["largest_of_the_vocabulary"]) <= CLOSE and each["greedy_equal"]
        for each in found.values()
    )
    return Result(met, {"texts": len(texts), "greedy_tokens": length, "models": found})


def _open_theirs() -> Any:
    """SmolLM2 by `transformers`, which works its weights out of the same file."""
    from transformers import AutoModelForCausalLM

    place = pretrained.place(SMOLLM)
    return AutoModelForCausalLM.from_pretrained(
        place.parent, gguf_file=place.name, dtype=torch.float32
    ).eval()


def _compare(ours: LanguageModel, theirs: Any, texts: list[str], length: int) -> dict[str, Any]:
    """The largest difference of log-probabilities of the tokens of the texts, read at once; of all
    tokens of the vocabulary in their place, where both read the opening first and go on from what
    they remember; what lies between these two ways in `transformers` itself, on the tokens of the
    texts; and whether greedy texts are the same."""
    largest = everywhere = itself = 0.0
    for text in texts:
        tokens = ours.tokenizer.encode(text).tokens[None, : (ours.context or 10_000) - 1]
        own = np.arange(tokens.size - 1), tokens[0, 1:]
        at_once, in_two = _read(theirs, _opened(theirs, tokens))
        scored = ours.score(tokens)[0, 1:]
        largest = max(largest, float(np.abs(scored - at_once[own]).max()))
        step = ours.advance(ours.begin().state, tokens, keep=tokens.shape[1])
        everywhere = max(everywhere, float(np.abs(step.logprobs[0] - in_two).max()))
        itself = max(itself, float(np.abs(at_once - in_two)[own].max()))
    return {
        "family": ours.family,
        "largest": largest,
        "largest_of_the_vocabulary": everywhere,
        "transformers_from_itself": itself,
        "greedy_equal": all(_greedy_equal(ours, theirs, prompt, length) for prompt in PROMPTS),
    }


def _opened(theirs: Any, tokens: np.ndarray) -> torch.Tensor:
    first = theirs.config.bos_token_id
    return torch.cat([torch.tensor([[first]]), torch.from_numpy(tokens.astype(np.int64))], dim=1)


@torch.inference_mode()
def _read(theirs: Any, tokens: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(T, V) after each token but the first: read at once, and the first before the others."""
    at_once = theirs(tokens).logits[0, 1:]
    first = theirs(tokens[:, :1], use_cache=True)
    in_two = theirs(tokens[:, 1:], past_key_values=first.past_key_values).logits[0]
    return at_once.log_softmax(-1).numpy(), in_two.log_softmax(-1).numpy()


def _greedy_equal(ours: LanguageModel, theirs: Any, prompt: str, length: int) -> bool:
    """Of texts that go on for so many tokens, whatever they would end by."""
    boundary = ours.tokenizer.boundary
    tokens = ours.tokenizer.encode(prompt).tokens[None]
    begun = _opened(theirs, tokens)
    made = theirs.generate(
        begun,
        attention_mask=torch.ones_like(begun),
        do_sample=False,
        max_new_tokens=length,
        min_new_tokens=length,
        eos_token_id=boundary,
        pad_token_id=boundary,
    )
    step, out = ours.advance(ours.begin().state, tokens), []
    for _ in range(length):
        logprobs = step.logprobs[0, -1].copy()
        logprobs[boundary] = -np.inf
        out.append(int(logprobs.argmax()))
        step = ours.advance(step.state, np.array([[out[-1]]], np.int32))
    return out == made[0, begun.shape[1] :].tolist()
