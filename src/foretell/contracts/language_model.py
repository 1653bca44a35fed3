"""The contract: a language model reads tokens and, after each, foretells the next.

Shapes, everywhere in foretell: B rows, T tokens, K kept positions, V vocabulary.

    begin()              reads the boundary        -> logprobs (1, 1, V), state of length 1
    advance(state, [a b c], keep=2)                -> after b, after c    (1, 2, V)

                     boundary   a   b   c
    distributions           |   .   ^   ^
                          begin     kept

Whoever scores, generates, evaluates, audits or serves is written once, against this file, and
works for every family. `foretell.testing.laws` says in equations what it promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.tokenizer import Tokenizer

Tokens = NDArray[np.int32]
"""(B, T)"""
Lengths = NDArray[np.int32]
"""(B,) real tokens in a row; rows are padded on the right, with any token."""
LogProbs = NDArray[np.float32]
"""(B, K, V) natural logarithms; each distribution sums to one. -inf where a token cannot come."""


class State(Protocol):
    """What a model remembers. A value: reading on returns a new one, and the old one stays good.

    Good: keep a state, advance it twice with different tokens, compare the two futures.
    Bad:  change its arrays; another state may share them.
    """

    @property
    def lengths(self) -> Lengths:
        """(B,) tokens read, the boundary of `begin` included."""
        ...

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> Self:
        """Repeat, reorder or drop rows."""
        ...

    def join(self, other: Self) -> Self:
        """Two batches side by side: the rows of self, then those of other."""
        ...


class Step(NamedTuple):
    logprobs: LogProbs
    """(B, K, V) after each of the last K real tokens of a row."""
    state: State


class Scorer(Protocol):
    """Something that gives each token a probability, whether or not it can foretell."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        """ln P(token | those before it in its row, the boundary first), (B, T); 0 on pads.

        Raises ContextExceeded if a row is longer than the model's context.
        """
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """A Scorer that can stop anywhere, say what comes next, and go on from there."""

    @property
    def family(self) -> str:
        """Line in `models.FAMILIES` by which `load` finds back; nothing else depends on it."""
        ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def context(self) -> int | None:
        """Most tokens that a state may hold, the boundary included; None: no limit."""
        ...

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        """The state before any text. It has read the boundary, so K = 1.

        mid_text: start inside a text, having read nothing; K = 0. Nobody outside a model ever
        adds a boundary token at the start.
        """
        ...

    def advance(
        self, state: Any, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        """Read on from a state of this model.

        tokens (B, T), lengths (B,) at most T, keep at most min(lengths).

        keep is how many trailing distributions come back: 1 to decode, 0 to prefill, n to verify
        n drafts, T to audit. Reading the boundary ends a text and begins the next one.

        Raises ContextExceeded, before reading anything, if a row would outgrow `context`.
        """
        ...

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]: ...

    def save(self, folder: Path) -> None:
        """Write the model into an empty folder that exists. Never pickle."""
        ...


@runtime_checkable
class Truncatable(Protocol):
    """A state that can cheaply forget its last tokens, as a cache can."""

    def truncate(self, lengths: Lengths) -> Self:
        """Back to lengths (B,), each from 1 (0 for a state begun in mid text) to the row's own."""
        ...


@runtime_checkable
class Parametric(Protocol):
    """A model that learned weights, and knows how many."""

    @property
    def parameters(self) -> int: ...


@runtime_checkable
class Noticing(Protocol):
    """A model that had to be made otherwise than asked, and says so."""

    @property
    def notices(self) -> tuple[str, ...]: ...


@runtime_checkable
class BacksOff(Protocol):
    """A model that can say how much of the past decided each of its predictions."""

    def matched_orders(self, tokens: Tokens, *, lengths: Lengths | None = None) -> Lengths:
        """Length of the longest n-gram that was found, for each token (B, T), (B, T)."""
        ...


