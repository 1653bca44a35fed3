"""Two models that should be one: how far their numbers lie apart on a text.

    parity = compare_models(model, what_was_written, texts)

Both read the same tokens in the same pieces: a text that is longer than either model's context, or
than LONGEST, is read in pieces that begin anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import log

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel, LogProbs

LONGEST = 512
"""Tokens of a text that are read in one go."""
AT_ONCE = 64
"""Of them whose distributions are held together."""


@dataclass(frozen=True)
class Parity:
    """See the module."""

    tokens: int
    largest: float
    """Difference in nats of the log-probabilities of a token of the texts."""
    largest_anywhere: float
    """The same over all tokens of the vocabulary that either model gives one in a million."""
    equal_choices: float
    """Share of places where both hold the same token the likeliest."""
    bits_per_byte: tuple[float, float]
    """Of both models, on these tokens."""

    @property
    def worse(self) -> float:
        """Share of its bits per byte that the second costs more than the first."""
        one, other = self.bits_per_byte
        return (other - one) / one


def compare_models(one: LanguageModel, other: LanguageModel, texts: Sequence[str]) -> Parity:
    """On all tokens of texts. Raises ForetellError if there is nothing to read, or the two
    read other tokens."""
    tokens_read, bytes_read, equal = 0, 0, 0
    largest = anywhere = 0.0
    nats = [0.0, 0.0]
    limit = min(LONGEST, *(each.context - 1 for each in (one, other) if each.context), LONGEST)
    for text in texts:
        encoding = one.tokenizer.encode(text)
        if not np.array_equal(encoding.tokens, other.tokenizer.encode(text).tokens):
            raise ForetellError(f"what was written reads other tokens in {text[:30]!r}")
        bytes_read += int(encoding.byte_lengths.sum())
        tokens_read += len(encoding.tokens)
        starts = range(0, len(encoding.tokens), limit)
        pieces = (encoding.tokens[start : start + limit] for start in starts)
        for own, theirs, wanted in chain.from_iterable(_walk(one, other, each) for each in pieces):
            apart = np.abs(own - theirs)
            likely = np.maximum(own, theirs) > -log(1e6)
            anywhere = max(anywhere, float(apart[likely].max(initial=0.0)))
            places = np.arange(len(wanted)), wanted
            largest = max(largest, float(apart[places].max(initial=0.0)))
            equal += int((own.argmax(-1) == theirs.argmax(-1)).sum())
            for number, each in enumerate((own, theirs)):
                nats[number] -= float(each[places].sum(dtype=np.float64))
            if not np.isfinite(theirs[places]).all():
                largest = anywhere = float("inf")
    if not tokens_read:
        raise ForetellError("there is no text to hold the two against each other; give more")
    bits = tuple(each / log(2) / bytes_read for each in nats)
    return Parity(tokens_read, largest, anywhere, equal / tokens_read, (bits[0], bits[1]))


def _walk(
    one: LanguageModel, other: LanguageModel, tokens: NDArray[np.int32]
) -> Iterator[tuple[LogProbs, LogProbs, NDArray[np.int32]]]:
    """Pieces of both models' distributions (T, V) before each token (T,), and those tokens."""
    steps = [one.begin(), other.begin()]
    for start in range(0, len(tokens), AT_ONCE):
        piece = tokens[None, start : start + AT_ONCE]
        before = [step.logprobs[:, -1:] for step in steps]
        steps = [
            model.advance(step.state, piece, keep=piece.shape[1])
            for model, step in zip((one, other), steps, strict=True)
        ]
        own, theirs = (
            np.concatenate([first, step.logprobs[:, :-1]], axis=1)[0]
            for first, step in zip(before, steps, strict=True)
        )
        yield own, theirs, piece[0]
