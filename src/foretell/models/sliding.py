"""A model with a window, made into one without: past the window it reads its last half again.

    context 8, overlap 4      tokens   0 1 2 3 4 5 6 7 8 9 a b c d
    window 1                           b . . . . . . .                  b: the boundary
    window 2                                   r r r r . . . .          r: read again, not scored
    window 3                                           r r r r . .

Each token is foretold once, with at least `overlap` tokens of context once that many exist. Where
windows begin depends on the place in the text alone, so reading in pieces changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell import models
from foretell.contracts.language_model import (
    LanguageModel,
    Lengths,
    Parametric,
    State,
    Step,
    Tokens,
    check_keep,
    full_lengths,
    score_by_documents,
)

LOGPROBS_AT_ONCE = 2**21
"""Larger batches were slower: their activations no longer fit the cache."""


@dataclass(frozen=True)
class SlidingState:
    """lengths (B,) of the text so far; recent (B, overlap), its last tokens; the window's state."""

    lengths: Lengths
    recent: NDArray[np.int32]
    window: State

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> SlidingState:
        rows = np.asarray(rows, np.int64)
        return SlidingState(self.lengths[rows], self.recent[rows], self.window.select(rows))

    def join(self, other: SlidingState) -> SlidingState:
        return SlidingState(
            np.concatenate([self.lengths, other.lengths]),
            np.concatenate([self.recent, other.recent]),
            self.window.join(other.window),
        )


def unlimited(model: LanguageModel) -> LanguageModel:
    """The model itself if it has no window, else wrapped so that it reads texts of any length."""
    return model if model.context is None else Sliding(model)


class Sliding:
    """See the module. Costs at most twice the reading."""

    family = "sliding"
    context = None

    def __init__(self, model: LanguageModel) -> None:
        if model.context is None or model.context < 2:
            raise ValueError("Sliding wraps a model with a context of 2 tokens or more")
        self.model = model
        self.tokenizer = model.tokenizer
        self.window = model.context
        self.overlap = model.context // 2

    @property
    def parameters(self) -> int:
        return self.model.parameters if isinstance(self.model, Parametric) else 0

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        step = self.model.begin(rows, mid_text=mid_text)
        recent = np.full((rows, self.overlap), self.tokenizer.boundary, np.int32)
        return Step(step.logprobs, SlidingState(step.state.lengths, recent, step.state))

    def advance(
        self, state: SlidingState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        lengths = full_lengths(tokens, lengths)
        check_keep(lengths, keep)
        width = tokens.shape[1]
        if (lengths == width).all() and (state.window.lengths + width <= self.window).all():
            # None slides, wherever it stands.
            step = self.model.advance(state.window, tokens, keep=keep)
            recent = np.concatenate([state.recent, tokens], axis=1)[:, -self.overlap :]
            after = SlidingState(state.lengths + np.int32(width), recent, step.state)
            return Step(step.logprobs, after)
        # Rows that stand at the same place and read as much slide together.
        keys = state.window.lengths.astype(np.int64) * (tokens.shape[1] + 1) + lengths
        groups = [np.flatnonzero(keys == key) for key in np.unique(keys)]
        if len(groups) == 1:
            return self._advance(state, tokens[:, : lengths[0]], keep)
        parts = [
            self._advance(state.select(rows), tokens[rows, : lengths[rows[0]]], keep)
            for rows in groups
        ]
        joined = parts[0].state
        for part in parts[1:]:
            joined = joined.join(part.state)
        back = np.argsort(np.concatenate(groups))
        logprobs = np.concatenate([part.logprobs for part in parts])[back]
        return Step(logprobs, joined.select(back))

    def _advance(self, state: SlidingState, tokens: Tokens, keep: int) -> Step:
        """Rows at one place, all tokens real."""
        total, kept = tokens.shape[1], []
        window, recent, at = state.window, state.recent, 0
        while at < total:
            if window.lengths[0] == self.window:
                again = self.model.begin(len(tokens), mid_text=True).state
                window = self.model.advance(again, recent, keep=0).state
            piece = tokens[:, at : at + self.window - int(window.lengths[0])]
            at += piece.shape[1]
            wanted = min(piece.shape[1], max(0, at - (total - keep)))
            step = self.model.advance(window, piece, keep=wanted)
            window = step.state
            recent = np.concatenate([recent, piece], axis=1)[:, -self.overlap :]
            kept.append(step.logprobs)
        if not kept:
            shape = (len(tokens), 0, self.tokenizer.vocabulary_size)
            kept.append(np.zeros(shape, np.float32))
        lengths = state.lengths + np.int32(total)
        return Step(np.concatenate(kept, axis=1), SlidingState(lengths, recent, window))

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        return score_by_documents(self, tokens, lengths=lengths)

    def score_documents(self, documents: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """ln P of each token (T,) of each document; windows of all documents share batches."""
        out = [np.zeros(len(document), np.float32) for document in documents]
        self._score_beginnings(documents, out)
        stride = self.window - self.overlap
        later = [
            (index, start)
            for index, document in enumerate(documents)
            for start in range(stride, len(document) - self.overlap, stride)
        ]
        size = max(1, LOGPROBS_AT_ONCE // (stride * self.tokenizer.vocabulary_size))
        for first in range(0, len(later), size):
            group = later[first : first + size]
            # Place 0 of a text is its boundary, so token t stands at place t + 1. Pads on the
            # right are read too, and what is foretold after them is not used.
            grid = np.zeros((len(group), self.window), np.int32)
            for row, (index, start) in enumerate(group):
                piece = documents[index][start - 1 : start - 1 + self.window]
                grid[row, : len(piece)] = piece
            again = self.model.begin(len(group), mid_text=True).state
            logprobs = self.model.advance(again, grid, keep=stride).logprobs
            for row, (index, start) in enumerate(group):
                targets = documents[index][start + self.overlap : start + self.window]
                at = slice(start + self.overlap, start + self.overlap + len(targets))
                out[index][at] = logprobs[row, np.arange(len(targets)), targets]
        return out

    def _score_beginnings(
        self, documents: Sequence[NDArray[np.int32]], out: list[NDArray[np.float32]]
    ) -> None:
        order = sorted(range(len(documents)), key=lambda index: len(documents[index]))
        for first in range(0, len(order), 32):
            group = order[first : first + 32]
            lengths = np.array([min(self.window, len(documents[i])) for i in group], np.int32)
            grid = np.zeros((len(group), int(lengths.max(initial=0))), np.int32)
            for row, index in enumerate(group):
                grid[row, : lengths[row]] = documents[index][: lengths[row]]
            scores = self.model.score(grid, lengths=lengths)
            for row, index in enumerate(group):
                out[index][: lengths[row]] = scores[row, : lengths[row]]

    def save(self, folder: Path) -> None:
        (folder / "inner").mkdir()
        models.write(self.model, folder / "inner")
        content = {"window": self.window, "overlap": self.overlap}
        (folder / "sliding.json").write_text(json.dumps(content, indent=2) + "\n")


def load(folder: Path) -> Sliding:
    """The model that `save` wrote into a folder."""
    return Sliding(models.load(folder / "inner"))