class Signals(NamedTuple):
    """What a model found of the past, and nothing of what came next: one number a place."""

    matched: NDArray[np.int32]
    """Last tokens that its training text has in a row too."""
    support: NDArray[np.int32]
    """How often it has them, followed by some token."""
    sparse: NDArray[np.bool_]
    """True if that token is the same every time."""


@runtime_checkable
class Signalling(Protocol):
    """A model that can say what it knows of the past, as a mixture asks that trusts it so far."""

    def signals(self, state: Any, tokens: Tokens, *, lengths: Lengths | None = None) -> Signals:
        """At a state, then after each of tokens (B, T): (B, T + 1); beyond a row's end, any."""
        ...


@runtime_checkable
class DocumentScorer(Protocol):
    """A model that scores one long text faster, or with more memory, than windows would."""

    def score_documents(self, documents: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """ln P of each token (T,) of each document, read whole from its beginning."""
        ...


def full_lengths(tokens: Tokens, lengths: Lengths | None) -> Lengths:
    """lengths (B,) of tokens (B, T), checked; all T if None. Raises ValueError."""
    rows, width = tokens.shape
    if lengths is None:
        return np.full(rows, width, np.int32)
    lengths = np.asarray(lengths, np.int32)
    if lengths.shape != (rows,) or (lengths < 0).any() or (lengths > width).any():
        raise ValueError(f"lengths must be ({rows},) numbers from 0 to {width}, got {lengths}")
    return lengths


def check_keep(lengths: Lengths, keep: int) -> None:
    """Raise ValueError unless each of the rows (B,) has the `keep` real tokens asked for."""
    if keep < 0 or (keep > 0 and (len(lengths) == 0 or keep > lengths.min())):
        raise ValueError(
            f"keep={keep} asks for more distributions than a row has tokens ({lengths.tolist()}); "
            "group rows by length, or keep fewer"
        )


def score_by_reading(
    model: LanguageModel, tokens: Tokens, *, lengths: Lengths | None = None, chunk: int = 128
) -> NDArray[np.float32]:
    """The default `score`, written on begin and advance: tokens (B, T) to ln P (B, T), 0 on pads.

    Slow and right; a family overrides it where it can avoid V numbers for each token.
    """
    lengths = full_lengths(tokens, lengths)
    out = np.zeros(tokens.shape, np.float32)
    for length in np.unique(lengths[lengths > 0]).tolist():
        rows = np.flatnonzero(lengths == length)
        state, before = model.begin(len(rows))[::-1]
        # The last token is foretold and never read, so a row may be as long as the context.
        for start in range(0, length, chunk):
            piece = tokens[rows, start : min(start + chunk, length)]
            read = piece if start + chunk < length else piece[:, :-1]
            step = model.advance(state, read, keep=read.shape[1])
            after = np.concatenate([before[:, -1:], step.logprobs], axis=1)
            out[rows, start : start + piece.shape[1]] = np.take_along_axis(
                after[:, : piece.shape[1]], piece[..., None].astype(np.int64), axis=2
            )[..., 0]
            state, before = step.state, after
    return out


def score_documents(
    model: LanguageModel, documents: Sequence[NDArray[np.int32]]
) -> list[NDArray[np.float32]]:
    """ln P of each token (T,) of each document, by the model's own way if it has one."""
    if isinstance(model, DocumentScorer):
        return model.score_documents(documents)
    return [model.score(document[None])[0] for document in documents]


def score_by_documents(
    model: DocumentScorer, tokens: Tokens, *, lengths: Lengths | None = None
) -> NDArray[np.float32]:
    """`score` written on `score_documents`: tokens (B, T) to ln P (B, T), 0 on pads."""
    lengths = full_lengths(tokens, lengths)
    out = np.zeros(tokens.shape, np.float32)
    rows = [row[:length] for row, length in zip(tokens, lengths, strict=True)]
    for row, scores in enumerate(model.score_documents(rows)):
        out[row, : lengths[row]] = scores
    return out
