"""Any function of a whole prefix as a LanguageModel: slow, and no cache to get wrong.

The state is the text so far; each reading computes all of it again. For models that come as a
function (a Keras model, a remote one), and as the yardstick of what a cache must equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ContextExceeded, ForetellError
from foretell.contracts.language_model import (
    Lengths,
    LogProbs,
    Step,
    Tokens,
    check_keep,
    full_lengths,
    score_by_reading,
)
from foretell.contracts.tokenizer import Tokenizer


@dataclass(frozen=True)
class ReplayState:
    """The tokens read, one array (T,) a row, the boundary included."""

    texts: tuple[NDArray[np.int32], ...]

    @property
    def lengths(self) -> Lengths:
        return np.array([len(text) for text in self.texts], np.int32)

    def read_on(self, tokens: Tokens, lengths: Lengths, keep: int) -> ReplayState:
        """With tokens (B, T), of each row so many (B,) of which `keep` are to be foretold after."""
        check_keep(lengths, keep)
        rows = zip(self.texts, tokens, lengths, strict=True)
        return ReplayState(
            tuple(
                np.concatenate([text, row[:length]]).astype(np.int32) for text, row, length in rows
            )
        )

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> ReplayState:
        return ReplayState(tuple(self.texts[row] for row in rows))

    def join(self, other: ReplayState) -> ReplayState:
        return ReplayState(self.texts + other.texts)

    def truncate(self, lengths: Lengths) -> ReplayState:
        if (lengths < 1).any() or (lengths > self.lengths).any():
            raise ValueError(f"cannot truncate states of {self.lengths} to {lengths}")
        pairs = zip(self.texts, lengths, strict=True)
        return ReplayState(tuple(text[:length] for text, length in pairs))


class Replay:
    """forward: tokens (B, T), T at least 1, to ln P of what follows each, (B, T, V)."""

    family = "replay"

    def __init__(
        self,
        forward: Callable[[Tokens], LogProbs],
        tokenizer: Tokenizer,
        *,
        context: int | None = None,
        opening: int | None = None,
    ) -> None:
        """opening: what texts begin with, if it is not the boundary that they end with."""
        self.forward = forward
        self.tokenizer = tokenizer
        self.context = context
        self.opening = tokenizer.boundary if opening is None else opening

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        if mid_text:
            nothing = np.zeros((rows, 0, self.tokenizer.vocabulary_size), np.float32)
            return Step(nothing, ReplayState((np.zeros(0, np.int32),) * rows))
        first = np.array([self.opening], np.int32)
        logprobs = np.repeat(self.forward(first[None]), rows, axis=0)
        return Step(logprobs, ReplayState((first,) * rows))

    def advance(
        self, state: ReplayState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        texts = state.read_on(tokens, full_lengths(tokens, lengths), keep).texts
        longest = max((len(text) for text in texts), default=0)
        if self.context is not None and longest > self.context:
            raise ContextExceeded(
                f"a state would hold {longest} tokens, and this model reads {self.context}"
            )
        logprobs = np.zeros((len(texts), keep, self.tokenizer.vocabulary_size), np.float32)
        sizes = np.array([len(text) for text in texts], np.int64)
        for size in np.unique(sizes) if keep else ():
            rows = np.flatnonzero(sizes == size)
            logprobs[rows] = self.forward(np.stack([texts[row] for row in rows]))[:, -keep:]
        return Step(logprobs, ReplayState(texts))

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        return score_by_reading(self, tokens, lengths=lengths)

    def save(self, folder: Path) -> None:
        """Refuses: a Python function cannot be written without pickle."""
        raise ForetellError(
            "a Replay holds a Python function, which cannot be saved; save what the function uses"
        )
