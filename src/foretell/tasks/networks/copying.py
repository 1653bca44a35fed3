"""A writer's network that also copies from the text that it writes about.

    text      the cat sat on the mat ⏎      written so far   a  cat sat
    longest match of what was written       m = 2: |cat sat|, once, with "on" after it
    P(w) = (1 - c_m) P_network(w) + c_m P_copy(w)         P_copy: what follows such matches

Each length of match has a weight of its own, found by expectation maximisation on the part kept
back: where two tokens in a row were copied, the third more often is than the first. Facts: mass
stays one; what is copied from is the text before the last boundary, which is a token of it like
others, so that a writer may end where the text ends.

Source: Gu et al. 2016 and See et al. 2017 for copying; Jelinek & Mercer 1980 for weights in
buckets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.language_model import (
    LanguageModel,
    Lengths,
    State,
    Step,
    Tokens,
    full_lengths,
    score_by_reading,
    score_documents,
)
from foretell.models.mixture import fit_weights
from foretell.models.sliding import unlimited

MOST_MATCHED = 4
"""Tokens of a match that are told apart."""
MOST_WEIGHT = 0.99
"""The network always has a say, so that nothing is impossible that it holds possible."""
STEPS = 50
"""Of expectation maximisation."""
Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CopyingState:
    """The network's state; texts: for each row its tokens (T,) since the last boundary but one."""

    inner: State
    texts: tuple[Ids, ...]

    @property
    def lengths(self) -> Lengths:
        return self.inner.lengths

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> CopyingState:
        kept = tuple(self.texts[row] for row in np.asarray(rows, np.int64).tolist())
        return CopyingState(self.inner.select(rows), kept)

    def join(self, other: CopyingState) -> CopyingState:
        return CopyingState(self.inner.join(other.inner), self.texts + other.texts)


class Copying:
    """A language model of texts, each made of the one before it.

    Good: Copying(model, [0.05, 0.2, 0.5, 0.7, 0.8])
    Bad:  Copying(model, [1.5])
    """

    family = "copying"

    def __init__(self, model: LanguageModel, weights: Sequence[float]) -> None:
        """weights: of the copy, by the length of the match, the last for all longer ones; below
        1."""
        if not weights or not all(0 <= weight < 1 for weight in weights):
            raise ValueError(f"weights of copies must be from 0 to below 1, not {list(weights)}")
        self.model = model
        self.weights = np.asarray(weights, np.float64)
        self.tokenizer = model.tokenizer
        self.context = model.context

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        step = self.model.begin(rows, mid_text=mid_text)
        return Step(step.logprobs, CopyingState(step.state, (np.zeros(0, np.int32),) * rows))

    def advance(
        self,
        state: CopyingState,
        tokens: Tokens,
        *,
        lengths: Lengths | None = None,
        keep: int = 1,
    ) -> Step:
        tokens = np.asarray(tokens, np.int32)
        lengths = full_lengths(tokens, lengths)
        step = self.model.advance(state.inner, tokens, lengths=lengths, keep=keep)
        logprobs = step.logprobs.copy()
        texts = []
        for row, (past, length) in enumerate(zip(state.texts, lengths.tolist(), strict=True)):
            line = np.concatenate([past, tokens[row, :length]])
            ends = np.flatnonzero(line == self.tokenizer.boundary)
            for place in range(keep):
                self._mix(logprobs[row, place], line[: len(line) - keep + 1 + place], ends)
            texts.append(line if len(ends) < 2 else line[ends[-2] + 1 :])
        return Step(logprobs, CopyingState(step.state, tuple(texts)))

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        return score_by_reading(self, tokens, lengths=lengths)

    def save(self, folder: Any) -> None:
        """The network; the weights are the writer's to keep."""
        self.model.save(folder)

    def _mix(self, logprobs: NDArray[np.float32], line: Ids, ends: NDArray[np.int64]) -> None:
        """Into logprobs (V,), after line (T,), whose boundaries stand at `ends` or beyond it."""
        ends = ends[ends < len(line)]
        if len(ends) == 0:
            return
        text = line[ends[-2] + 1 if len(ends) > 1 else 0 : ends[-1] + 1]
        matched, followed = copies(text, line[ends[-1] + 1 :], len(self.weights) - 1)
        weight = self.weights[matched]
        if weight == 0 or len(text) == 1:
            return
        logprobs += np.log1p(-weight)
        token, count = np.unique(followed, return_counts=True)
        logprobs[token] = np.logaddexp(logprobs[token], np.log(weight * count / count.sum()))


def copies(text: Ids, written: Ids, most: int) -> tuple[int, Ids]:
    """How many of the last tokens of `written` stand together in `text`, at most `most`, and what
    follows them there, each as often as it does."""
    there = np.arange(len(text))
    for length in range(1, min(most, len(written)) + 1):
        longer = there[there >= length]
        longer = longer[text[longer - length] == written[-length]]
        if len(longer) == 0:
            return length - 1, text[there]
        there = longer
    return min(most, len(written)), text[there]


def fit_copies(model: LanguageModel, pairs: Sequence[tuple[Ids, Ids]]) -> tuple[list[float], float]:
    """Weights of copies, by the length of the match, and the share of the nats that they save, on
    what the network did not learn from.

    pairs: tokens that are read, a boundary last, and those that are to be written, one last too.
    """
    scores = score_documents(unlimited(model), [np.concatenate(pair) for pair in pairs])
    found: list[list[tuple[float, float]]] = [[] for _ in range(MOST_MATCHED + 1)]
    for (text, written), logs in zip(pairs, scores, strict=True):
        for place, token in enumerate(written.tolist()):
            matched, followed = copies(text, written[:place], MOST_MATCHED)
            copied = float(np.mean(followed == token))
            found[matched].append((float(np.exp(logs[len(text) + place])), copied))
    cells = [np.array(chances).reshape(-1, 2) for chances in found]
    weights = [_weight(cell) for cell in cells]
    alone, mixed = (
        sum(float(np.log(cell @ (1 - w, w)).sum()) for cell, w in zip(cells, given, strict=True))
        for given in ([0.0] * len(cells), weights)
    )
    return weights, 1 - mixed / alone


def _weight(chances: Floats) -> float:
    """Of the second of two columns (N, 2) of probabilities of what came."""
    if len(chances) == 0:
        return 0.0
    weights = np.array([0.5, 0.5])
    with np.errstate(divide="ignore"):
        logs = np.log(chances)
    for _ in range(STEPS):
        weights = fit_weights(logs, weights)
    return float(min(weights[1], MOST_WEIGHT))
