"""The n-gram language model: a smoothed trie behind the contract of floor 0.

    history   [ ·  ·  B  a ]     the last N-1 tokens, B the boundary; · not known, never read
    advance   [ ·  ·  B  a | b  c ]  keep=2:  distributions after b and after c
                     [ B  a  b  c ]  the history of the new state

Facts: a state is a few tokens, so it costs nothing to keep, and cannot be truncated; scoring
looks up all places of all texts order by order, and never makes V numbers for a token.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.language_model import (
    Lengths,
    State,
    Step,
    Tokens,
    check_keep,
    full_lengths,
)
from foretell.contracts.tokenizer import Tokenizer
from foretell.models.ngram.forms import NGrams
from foretell.models.ngram.trie import RECIPE, Ids, Mask, Scores, load_trie
from foretell.tokenizers import load_tokenizer


@dataclass(eq=False)
class NGramState:
    """The last tokens of each row, as many as the model can use."""

    lengths: Lengths
    history: Ids
    """(B, N-1) for order N, right-aligned; what stands left of the known ones is never read."""
    known: Lengths
    """(B,) how many tokens of the history are known, from the last boundary on."""

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> Self:
        rows = np.asarray(rows, np.intp)
        return type(self)(self.lengths[rows], self.history[rows], self.known[rows])

    def join(self, other: Self) -> Self:
        return type(self)(
            np.concatenate([self.lengths, other.lengths]),
            np.concatenate([self.history, other.history]),
            np.concatenate([self.known, other.known]),
        )


class NGram:
    """Foretells from counts: modified Kneser-Ney of any order, unigrams (order 1) included.

    Good: NGram(estimate(texts, vocabulary_size=t.vocabulary_size, boundary=t.boundary), t)
    Bad:  NGram(estimate(texts, vocabulary_size=300, boundary=0), t) for a t of another size
    """

    family: str = "ngram"
    context: int | None = None

    def __init__(self, trie: NGrams, tokenizer: Tokenizer) -> None:
        """Raises ValueError if the trie was estimated for another vocabulary or boundary."""
        recipe = trie.recipe
        theirs = tokenizer.vocabulary_size, tokenizer.boundary
        if (recipe.vocabulary_size, recipe.boundary) != theirs:
            raise ValueError(
                f"the trie has {recipe.vocabulary_size} tokens and boundary {recipe.boundary}, the "
                f"tokenizer {theirs[0]} and {theirs[1]}; estimate with the tokenizer's own"
            )
        self.trie = trie
        self.tokenizer = tokenizer

    @property
    def order(self) -> int:
        """Tokens in the longest n-gram, the foretold one included."""
        return self.trie.recipe.order

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        """As the contract says. Inside a text, nothing is known: the first token read is foretold
        by no distribution, the next from that token alone."""
        width = self.order - 1
        read = 0 if mid_text else 1
        state = NGramState(
            lengths=np.full(rows, read, np.int32),
            history=np.full((rows, width), self.tokenizer.boundary, np.int32),
            known=np.full(rows, min(read, width), np.int32),
        )
        return Step(self.distributions(state)[:, None][:, :read], state)

    def advance(
        self, state: State, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        """As the contract says; tokens (B, T). Raises TypeError for another model's state."""
        if not isinstance(state, NGramState) or state.history.shape[1] != self.order - 1:
            raise TypeError("this state is another model's; advance those that this model gave")
        tokens, lengths, real = self._check_tokens(tokens, lengths)
        if len(tokens) != len(state.lengths):
            raise ValueError(f"{len(tokens)} rows of tokens for a state of {len(state.lengths)}")
        check_keep(lengths, keep)

        width = self.order - 1
        before = np.arange(width) >= width - state.known[:, None]
        line = np.concatenate([state.history, tokens], axis=1)
        known = np.concatenate([before, real], axis=1)
        # The last places of each row that matter: those of the history, and one a kept place.
        window = lengths[:, None] - keep + np.arange(width + keep)
        line, known = (np.take_along_axis(part, window, axis=1) for part in (line, known))
        logprobs = self.trie.distributions(line, known, keep)
        history = np.ascontiguousarray(line[:, keep:])
        after = NGramState(
            lengths=(state.lengths + lengths).astype(np.int32),
            history=history,
            known=self._count_known(history, known[:, keep:]),
        )
        return Step(logprobs, after)

    def distributions(self, state: NGramState) -> NDArray[np.float32]:
        """ln P of every token after each row of a state, (B, V)."""
        width = self.order - 1
        if width == 0:
            return np.tile(self.trie.unigrams, (len(state.lengths), 1))
        known = np.arange(width) >= width - state.known[:, None]
        return self.trie.distributions(state.history, known, 1)[:, 0]

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        """ln P of each token, given those before it in its row; (B, T), 0 on pads."""
        return self._score(tokens, lengths)[0]

    def matched_orders(self, tokens: Tokens, *, lengths: Lengths | None = None) -> Ids:
        """The order that decided each token, (B, T): the length of the longest n-gram that ends
        there and was kept in training; 0 on pads."""
        return self._score(tokens, lengths)[1]

    def score_documents(self, documents: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """ln P of each token (T,) of each document, read whole; all in one look-up."""
        starts = np.cumsum([0] + [len(document) + 1 for document in documents])
        stream = np.full((1, starts[-1]), self.tokenizer.boundary, np.int32)
        for start, document in zip(starts, documents, strict=False):
            stream[0, start + 1 : start + 1 + len(document)] = document
        stream, _, real = self._check_tokens(stream, None)
        logprobs = self.trie.score(stream, real).logprobs[0]
        return [logprobs[start + 1 : end].copy() for start, end in pairwise(starts)]

    def save(self, folder: Path) -> None:
        """Write `ngram.json`, raw arrays and the tokenizer into an empty folder that exists."""
        self.trie.save(folder)
        self.tokenizer.save(folder)

    def _score(self, tokens: Tokens, lengths: Lengths | None) -> Scores:
        """Log-probabilities and deciding orders (B, T), 0 on pads."""
        tokens, _, real = self._check_tokens(tokens, lengths)
        boundary = np.full((len(tokens), 1), self.tokenizer.boundary, np.int32)
        line = np.concatenate([boundary, tokens], axis=1)
        scores = self.trie.score(line, np.concatenate([np.ones_like(boundary, bool), real], axis=1))
        logprobs = np.where(real, scores.logprobs[:, 1:], np.float32(0))
        return Scores(logprobs, np.where(real, scores.orders[:, 1:], np.int32(0)))

    def _check_tokens(
        self, tokens: Tokens, lengths: Lengths | None
    ) -> tuple[Tokens, Lengths, Mask]:
        """tokens (B, T) with the boundary on pads, lengths (B,), and what is real (B, T)."""
        tokens = np.asarray(tokens, np.int32)
        lengths = full_lengths(tokens, lengths)
        real = np.arange(tokens.shape[1]) < lengths[:, None]
        tokens = np.where(real, tokens, np.int32(self.tokenizer.boundary))
        size = self.tokenizer.vocabulary_size
        if tokens.size and (tokens.min() < 0 or tokens.max() >= size):
            raise ValueError(
                f"a token is not in 0 ... {size - 1}; encode with this model's tokenizer"
            )
        return tokens, lengths, real

    def _count_known(self, history: Ids, known: Mask) -> Lengths:
        """How many last tokens of each row of history (B, N-1) matter, (B,)."""
        width = history.shape[1]
        first = np.where(known, np.arange(width), width).min(axis=1, initial=width)
        ends = np.where(known & (history == self.tokenizer.boundary), np.arange(width), 0)
        return (width - np.maximum(first, ends.max(axis=1, initial=0))).astype(np.int32)


def load(folder: Path) -> NGram:
    """The model of a folder that `NGram.save` wrote, its arrays mapped into memory."""
    if "form" not in json.loads((folder / RECIPE).read_text("utf-8")):
        return NGram(load_trie(folder), load_tokenizer(folder))
    # Few models are of this form, and its compiled code takes a moment.
    from foretell.models.ngram.compact import load_compact

    return NGram(load_compact(folder), load_tokenizer(folder))
