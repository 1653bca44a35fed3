"""Token by token: how surprised a model was, what it expected instead, where two models differ."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.language_model import BacksOff, LanguageModel
from foretell.contracts.tokenizer import Tokenizer
from foretell.evaluation.results import Contrast, TokenSurprisal
from foretell.evaluation.scoring import Reading
from foretell.models.sliding import unlimited

END = "⟨end⟩"
WORD = re.compile(r"[㐀-鿿]|[^\W\d_㐀-鿿]+(?:['’][^\W\d_㐀-鿿]+)?|\d+")


def surprisals(
    model: LanguageModel, text: str, *, alternatives: int = 5
) -> tuple[TokenSurprisal, ...]:
    """Each token of a text, read from its beginning, with the tokens likeliest at its place."""
    tokenizer, reader = model.tokenizer, unlimited(model)
    encoding = tokenizer.encode(text)
    tokens = encoding.tokens
    if not len(tokens):
        return ()
    first = reader.begin()
    rest = reader.advance(first.state, tokens[None, :-1], keep=len(tokens) - 1).logprobs
    logprobs = np.concatenate([first.logprobs, rest], axis=1)[0]
    orders = model.matched_orders(tokens[None])[0] if isinstance(model, BacksOff) else None
    out = []
    for place, token in enumerate(tokens.tolist()):
        row = logprobs[place]
        best = np.argpartition(-row, min(alternatives, len(row) - 1))[:alternatives]
        best = best[np.argsort(-row[best])]
        out.append(
            TokenSurprisal(
                text=_spell(tokenizer, token),
                bytes=int(encoding.byte_lengths[place]),
                bits=float(-row[token] / log(2)),
                probability=float(np.exp(row[token])),
                alternatives=tuple(
                    (_spell(tokenizer, int(other)), float(np.exp(row[other]))) for other in best
                ),
                decided_by="" if orders is None else f"order {orders[place]}",
            )
        )
    return tuple(out)


def _spell(tokenizer: Tokenizer, token: int) -> str:
    """A token decoded alone; the boundary, which decodes to nothing, by a name."""
    if token == tokenizer.boundary:
        return END
    return tokenizer.decode(np.array([token], np.int32))


def contrasts(
    texts: Sequence[str],
    one: Sequence[Reading],
    other: Sequence[Reading],
    *,
    most: int = 12,
) -> tuple[Contrast, ...]:
    """The words on which `other` saved, and lost, the most bits against `one`, summed over texts.

    A token's bits are spread evenly over its bytes, so that readings in different tokens can be
    compared word by word.
    """
    saved: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    example: dict[str, tuple[float, str]] = {}
    for text, a, b in zip(texts, one, other, strict=True):
        gain = np.concatenate([[0.0], np.cumsum(_byte_bits(a) - _byte_bits(b))])
        at = np.concatenate([[0], np.cumsum([len(character.encode()) for character in text])])
        for match in WORD.finditer(text):
            start, end = match.span()
            bits = float(gain[at[end]] - gain[at[start]])
            word = match.group().lower()
            saved[word] += bits
            count[word] += 1
            if word not in example or abs(bits) > abs(example[word][0]):
                around = (
                    f"{text[max(0, start - 40) : start]}▮{match.group()}▮{text[end : end + 40]}"
                )
                example[word] = (bits, around)
    ranked = sorted(saved, key=lambda word: -saved[word])
    half = most // 2
    chosen = [w for w in ranked[:half] if saved[w] > 0] + [
        w for w in ranked[-half:] if saved[w] < 0
    ]
    return tuple(Contrast(w, saved[w], count[w], example[w][1]) for w in dict.fromkeys(chosen))


def _byte_bits(reading: Reading) -> NDArray[np.float64]:
    """Bits of each byte of the text, (bytes,)."""
    lengths = reading.byte_lengths
    real = lengths > 0
    bits = -reading.logprobs[real].astype(np.float64) / log(2)
    spread: NDArray[np.float64] = np.repeat(bits / lengths[real], lengths[real])
    return spread
